// Reads requests of the conformance suite, one JSON object a line, and answers each with what a function returns.
import { createInterface } from "node:readline";

export async function serve(operations) {
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    const operation = operations[request.op];
    let answer = { offered: false };
    if (operation && request.provider === "meta") {
      try {
        answer = { ok: true, ...(await operation(request)) };
      } catch (error) {
        answer = { ok: false, error: String(error?.message ?? error).slice(0, 300) };
      }
    }
    console.log(JSON.stringify(answer));
  }
  process.exit(0);
}

export const body = (request) => Buffer.from(request.body_base64, "base64");
export const header = (request, name) =>
  Object.entries(request.headers).find(([key]) => key.toLowerCase() === name)?.[1];
export const hex = (digest) => (digest ? Buffer.from(digest, "base64").toString("hex") : null);
export const messages = (delivery) =>
  delivery.entry.flatMap((entry) => entry.changes).flatMap((change) => change.value.messages ?? []);
