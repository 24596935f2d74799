// @great-detail/whatsapp as its own documentation uses it; it leaves the credential of a download to its caller.
import { readFile, writeFile } from "node:fs/promises";
import { Client } from "@great-detail/whatsapp";
import { body, hex, messages, serve } from "./driver.mjs";

const authorized = ({ credentials: { token } }) => ({ headers: { Authorization: `Bearer ${token}` } });
const client = (request) => new Client({ prefixUrl: request.base_url, request: authorized(request) });
const event = (request) => {
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value]));
  return client(request).webhook.eventNotification({ method: "POST", query: {}, body: body(request).toString(), headers });
};

serve({
  async fetch(request) {
    const wa = client(request);
    const { url } = await (await wa.media.getURL({ mediaID: request.id })).json();
    const reply = await wa.media.download({ mediaURL: url, request: authorized(request) });
    await writeFile(request.out, Buffer.from(await reply.arrayBuffer()));
  },
  async upload(request) {
    const file = new Blob([await readFile(request.file)], { type: request.mime });
    const { phone_number_id: phoneNumberID } = request.credentials;
    const options = { phoneNumberID, mimeType: request.mime, file, filename: request.name };
    return { id: (await (await client(request).media.upload(options)).json()).id };
  },
  async delete(request) {
    await client(request).media.delete({ mediaID: request.id });
  },
  async parse(request) {
    const { eventNotification } = await event(request);
    const all = messages(eventNotification).map((message) => ({ ...message[message.type], kind: message.type }));
    const media = all.filter((item) => item.id);
    return { items: media.map(({ id, kind, mime_type: mime, sha256 }) => ({ id, kind, mime, sha256: hex(sha256) })) };
  },
  async verify(request) {
    // It raises an error where the signature is wrong.
    await (await event(request)).verifySignature(request.credentials.app_secret);
    return { valid: true };
  },
});
