import type { Request, RequestHandler, Response } from "express";
import { RefusedError, refuse } from "../services/errors.ts";
import type { Role, Standing, Users } from "../services/types.ts";
import type { SessionGate } from "../sessions/types.ts";
import type { TokenReading, Tokens } from "./tokens.ts";

/** Who is asking, and by which session; `session` is absent for a token of the old server. */
export interface Caller {
  standing: Standing;
  session?: { sid: string; handle: string };
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

/** A token is alive while its session is: the signature alone proves nothing after a logout. */
export function createGuard(tokens: Tokens, gate: SessionGate, users: Pick<Users, "standing">): Guard {
  async function sessionOf(req: Request, handle: string, userId: string): Promise<Caller["session"]> {
    // The cookie of the same browser has already brought the session in; no second read then.
    const loaded = req.session;
    if (loaded?.handle === handle && loaded.userId === userId && loaded.authenticated)
      return { sid: req.sessionID, handle };
    const found = await gate.byHandle(handle, userId);
    return found ? { sid: found.sid, handle } : undefined;
  }

  async function identify(req: Request): Promise<Caller> {
    const reading = tokens.read(req.headers.authorization);
    if (reading.kind !== "claims") throw dead(...refusals[reading.kind]);
    const { userId, sessionId, iat } = reading.claims;
    const [standing, session] = await Promise.all([
      users.standing(userId),
      sessionId === undefined ? undefined : sessionOf(req, sessionId, userId),
    ]);
    if (!standing) throw dead("USER_NOT_FOUND", "User not found");
    const ended = sessionId === undefined ? iat * 1000 < (standing.endedBefore?.getTime() ?? 0) : !session;
    if (ended || standing.banned) throw dead(...refusals.invalid);
    return { standing, ...(session ? { session } : {}) };
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
      await handler(req, res, await identify(req));
    },
    moderator: (handler) => atLeast(["moderator", "admin"], "MODERATOR_REQUIRED", "Moderator access required", handler),
    admin: (handler) => atLeast(["admin"], "ADMIN_REQUIRED", "Admin access required", handler),
  };
}
