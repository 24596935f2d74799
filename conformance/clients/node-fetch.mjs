// Plain fetch, as a bot's author writes it in an afternoon: ask for the link, then for the bytes.
import { createHmac, timingSafeEqual } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { body, header, hex, messages, serve } from "./driver.mjs";

const call = async (request, path, options = {}) => {
  const headers = { Authorization: `Bearer ${request.credentials.token}` };
  const reply = await fetch(`${request.base_url}/v23.0/${path}`, { ...options, headers });
  if (!reply.ok) throw new Error(`status ${reply.status}`);
  return reply.json();
};

serve({
  async fetch(request) {
    const { url } = await call(request, request.id);
    const reply = await fetch(url, { headers: { Authorization: `Bearer ${request.credentials.token}` } });
    if (!reply.ok) throw new Error(`status ${reply.status}`);
    await writeFile(request.out, Buffer.from(await reply.arrayBuffer()));
  },
  async upload(request) {
    const form = new FormData();
    form.set("messaging_product", "whatsapp");
    form.set("type", request.mime);
    form.set("file", new Blob([await readFile(request.file)], { type: request.mime }), request.name);
    const path = `${request.credentials.phone_number_id}/media`;
    return { id: (await call(request, path, { method: "POST", body: form })).id };
  },
  async delete(request) {
    await call(request, request.id, { method: "DELETE" });
  },
  parse(request) {
    const all = messages(JSON.parse(body(request))).map((message) => ({ ...message[message.type], kind: message.type }));
    const media = all.filter((item) => item.id);
    return { items: media.map(({ id, kind, mime_type: mime, sha256 }) => ({ id, kind, mime, sha256: hex(sha256) })) };
  },
  verify(request) {
    const right = createHmac("sha256", request.credentials.app_secret).update(body(request)).digest("hex");
    const [want, have] = [`sha256=${right}`, header(request, "x-hub-signature-256") ?? ""].map((text) => Buffer.from(text));
    return { valid: want.length === have.length && timingSafeEqual(want, have) };
  },
});
