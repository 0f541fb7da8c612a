import express, { type RequestHandler, type Response } from "express";
import helmet from "helmet";

/** What every request passes before anything is asked of it. */

const plainEnd = new WeakMap<Response, Response["end"]>();

/** Must stand ahead of express-session, whose own `end` waits for the store. */
export const rememberPlainEnd: RequestHandler = (_req, res, next) => {
  plainEnd.set(res, res.end);
  next();
};

/** Answers without waiting for the session store, which may be what is out of reach. */
export function endPlainly(res: Response, answer: () => void): void {
  const end = plainEnd.get(res);
  if (end) res.end = end;
  answer();
}

/** A request that is still unanswered after `ms` gets `late` instead of silence. */
export function answerInTime(ms: number, late: (res: Response) => void): RequestHandler {
  return (_req, res, next) => {
    const timer = setTimeout(() => {
      if (!res.headersSent) endPlainly(res, () => late(res));
    }, ms);
    timer.unref();
    res.once("close", () => clearTimeout(timer));
    next();
  };
}

export function securityHeaders(port: number, production: boolean): RequestHandler {
  const own = [`ws://localhost:${port}`, `http://localhost:${port}`];
  return helmet({
    contentSecurityPolicy: {
      directives: {
        defaultSrc: ["'self'"],
        connectSrc: ["'self'", "ws://localhost:3001", "http://localhost:3001", ...(port === 3001 ? [] : own)],
        styleSrc: ["'self'", "'unsafe-inline'"],
        upgradeInsecureRequests: production ? [] : null,
      },
    },
    strictTransportSecurity: production,
  });
}

const allowedHeaders = "Content-Type, Authorization, X-Requested-With";
const exposedHeaders = "RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, RateLimit-Policy, Retry-After, X-Cache";

/** What a page of this origin must be told; nothing when it is not welcome. */
export function corsHeaders(
  origins: readonly string[],
): (origin: string | undefined) => Readonly<Record<string, string>> {
  const allowed = new Map(
    origins.map((origin) => [
      origin,
      {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": exposedHeaders,
      },
    ]),
  );
  return (origin) => allowed.get(origin ?? "") ?? {};
}

/** Credentialed CORS for the listed origins alone; others get no header, and their browser refuses. */
export function cors(origins: readonly string[]): RequestHandler {
  const headersFor = corsHeaders(origins);
  return (req, res, next) => {
    res.vary("Origin");
    const headers = headersFor(req.headers.origin);
    const welcome = Object.keys(headers).length > 0;
    res.set(headers);
    if (req.method !== "OPTIONS" || req.headers["access-control-request-method"] === undefined) return next();
    if (welcome) {
      res.set("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE");
      res.set("Access-Control-Allow-Headers", allowedHeaders);
      res.set("Access-Control-Max-Age", "600");
    }
    res.status(204).end();
  };
}

export function jsonBody(limitKb: number): RequestHandler {
  return express.json({ limit: limitKb * 1024, strict: true });
}
