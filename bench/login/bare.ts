import "../stage/orphan.ts";
import { createSecretKey, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { verify } from "@node-rs/bcrypt";
import { MongoStore } from "connect-mongo";
import { RedisStore } from "connect-redis";
import express, { type Request } from "express";
import session, { type Store } from "express-session";
import jwt from "jsonwebtoken";
import mongoose from "mongoose";
import { createClient } from "redis";

interface Order {
  mongoUrl: string;
  /** Where the sessions are, if not in MongoDB. */
  redisUrl?: string;
  secret: string;
}

async function inRedis(url: string): Promise<Store> {
  const client = createClient({ url });
  client.on("error", console.error);
  await client.connect();
  return new RedisStore({ client });
}

const regenerated = (req: Request) =>
  new Promise<void>((resolve, reject) => req.session.regenerate((error) => (error ? reject(error) : resolve())));

/** A login by Express, express-session and a stock store as they come: the same password, the same writes, the same answer. */
async function serve({ mongoUrl, redisUrl, secret }: Order): Promise<number> {
  const client = await mongoose.mongo.MongoClient.connect(mongoUrl);
  const users = client.db().collection("users");
  const key = createSecretKey(Buffer.from(secret));
  const app = express();
  app.disable("x-powered-by");
  app.use(express.json());
  app.use(
    session({
      store: redisUrl ? await inRedis(redisUrl) : MongoStore.create({ client, collectionName: "stock_sessions" }),
      name: "chatSession",
      secret,
      resave: false,
      saveUninitialized: false,
      cookie: { maxAge: 86_400_000, httpOnly: true, sameSite: "lax" },
    }),
  );
  app.post("/api/login", async (req, res) => {
    const { identifier, password } = req.body as { identifier: string; password: string };
    const user = await users.findOne({ nickname: identifier });
    if (!user || !(await verify(password, user.password))) return void res.status(400).json({ error: "no" });
    await users.updateOne({ _id: user._id }, { $set: { status: "online", lastActive: new Date() } });
    await regenerated(req);
    const [csrfToken, sessionId] = [randomBytes(32).toString("hex"), randomBytes(24).toString("base64url")];
    const claims = { userId: String(user._id), nickname: user.nickname, role: user.role, csrfToken, sessionId };
    Object.assign(req.session, { authenticated: true, loginTime: new Date().toISOString(), ...claims });
    const { nickname, email, role } = user;
    res.json({
      token: jwt.sign(claims, key, { algorithm: "HS256", expiresIn: "24h" }),
      user: { id: claims.userId, nickname, email, role },
      session: { id: sessionId, authenticated: true, expires: req.session.cookie.expires, csrfToken },
    });
  });
  const server = createServer(app);
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

process.once("message", (order: Order) => {
  void serve(order).then((port) => process.send?.({ port }));
});
