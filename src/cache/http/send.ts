import type { IncomingMessage, ServerResponse } from "node:http";
import type { RequestResult } from "../types.ts";
import { type Answer, rawOf } from "../wire.ts";
import { codingFor, isFresh } from "./negotiate.ts";

/** Where an answer came from, as the header X-Cache tells it. */
export type Source = RequestResult;

export interface SendOptions {
  source: Source;
  /** For whom and how long others may keep it. */
  cacheControl: string;
  vary: string;
}

/** What goes over the wire for one request. */
export interface Reply {
  readonly status: 200 | 304;
  /** Names and values by turns, as Node's own `writeHead` takes them. */
  readonly headers: string[];
  readonly body: Buffer | undefined;
}

type Asked = Pick<IncomingMessage, "method" | "headers">;

/** The answer, or only that the client has it already. */
export function replyTo({ method, headers: asked }: Asked, answer: Answer, options: SendOptions): Reply {
  const { source, cacheControl, vary } = options;
  const headers = ["ETag", answer.etag, "Cache-Control", cacheControl, "Vary", vary, "X-Cache", source];
  if (isFresh(asked, answer.etag)) return { status: 304, headers, body: undefined };
  headers.push("Content-Type", answer.type);
  const packed = answer.br && codingFor(asked["accept-encoding"]) === "br" ? answer.br : undefined;
  if (packed) headers.push("Content-Encoding", "br");
  if (method !== "HEAD") {
    const body = packed ?? rawOf(answer);
    headers.push("Content-Length", String(body.length));
    return { status: 200, headers, body };
  }
  headers.push("Content-Length", String(packed?.length ?? answer.length));
  return { status: 200, headers, body: undefined };
}

/** Sends it beside the headers that are set already. */
export function sendAnswer(req: Asked, res: ServerResponse, answer: Answer, options: SendOptions): void {
  const { status, headers, body } = replyTo(req, answer, options);
  for (let at = 0; at < headers.length; at += 2) res.setHeader(headers[at] ?? "", headers[at + 1] ?? "");
  res.statusCode = status;
  res.end(body);
}
