import "../stage/orphan.ts";
import { createSecretKey } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { BentoCache, bentostore } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import { redisBusDriver, redisDriver } from "bentocache/drivers/redis";
import express from "express";
import jwt from "jsonwebtoken";
import mongoose from "mongoose";
import { answerOf, send, serializer } from "./answers.ts";
import { createRenewal } from "./renewal.ts";

/**
 * What somebody would write who takes bentocache instead, as its documents advise: memory that is not serialized, before
 * Redis, told by a Redis bus. What it keeps are answers as they go over the wire, packed and with their tag, because these
 * are dearer to make than to send; when somebody writes they are made anew and put there, so that nobody waits for them, but
 * no more often than once a second, which is as old as the chat's own may be. A history has a key for each channel.
 * (`expire` with `grace` would do as much, but in 1.6.1 it brings texts out of Redis into memory that is not serialized,
 * which cannot be read there.)
 */
interface Order {
  mongoUrl: string;
  redis: { host: string; port: number };
  secret: string;
}

const ttl = "5m";
const listed = { nickname: 1, role: 1, status: 1, createdAt: 1, lastActive: 1 } as const;
/** A history as the chat tells it. */
const told = { author: 1, room: "$channel", text: 1, type: 1, target: 1, timestamp: 1 } as const;
const pageLength = 50;
const renewedEveryMs = 1_000;
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
    app.get(`/api/${key}`, async (req, res) => send(req, res, await cache.getOrSet({ key, ttl, factory })));
    const renew = createRenewal(async () => cache.set({ key, ttl, value: await factory() }), renewedEveryMs);
    db.collection(key).watch().on("change", renew);
  }

  const histories = cache.namespace("messages");
  async function history(channel: string) {
    const newest = db.collection("messages").find({ channel, type: { $ne: "private" } });
    const found = await newest.sort({ timestamp: -1, _id: -1 }).limit(pageLength).project(told).toArray();
    const messages = found.reverse().map(({ _id, ...message }) => ({ id: _id, ...message }));
    return answerOf({ messages, before: messages[0]?.id ?? null });
  }
  app.get("/api/channels/:id/messages", async (req, res) => {
    const key = req.params.id;
    send(req, res, await histories.getOrSet({ key, ttl, factory: () => history(key) }));
  });
  const renewals = new Map<string, () => void>();
  db.collection("messages")
    .watch([], { fullDocument: "updateLookup" })
    .on("change", (change) => {
      const key: unknown = "fullDocument" in change ? change.fullDocument?.channel : undefined;
      if (typeof key !== "string") return;
      const renewal =
        renewals.get(key) ??
        createRenewal(async () => histories.set({ key, ttl, value: await history(key) }), renewedEveryMs);
      renewals.set(key, renewal);
      renewal();
    });

  const server = createServer(app);
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

process.on("message", (order: Order) => {
  void serve(order).then((port) => process.send?.({ port }));
});
