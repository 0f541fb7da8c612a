import { createHash } from "node:crypto";
import { brotliCompressSync, constants } from "node:zlib";
import type { Request, Response } from "express";

/** As it goes over the wire. */
export interface Answer {
  etag: string;
  packed: Buffer;
  plain: Buffer;
}

/** As densely as the chat packs its own. */
export function answerOf(found: object): Answer {
  const plain = Buffer.from(JSON.stringify(found));
  const packed = brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 2 } });
  return { etag: `W/"${createHash("sha1").update(plain).digest("base64")}"`, packed, plain };
}

export function send(req: Request, res: Response, { etag, packed, plain }: Answer): void {
  res.set({ "Content-Type": "application/json; charset=utf-8", ETag: etag, Vary: "Accept-Encoding" });
  if (req.fresh) return void res.status(304).end();
  const body = req.acceptsEncodings("br") ? packed : plain;
  if (body === packed) res.set("Content-Encoding", "br");
  res.set("Content-Length", String(body.length));
  res.end(body);
}

/** Bytes are no JSON; in Redis they are texts that begin like this. */
const mark = "base64:";

export const serializer = {
  serialize: (entry: unknown) =>
    JSON.stringify(entry, (_key, value) =>
      value?.type === "Buffer" ? mark + Buffer.from(value.data).toString("base64") : value,
    ),
  deserialize: (text: string) =>
    JSON.parse(text, (_key, value) =>
      typeof value === "string" && value.startsWith(mark) ? Buffer.from(value.slice(mark.length), "base64") : value,
    ),
};
