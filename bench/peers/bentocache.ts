import { createHash, createSecretKey } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { brotliCompressSync, constants } from "node:zlib";
import { BentoCache, bentostore } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import { redisBusDriver, redisDriver } from "bentocache/drivers/redis";
import express from "express";
import jwt from "jsonwebtoken";
import mongoose from "mongoose";

/**
 * What somebody would write who takes bentocache instead, as its documents advise: memory that is not serialized, before
 * Redis, told by a Redis bus. What it keeps are answers as they go over the wire, packed and with their tag, because these
 * are dearer to make than to send; whenever somebody writes they are made anew and put there, so that nobody waits for them.
 * (`expire` with `grace` would do as much, but in 1.6.1 it brings texts out of Redis into memory that is not serialized,
 * which cannot be read there.)
 */
interface Order {
  mongoUrl: string;
  redis: { host: string; port: number };
  secret: string;
}

interface Answer {
  etag: string;
  packed: Buffer;
  plain: Buffer;
}

/** As densely as the chat packs its own. */
function answerOf(found: object): Answer {
  const plain = Buffer.from(JSON.stringify(found));
  const packed = brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 2 } });
  return { etag: `W/"${createHash("sha1").update(plain).digest("base64")}"`, packed, plain };
}

/** Bytes are no JSON; in Redis they are texts that begin like this. */
const mark = "base64:";
const serializer = {
  serialize: (entry: unknown) =>
    JSON.stringify(entry, (_key, value) =>
      value?.type === "Buffer" ? mark + Buffer.from(value.data).toString("base64") : value,
    ),
  deserialize: (text: string) =>
    JSON.parse(text, (_key, value) =>
      typeof value === "string" && value.startsWith(mark) ? Buffer.from(value.slice(mark.length), "base64") : value,
    ),
};

const ttl = "5m";
const listed = { nickname: 1, role: 1, status: 1, createdAt: 1, lastActive: 1 } as const;
const channelOf = { _id: 0, id: 1, name: 1, type: 1, description: 1, createdBy: 1, position: 1 } as const;

async function serve({ mongoUrl, redis, secret }: Order): Promise<number> {
  const client = await mongoose.mongo.MongoClient.connect(mongoUrl);
  const db = client.db();
  const connection = { ...redis };
  const cache = new BentoCache({
    default: "multitier",
    serializer,
    stores: {
      multitier: bentostore()
        .useL1Layer(memoryDriver({ maxItems: 10_000, serialize: false }))
        .useL2Layer(redisDriver({ connection }))
        .useBus(redisBusDriver({ connection })),
    },
  });
  const reads = {
    users: () => db.collection("users").find().project(listed).sort({ nickname: 1 }).toArray(),
    channels: () => db.collection("channels").find().project(channelOf).sort({ position: 1, createdAt: 1 }).toArray(),
  };
  // From a string the library is fifty times as slow, which is not what is compared here.
  const key = createSecretKey(Buffer.from(secret));
  const app = express();
  app.disable("x-powered-by");
  app.use((req, res, next) => {
    try {
      jwt.verify(req.headers.authorization?.slice(7) ?? "", key, { algorithms: ["HS256"] });
      next();
    } catch {
      res.status(401).end();
    }
  });
  for (const [key, read] of Object.entries(reads)) {
    const factory = async () => answerOf(await read());
    app.get(`/api/${key}`, async (req, res) => {
      const { etag, packed, plain } = await cache.getOrSet({ key, ttl, factory });
      res.set({ "Content-Type": "application/json; charset=utf-8", ETag: etag, Vary: "Accept-Encoding" });
      if (req.fresh) return void res.status(304).end();
      const body = req.acceptsEncodings("br") ? packed : plain;
      if (body === packed) res.set("Content-Encoding", "br");
      res.set("Content-Length", String(body.length));
      res.end(body);
    });
    let [changed, busy] = [false, false];
    const renew = async () => {
      changed = true;
      if (busy) return;
      busy = true;
      while (changed) {
        changed = false;
        await cache.set({ key, value: await factory(), ttl });
      }
      busy = false;
    };
    db.collection(key)
      .watch()
      .on("change", () => void renew());
  }
  const server = createServer(app);
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

process.on("message", (order: Order) => {
  void serve(order).then((port) => process.send?.({ port }));
});
