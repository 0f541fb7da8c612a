import type { IncomingMessage, ServerResponse } from "node:http";
import type { Request, RequestHandler, Response } from "express";
import type { Allowance, Limiter } from "../../kernel/limiter.ts";
import type { Tokens } from "./tokens.ts";

/** The limits at the door; absent ones are off. */
export interface DoorLimits {
  api?: Limiter;
  register?: Limiter;
  login?: Limiter;
  loginFailures?: Limiter;
  channels?: Limiter;
}

const words = "Too many requests, please try again later";

/** Names and values by turns. */
export function allowanceHeaders({ limit, remaining, resetSeconds, windowSeconds }: Allowance): string[] {
  const policy = ["RateLimit-Policy", `${limit};w=${windowSeconds}`, "RateLimit-Limit", String(limit)];
  const left = ["RateLimit-Remaining", String(Math.max(0, remaining))];
  return [...policy, ...left, "RateLimit-Reset", String(Math.max(0, Math.ceil(resetSeconds)))];
}

function tell(res: ServerResponse, allowance: Allowance): void {
  const headers = allowanceHeaders(allowance);
  for (let at = 0; at < headers.length; at += 2) res.setHeader(headers[at] ?? "", headers[at + 1] ?? "");
}

export function tooMany(res: Response, allowance: Allowance): void {
  tell(res, allowance);
  res.set("Retry-After", String(Math.max(1, Math.ceil(allowance.resetSeconds))));
  res.status(429).json({ error: words, message: words, code: "RATE_LIMITED" });
}

const counted = new WeakMap<IncomingMessage, Allowance | Promise<Allowance>>();

/** It was counted before it came to the limits, which then only say what is left. */
export function noteCounted(req: IncomingMessage, allowance: Allowance | Promise<Allowance>): void {
  counted.set(req, allowance);
}

/** Counts the request for `keyOf(req)`; beyond the limit it goes no further. */
export function limited(limiter: Limiter | undefined, keyOf: (req: Request) => string): RequestHandler {
  return async (req, res, next) => {
    if (!limiter) return next();
    const allowance = await (counted.get(req) ?? limiter.consume(keyOf(req)));
    if (!allowance.allowed) return tooMany(res, allowance);
    tell(res, allowance);
    next();
  };
}

/** Of an IPv6 address its network: whoever has one address of a /64 has them all. */
function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  if (!plain.includes(":")) return plain;
  const [head = "", tail = ""] = plain.split("%")[0]?.split("::") ?? [];
  const [left, right] = [head, tail].map((part) => part.split(":").filter(Boolean));
  const gap = plain.includes("::") ? Math.max(0, 8 - (left?.length ?? 0) - (right?.length ?? 0)) : 0;
  const groups = [...(left ?? []), ...Array<string>(gap).fill("0"), ...(right ?? [])];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}

export const byAddress = (req: Request): string => networkOf(req.ip ?? "unknown");

export const keyOfUser = (userId: string): string => `user:${userId}`;

/** Per user when a token says who; the signature is enough here, and costs no store. */
export function byUser(tokens: Tokens): (req: Request) => string {
  return (req) => {
    const reading = tokens.read(req.headers.authorization);
    return reading.kind === "claims" ? keyOfUser(reading.claims.userId) : `address:${byAddress(req)}`;
  };
}
