// whatsapp-api-js as its own documentation uses it; only the address of the API is changed.
import { readFile, writeFile } from "node:fs/promises";
import { WhatsAppAPI } from "whatsapp-api-js";
import { body, header, hex, serve } from "./driver.mjs";

const client = ({ base_url, credentials: { token, app_secret } }) => {
  const moved = (url, options) => fetch(String(url).replace("https://graph.facebook.com", base_url), options);
  return new WhatsAppAPI({ token, appSecret: app_secret, v: "v23.0", ponyfill: { fetch: moved } });
};
const orFail = (answer) => {
  if (answer.error) throw new Error(answer.error.message);
  return answer;
};

serve({
  async fetch(request) {
    const wa = client(request);
    const reply = await wa.fetchMedia(orFail(await wa.retrieveMedia(request.id)).url);
    if (!reply.ok) throw new Error(`status ${reply.status}`);
    await writeFile(request.out, Buffer.from(await reply.arrayBuffer()));
  },
  async upload(request) {
    const form = new FormData();
    form.set("file", new Blob([await readFile(request.file)], { type: request.mime }), request.name);
    return { id: orFail(await client(request).uploadMedia(request.credentials.phone_number_id, form)).id };
  },
  async delete(request) {
    orFail(await client(request).deleteMedia(request.id));
  },
  async parse(request) {
    const wa = client(request);
    const items = [];
    wa.on.message = ({ message }) => {
      const media = message[message.type];
      if (media?.id) items.push({ id: media.id, kind: message.type, mime: media.mime_type, sha256: hex(media.sha256) });
    };
    const text = body(request).toString();
    await wa.post(JSON.parse(text), text, header(request, "x-hub-signature-256"));
    return { items };
  },
  async verify(request) {
    const signature = header(request, "x-hub-signature-256") ?? "";
    return { valid: await client(request).verifyRequestSignature(body(request).toString(), signature) };
  },
});
