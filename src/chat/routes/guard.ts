import type { Request, RequestHandler, Response } from "express";
import type { VerifiedTokens } from "../hot/verified.ts";
import { RefusedError, refuse } from "../services/errors.ts";
import type { Role, Standing, Users } from "../services/types.ts";
import type { SessionGate } from "../sessions/types.ts";
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
  users: Pick<Users, "standing">;
  /** Spares a reader's token being looked up again each time. */
  verified?: VerifiedTokens;
}

const reads = new Set(["GET", "HEAD"]);

/** A token is alive while its session is: the signature alone proves nothing after a logout. */
export function createGuard({ tokens, gate, users, verified }: Options): Guard {
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
    const reading = tokens.read(header);
    if (reading.kind !== "claims") throw dead(...refusals[reading.kind]);
    const { userId, sessionId, iat, exp } = reading.claims;
    const mark = verified?.mark() ?? 0;
    const [standing, found] = await Promise.all([
      users.standing(userId),
      sessionId === undefined ? undefined : sessionOf(req, sessionId, userId),
    ]);
    if (!standing) throw dead("USER_NOT_FOUND", "User not found");
    const ended = sessionId === undefined ? iat * 1000 < (standing.endedBefore?.getTime() ?? 0) : !found;
    if (ended || standing.banned) throw dead(...refusals.invalid);
    const caller: Caller = { standing, ...(found && { session: { sid: found.sid, handle: found.handle } }) };
    if (header !== undefined && reads.has(req.method))
      verified?.keep(header, caller, Math.min(exp * 1_000, found?.ends ?? Number.POSITIVE_INFINITY), mark);
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
      const known = reads.has(req.method) ? verified?.find(req.headers.authorization) : undefined;
      await handler(req, res, known ?? (await identify(req)));
    },
    moderator: (handler) => atLeast(["moderator", "admin"], "MODERATOR_REQUIRED", "Moderator access required", handler),
    admin: (handler) => atLeast(["admin"], "ADMIN_REQUIRED", "Admin access required", handler),
  };
}
