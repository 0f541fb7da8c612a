import type { Request, RequestHandler } from "express";
import type { Log } from "../../kernel/log.ts";

const watched = /^\/(login|register|logout\w*|admin\/users\/[^/]+\/\w+)\/?$/i;

/** Who came in, who was refused, who left, and what moderators did: a line each, without a secret or a session's id. */
export function keepTrail(log: Log, tokenHolder: (req: Request) => string): RequestHandler {
  return (req, res, next) => {
    if (req.method !== "POST" || !watched.test(req.path)) return next();
    const who = req.headers.authorization ? tokenHolder(req) : req.session.userId;
    res.once("finish", () => {
      const { statusCode: status } = res;
      const [what, user] = [req.path.slice(1), who ?? req.session?.userId];
      const words = `${what}: ${status < 400 ? "done" : "refused"}`;
      log.info({ audit: "account", what, status, user, address: req.ip }, words);
    });
    next();
  };
}
