// One JavaScript client, unchanged: uploads a file and downloads it again. `client.mjs NAME FILE FOLDER`; it prints its version.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

const [name, path, folder] = process.argv.slice(2);
const { WAMEDIA_META_BASE_URL: base, WAMEDIA_META_TOKEN: token, WAMEDIA_META_PHONE_NUMBER_ID: number } = process.env;
const { WAMEDIA_META_APP_SECRET: appSecret } = process.env;
const file = new Blob([await readFile(path)], { type: "image/jpeg" });

const clients = {
  async "whatsapp-api-js"() {
    const { WhatsAppAPI } = await import("whatsapp-api-js");
    const moved = (url, options) => fetch(String(url).replace("https://graph.facebook.com", base), options);
    const wa = new WhatsAppAPI({ token, appSecret, v: "v23.0", ponyfill: { fetch: moved } });
    const form = new FormData();
    // It hands the form over as it is, and Meta wants this field.
    form.set("messaging_product", "whatsapp");
    form.set("file", file, "photo.jpg");
    const { id } = await wa.uploadMedia(number, form);
    return (await wa.fetchMedia((await wa.retrieveMedia(id)).url)).arrayBuffer();
  },
  async "@kapso/whatsapp-cloud-api"() {
    const { WhatsAppClient } = await import("@kapso/whatsapp-cloud-api");
    const wa = new WhatsAppClient({ accessToken: token, baseUrl: base });
    const { id } = await wa.media.upload({ phoneNumberId: number, type: "image", file, fileName: "photo.jpg" });
    return wa.media.download({ mediaId: id, auth: "always" });
  },
  async "@great-detail/whatsapp"() {
    const { Client } = await import("@great-detail/whatsapp");
    const request = { headers: { Authorization: `Bearer ${token}` } };
    const { media } = new Client({ prefixUrl: base, request });
    const sent = await media.upload({ phoneNumberID: number, mimeType: "image/jpeg", file, filename: "photo.jpg" });
    const { url } = await (await media.getURL({ mediaID: (await sent.json()).id })).json();
    return (await media.download({ mediaURL: url, request })).arrayBuffer();
  },
};

await writeFile(join(folder, "photo.jpg"), Buffer.from(await clients[name]()));
console.log(JSON.parse(await readFile(join("node_modules", name, "package.json"))).version);
