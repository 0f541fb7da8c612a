import type { CookieOptions, Request, RequestHandler, Response } from "express";
import type { Limiter } from "../../kernel/limiter.ts";
import type { Log } from "../../kernel/log.ts";
import { refuse } from "./answers.ts";
import type { Pass, Passes } from "./passes.ts";

export interface DoorsOptions {
  passes: Passes;
  /** Of wrong tokens, by who shows them. */
  attempts: Limiter;
  /** What counts as one address. */
  keyOf(req: Request): string;
  /** Only over TLS, as in production. */
  secure: boolean;
  log: Log;
}

export interface Doors {
  /** Whoever changes something must be the console's own page: no other page can send this. */
  readonly ownPage: RequestHandler;
  readonly logIn: RequestHandler;
  readonly logOut: RequestHandler;
  /** Answers who is in, and lets them stay longer; that nobody is in is an answer, too. */
  readonly whoIsIn: RequestHandler;
  readonly mayRead: RequestHandler;
  readonly mayChange: RequestHandler;
}

const cookieName = "sluiceConsole";
const header = "x-sluice-console";

/** Whoever passed a door, for the routes behind it. */
export const passOf = (res: Response): Pass => res.locals.pass as Pass;

function cookieIn(req: Request, name: string): string | undefined {
  const pairs = (req.headers.cookie ?? "").split(/; */).map((pair) => pair.split("="));
  return pairs.find(([key]) => key === name)?.[1];
}

function sameOrigin(req: Request): boolean {
  const { origin, "sec-fetch-site": site } = req.headers;
  if (typeof site === "string" && site !== "same-origin") return false;
  return origin !== undefined && URL.canParse(origin) && new URL(origin).host === req.host;
}

/** The ways into the console; its passes have a cookie of their own and nothing to do with the sessions of the chat. */
export function createDoors({ passes, attempts, keyOf, secure, log }: DoorsOptions): Doors {
  const name = secure ? `__Secure-${cookieName}` : cookieName;
  const cookie: CookieOptions = { path: "/ops", httpOnly: true, sameSite: "strict", secure };

  function letIn(res: Response, issued: NonNullable<ReturnType<Passes["issue"]>>): void {
    const { text, pass } = issued;
    res.cookie(name, text, { ...cookie, expires: new Date(pass.ends) });
    res.json({ role: pass.role, ends: pass.ends });
  }
  const passIn = (req: Request) => passes.read(cookieIn(req, name));

  return {
    ownPage(req, res, next) {
      if (sameOrigin(req) && req.headers[header] !== undefined) return next();
      refuse(res, 403, "FOREIGN_PAGE", "Only the console's own page may ask for this.");
    },
    async logIn(req, res) {
      const who = keyOf(req);
      // Counted ahead of the look at the token: many at once are no way round.
      const { allowed, resetSeconds } = await attempts.consume(who);
      if (!allowed) {
        const seconds = Math.max(1, Math.ceil(resetSeconds));
        res.set("Retry-After", String(seconds));
        return refuse(res, 429, "RATE_LIMITED", `Too many attempts. Try again in ${seconds} seconds.`);
      }
      const { token } = (req.body ?? {}) as { token?: unknown };
      const role = typeof token === "string" ? passes.roleOf(token) : undefined;
      const issued = role && passes.issue(role);
      if (!issued) {
        log.warn({ audit: "console", address: req.ip }, "Somebody showed a wrong token at the console");
        return refuse(res, 401, "WRONG_TOKEN", "This is not the console's token.");
      }
      await attempts.forget(who);
      log.info(
        { audit: "console", address: req.ip, role },
        `Somebody came to the console, ${role === "read" ? "to read" : "to change things"}`,
      );
      letIn(res, issued);
    },
    logOut(_req, res) {
      res.clearCookie(name, cookie);
      res.json({ role: null });
    },
    whoIsIn(req, res) {
      const pass = passIn(req);
      const renewed = pass && passes.issue(pass.role, pass.began);
      if (renewed) letIn(res, renewed);
      else res.json({ role: null });
    },
    mayRead(req, res, next) {
      const pass = passIn(req);
      if (!pass) return refuse(res, 401, "NO_PASS", "Log in with the console's token.");
      res.locals.pass = pass;
      next();
    },
    mayChange(_req, res, next) {
      if (passOf(res).role === "full") return next();
      refuse(res, 403, "READ_ONLY", "This token only lets you look.");
    },
  };
}
