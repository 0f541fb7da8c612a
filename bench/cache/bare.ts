import "../stage/orphan.ts";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";

/** Express and nothing else, with bytes that it was given: what a server can do that asks for nothing. */
process.on("message", ({ bodies }: { bodies: Record<string, string> }) => {
  const app = express();
  app.disable("x-powered-by");
  for (const [path, text] of Object.entries(bodies)) {
    const bytes = Buffer.from(text, "base64");
    app.get(path, (_req, res) => {
      res.set({ "Content-Type": "application/json; charset=utf-8", "Content-Encoding": "br" });
      res.set("Content-Length", String(bytes.length));
      res.end(bytes);
    });
  }
  const server = createServer(app).listen(0, "127.0.0.1", () => {
    process.send?.({ port: (server.address() as AddressInfo).port });
  });
});
