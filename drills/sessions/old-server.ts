import type { AddressInfo } from "node:net";
import { MongoStore } from "connect-mongo";
import express from "express";
import session from "express-session";
import mongoose from "mongoose";

/** A chat server of the old kind, as far as sessions go: stock express-session on a stock connect-mongo. */

declare module "express-session" {
  interface SessionData {
    authenticated?: boolean;
    userId?: string;
    handle?: string;
    csrfToken?: string;
    note?: string;
  }
}

const { MONGODB_URL = "", SESSION_SECRET = "", SESSION_COOKIE = "chatSession", TTL = "86400" } = process.env;
const client = await mongoose.mongo.MongoClient.connect(MONGODB_URL);
const handles = client.db().collection<{ _id: string; sid: string; userId: string; expires: Date }>("session_handles");

const app = express();
app.use(
  session({
    store: MongoStore.create({ client, collectionName: "sessions", ttl: Number(TTL), autoRemove: "disabled" }),
    name: SESSION_COOKIE,
    secret: SESSION_SECRET,
    resave: false,
    saveUninitialized: false,
    unset: "destroy",
    cookie: { maxAge: Number(TTL) * 1_000, httpOnly: true, sameSite: "lax" },
  }),
);
app.use((req, res, next) => {
  if (req.session.authenticated) next();
  else res.status(401).json({ error: "not logged in" });
});
app.get("/me", ({ session: { userId, handle, csrfToken } }, res) => void res.json({ userId, handle, csrfToken }));
app.post("/handle/:to", async (req, res) => {
  const { to } = req.params;
  const { userId = "" } = req.session;
  const expires = new Date(Date.now() + Number(TTL) * 1_000);
  await handles.updateOne({ _id: to }, { $set: { sid: req.sessionID, userId, expires } }, { upsert: true });
  req.session.handle = to;
  res.json({ handle: to });
});
// A slow request: what it has read may have ended when it writes.
app.post("/note/:ms", async (req, res) => {
  await new Promise((resolve) => setTimeout(resolve, Number(req.params.ms)));
  req.session.note = new Date().toISOString();
  res.json({});
});
app.post("/logout", (req, res) => {
  req.session.destroy((error: unknown) => void res.status(error ? 500 : 200).json({}));
});

const server = app.listen(0, "127.0.0.1", () => {
  console.log(`old server at http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
process.once("SIGTERM", () => {
  server.close();
  server.closeAllConnections();
  void client.close().then(() => process.exit(0));
});
