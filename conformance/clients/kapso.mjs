// @kapso/whatsapp-cloud-api as its own documentation uses it; for media at Meta itself a download wants `auth: "always"`.
import { readFile, writeFile } from "node:fs/promises";
import { WhatsAppClient } from "@kapso/whatsapp-cloud-api";
import { normalizeWebhook, verifySignature } from "@kapso/whatsapp-cloud-api/server";
import { body, header, hex, serve } from "./driver.mjs";

const client = ({ base_url, credentials: { token } }) => new WhatsAppClient({ accessToken: token, baseUrl: base_url });

serve({
  async fetch(request) {
    const bytes = await client(request).media.download({ mediaId: request.id, auth: "always" });
    await writeFile(request.out, Buffer.from(bytes));
  },
  async upload(request) {
    const file = new Blob([await readFile(request.file)], { type: request.mime });
    const { phone_number_id: phoneNumberId } = request.credentials;
    const answer = await client(request).media.upload({ phoneNumberId, type: "image", file, fileName: request.name });
    return { id: answer.id };
  },
  async delete(request) {
    await client(request).media.delete({ mediaId: request.id });
  },
  parse(request) {
    const { messages } = normalizeWebhook(JSON.parse(body(request)));
    const media = messages.map((message) => ({ ...message[message.type], kind: message.type })).filter((item) => item.id);
    return { items: media.map(({ id, kind, mimeType: mime, sha256 }) => ({ id, kind, mime, sha256: hex(sha256) })) };
  },
  verify(request) {
    const { app_secret: appSecret } = request.credentials;
    const signatureHeader = header(request, "x-hub-signature-256");
    return { valid: verifySignature({ appSecret, rawBody: body(request), signatureHeader }) };
  },
});
