import { createServer, type IncomingHttpHeaders, request } from "node:http";
import type { AddressInfo } from "node:net";
import { brotliDecompressSync } from "node:zlib";
import express from "express";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { codingFor, isFresh } from "../../src/cache/http/negotiate.ts";
import { sendAnswer } from "../../src/cache/http/send.ts";
import { type Answer, bytesOf, makeAnswer, rawOf } from "../../src/cache/wire.ts";

const long = JSON.stringify(Array.from({ length: 200 }, (_, n) => ({ id: n, name: `channel ${n}`, nonAscii: "é" })));

interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

const app = express();
let answer: Answer;
app.get("/ours", (req, res) =>
  sendAnswer(req, res, answer, { source: "l1", cacheControl: "private, no-cache", vary: "Authorization" }),
);
app.get("/express", (_req, res) => void res.json(JSON.parse(long)));
const server = createServer(app);

beforeAll(async () => {
  answer = await makeAnswer(long, { version: "1" });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function ask(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Reply> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const asked = request({ port, path, headers, method }, (res) => {
      const parts: Buffer[] = [];
      res.on("data", (part: Buffer) => parts.push(part));
      res.on("end", () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(parts) }));
    });
    asked.on("error", reject).end();
  });
}

describe("an answer as bytes", () => {
  it("is what Express would send, tag and all", async () => {
    const [ours, theirs] = [await ask("/ours"), await ask("/express")];
    expect(ours.body.equals(theirs.body)).toBe(true);
    for (const name of ["etag", "content-type", "content-length"])
      expect(ours.headers[name]).toBe(theirs.headers[name]);
    expect(ours.headers).toMatchObject({
      "cache-control": "private, no-cache",
      "x-cache": "l1",
      vary: "Authorization",
    });
  });

  it("is packed for whoever takes it so", async () => {
    const packed = await ask("/ours", { "Accept-Encoding": "gzip, deflate, br" });
    expect(packed.headers["content-encoding"]).toBe("br");
    expect(Number(packed.headers["content-length"])).toBe(packed.body.length);
    expect(packed.body.length).toBeLessThan(long.length * 0.6);
    expect(brotliDecompressSync(packed.body).toString()).toBe(long);
    const plain = await ask("/ours", { "Accept-Encoding": "gzip, br;q=0" });
    expect([plain.headers["content-encoding"], plain.body.toString()]).toEqual([undefined, long]);
    expect(packed.headers.etag).toBe(plain.headers.etag);
  });

  it("has no body for HEAD", async () => {
    const head = await ask("/ours", { "Accept-Encoding": "br" }, "HEAD");
    expect(head.body.length).toBe(0);
    expect(head.headers["content-length"]).toBe(String(answer.br?.length));
  });

  it("is not sent to who has it", async () => {
    const again = await ask("/ours", { "If-None-Match": answer.etag });
    expect([again.status, again.body.length]).toEqual([304, 0]);
    expect(again.headers).toMatchObject({ etag: answer.etag, "cache-control": "private, no-cache" });
    expect(again.headers["content-type"]).toBeUndefined();
    expect(again.headers["content-length"]).toBeUndefined();
    expect((await ask("/ours", { "If-None-Match": '"other"' })).status).toBe(200);
  });

  it("is not packed when that saves nothing, and unpacked when only the packed form is there", async () => {
    expect((await makeAnswer("[]")).br).toBeUndefined();
    expect((await makeAnswer(long, { packFrom: Number.POSITIVE_INFINITY })).br).toBeUndefined();
    const { raw, ...packed } = answer;
    expect(rawOf(packed).equals(raw ?? Buffer.alloc(0))).toBe(true);
    expect(bytesOf(answer)).toBeGreaterThan(bytesOf(packed) + long.length);
  });
});

describe("what a client takes", () => {
  it.each([
    [undefined, "identity"],
    ["", "identity"],
    ["br", "br"],
    ["BR", "br"],
    ["gzip, deflate, br, zstd", "br"],
    ["gzip", "identity"],
    ["*", "br"],
    ["*;q=0", "identity"],
    ["*, br;q=0", "identity"],
    ["br;q=0.5, identity;q=0.8", "identity"],
    ["br;q=0.8, identity;q=0.8", "br"],
    ["identity, br;q=0.001", "identity"],
    ["gzip;q=1.0, br ; q=0.3", "br"],
    ["br;q=2", "identity"],
    ["br;q=x", "identity"],
    ["abr", "identity"],
  ])("Accept-Encoding %j: %s", (header, coding) => {
    expect(codingFor(header)).toBe(coding);
    expect(codingFor(header)).toBe(coding);
  });

  it.each([
    ['W/"a-1"', true],
    ['"a-1"', true],
    ["*", true],
    ['"x", W/"a-1"', true],
    ['"x",W/"a-1", "y"', true],
    ['"x, W/"', false],
    ['W/"a-12"', false],
    ["a-1", false],
    ["", false],
    ['"*"', false],
  ])("If-None-Match %s: %s", (header, fresh) => {
    expect(isFresh({ "if-none-match": header }, 'W/"a-1"')).toBe(fresh);
    expect(isFresh({ "if-none-match": header, "cache-control": "max-age=0, no-cache" }, 'W/"a-1"')).toBe(false);
  });
});
