import type { IncomingHttpHeaders } from "node:http";
import { LRUCache } from "lru-cache";

/** Which coding of a body goes to a client: the packed one when it takes it at least as gladly. */
function readAcceptEncoding(header: string): "br" | "identity" {
  let packed: number | undefined;
  let plain: number | undefined;
  let rest = 0;
  for (const part of header.toLowerCase().split(",")) {
    const [name = "", ...parameters] = part.split(";").map((text) => text.trim());
    const weight = parameters.find((one) => one.startsWith("q="));
    const q = weight === undefined ? 1 : Number(weight.slice(2));
    if (!(q >= 0 && q <= 1)) continue;
    if (name === "br") packed = q;
    else if (name === "identity") plain = q;
    else if (name === "*") rest = q;
  }
  const br = packed ?? rest;
  // Not named, it is taken when nothing else is; so it ranks last.
  return br > 0 && br >= (plain ?? 0) ? "br" : "identity";
}

const known = new LRUCache<string, "br" | "identity">({ max: 200 });

export function codingFor(header: string | string[] | undefined): "br" | "identity" {
  if (header === undefined || header === "") return "identity";
  const text = String(header);
  const read = known.get(text) ?? readAcceptEncoding(text);
  known.set(text, read);
  return read;
}

const opaque = (tag: string) => (tag.startsWith("W/") ? tag.slice(2) : tag);
const tags = /\*|(?:W\/)?"[^"]*"/g;

/** Whether the client has this very answer: If-None-Match always compares weakly. A reload asks for it all the same. */
export function isFresh(headers: IncomingHttpHeaders, etag: string): boolean {
  const match = headers["if-none-match"];
  if (match === undefined) return false;
  const control = headers["cache-control"];
  if (control !== undefined && /(?:^|,)\s*no-cache\s*(?:,|$)/i.test(control)) return false;
  if (match === etag || match.trim() === "*") return true;
  return (match.match(tags) ?? []).some((tag) => tag !== "*" && opaque(tag) === opaque(etag));
}
