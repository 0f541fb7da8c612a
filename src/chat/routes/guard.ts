import type { Request, RequestHandler, Response } from "express";
import type { VerifiedTokens } from "../hot/verified.ts";
import { RefusedError, refuse } from "../services/errors.ts";
import type { Role, Standing } from "../services/types.ts";
import type { SessionGate } from "../sessions/types.ts";
import type { Standings } from "../standings.ts";
import type { TokenReading, Tokens } from "./tokens.ts";

/** Who is asking, and by which session; `session` is absent for a token of the old server. */
export interface Caller {
  standing: Standing;
  session?: { sid: string; handle: string };
}

/** Of a session as stored, which the store hands out with its cookie. */
function endOf(session: object | undefined): number {
  const { cookie } = (session ?? {}) as { cookie?: { expires?: Date | string | null } };
  return cookie?.expires ? new Date(cookie.expires).getTime() : Number.POSITIVE_INFINITY;
}

type Handler = (req: Request, res: Response, caller: Caller) => unknown;

export interface Guard {
  user(handler: Handler): RequestHandler;
  moderator(handler: Handler): RequestHandler;
  admin(handler: Handler): RequestHandler;
}

const dead = (code: string, message: string) => new RefusedError(401, code, message);

const refusals: Record<Exclude<TokenReading["kind"], "claims">, [code: string, message: string]> = {
  absent: ["NO_TOKEN", "Access token required"],
  malformed: ["INVALID_TOKEN_FORMAT", "Invalid token format"],
  invalid: ["INVALID_TOKEN", "Invalid token"],
  expired: ["TOKEN_EXPIRED", "Token has expired"],
};

interface Options {
  tokens: Tokens;
  gate: SessionGate;
  standings: Pick<Standings, "known" | "read">;
  /** Spares a reader's token being looked up again each time. */
  verified?: VerifiedTokens;
}

const reads = new Set(["GET", "HEAD"]);

/** A token is alive while its session is: the signature alone proves nothing after a logout. */
export function createGuard({ tokens, gate, standings, verified }: Options): Guard {
  async function sessionOf(req: Request, handle: string, userId: string) {
    // The cookie of the same browser has already brought the session in; no second read then.
    const loaded = req.session;
    if (loaded?.handle === handle && loaded.userId === userId && loaded.authenticated)
      return { sid: req.sessionID, handle, ends: endOf(loaded) };
    const found = await gate.byHandle(handle, userId);
    return found ? { sid: found.sid, handle, ends: endOf(found.session) } : undefined;
  }

  async function identify(req: Request): Promise<Caller> {
    const header = req.headers.authorization;
    const token = tokens.read(header);
    if (token.kind !== "claims") throw dead(...refusals[token.kind]);
    const { userId, sessionId, iat, exp } = token.claims;
    const mark = verified?.mark();
    const reading = reads.has(req.method);
    const [standing, found] = await Promise.all([
      // Who changes something is judged by MongoDB itself.
      reading ? standings.known(userId) : standings.read(userId),
      sessionId === undefined ? undefined : sessionOf(req, sessionId, userId),
    ]);
    if (!standing) throw dead("USER_NOT_FOUND", "User not found");
    const ended = sessionId === undefined ? iat * 1000 < (standing.endedBefore?.getTime() ?? 0) : !found;
    if (ended || standing.banned) throw dead(...refusals.invalid);
    const caller: Caller = { standing, ...(found && { session: { sid: found.sid, handle: found.handle } }) };
    const until = Math.min(exp * 1_000, found?.ends ?? Number.POSITIVE_INFINITY);
    if (header !== undefined && mark && reading) verified?.keep(header, { caller, until }, mark);
    return caller;
  }

  function atLeast(roles: readonly Role[], code: string, message: string, handler: Handler): RequestHandler {
    return async (req, res) => {
      const caller = await identify(req);
      if (!roles.includes(caller.standing.role)) throw refuse.forbidden(message, code);
      await handler(req, res, caller);
    };
  }

  return {
    user: (handler) => async (req, res) => {
      const header = req.headers.authorization;
      const known = header !== undefined && reads.has(req.method) ? verified?.get(header) : undefined;
      await handler(req, res, known?.caller ?? (await identify(req)));
    },
    moderator: (handler) => atLeast(["moderator", "admin"], "MODERATOR_REQUIRED", "Moderator access required", handler),
    admin: (handler) => atLeast(["admin"], "ADMIN_REQUIRED", "Admin access required", handler),
  };
}
