import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { extname, join, sep } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import type { RequestHandler } from "express";

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml; charset=utf-8",
  ".json": "application/json; charset=utf-8",
};

interface Page {
  type: string;
  etag: string;
  forms: { encoding: "br" | "gzip" | "identity"; bytes: Buffer }[];
}

function pageOf(file: string): Page {
  const bytes = readFileSync(file);
  return {
    type: types[extname(file)] ?? "application/octet-stream",
    etag: `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`,
    forms: [
      { encoding: "br", bytes: brotliCompressSync(bytes) },
      { encoding: "gzip", bytes: gzipSync(bytes) },
      { encoding: "identity", bytes },
    ],
  };
}

/**
 * The web client, small enough to be packed once at the start and sent from memory, and `others` by their paths; nothing
 * else of the disk is reachable.
 */
export function clientPages(folder: string, others: Readonly<Record<string, string>> = {}): RequestHandler {
  const pages = new Map<string, Page>();
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }))
    if (types[extname(name)]) pages.set(`/${name.split(sep).join("/")}`, pageOf(join(folder, name)));
  for (const [path, file] of Object.entries(others)) pages.set(path, pageOf(file));
  const index = pages.get("/index.html");
  if (index) pages.set("/", index);

  return (req, res, next) => {
    const page = req.method === "GET" || req.method === "HEAD" ? pages.get(req.path) : undefined;
    if (!page) return next();
    const accepted = req.acceptsEncodings(page.forms.map(({ encoding }) => encoding));
    const form = page.forms.find(({ encoding }) => encoding === accepted) ?? page.forms.at(-1);
    res.vary("Accept-Encoding");
    res.set({ "Cache-Control": "no-cache", "Content-Type": page.type, ETag: page.etag });
    if (req.fresh) return void res.status(304).end();
    if (form && form.encoding !== "identity") res.set("Content-Encoding", form.encoding);
    res.end(req.method === "HEAD" ? undefined : form?.bytes);
  };
}
