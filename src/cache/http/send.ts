import type { IncomingMessage, ServerResponse } from "node:http";
import { type Answer, rawOf } from "../wire.ts";
import { codingFor, isFresh } from "./negotiate.ts";

/** Where an answer came from, as the header X-Cache tells it. */
export type Source = "l1" | "redis" | "mongo" | "stale" | "bypass";

export interface SendOptions {
  source: Source;
  /** For whom and how long others may keep it. */
  cacheControl: string;
  vary: string;
}

/** Sends an answer, or only that the client has it already. Headers that are set before go with it. */
export function sendAnswer(req: IncomingMessage, res: ServerResponse, answer: Answer, options: SendOptions): void {
  const { headers, method } = req;
  res.setHeader("ETag", answer.etag);
  res.setHeader("Cache-Control", options.cacheControl);
  res.setHeader("Vary", options.vary);
  res.setHeader("X-Cache", options.source);
  if (isFresh(headers, answer.etag)) {
    res.statusCode = 304;
    res.end();
    return;
  }
  const br = answer.br && codingFor(headers["accept-encoding"]) === "br" ? answer.br : undefined;
  res.setHeader("Content-Type", answer.type);
  if (br) res.setHeader("Content-Encoding", "br");
  const body = br ?? rawOf(answer);
  res.setHeader("Content-Length", body.length);
  if (method === "HEAD") res.end();
  else res.end(body);
}
