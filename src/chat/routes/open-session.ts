import { randomBytes } from "node:crypto";
import type { Request } from "express";
import type { Account, SocketLinks } from "../services/types.ts";
import type { SessionGate } from "../sessions/types.ts";
import type { Tokens } from "./tokens.ts";

interface Options {
  gate: SessionGate;
  tokens: Tokens;
  links: SocketLinks;
  ttlSeconds: number;
}

function save(req: Request): Promise<void> {
  return new Promise((resolve, reject) => req.session.save((error) => (error ? reject(error) : resolve())));
}

/**
 * Begins a session under a new sid, and answers what register and login send.
 * The new one is saved before the former ends, so that a token of another tab, whose handle moves over, is never dead in between.
 */
export function createOpenSession({ gate, tokens, links, ttlSeconds }: Options) {
  return async (req: Request, account: Account, stamp: "loginTime" | "registrationTime") => {
    const former = { sid: req.sessionID, ...pick(req) };
    const same = former.userId === account.id;
    const csrfToken = (same && former.csrfToken) || randomBytes(32).toString("hex");
    const handle = (same && former.handle) || randomBytes(24).toString("base64url");
    const { nickname, role } = account;

    req.sessionStore.generate(req);
    Object.assign(req.session, {
      authenticated: true,
      userId: account.id,
      nickname,
      role,
      csrfToken,
      handle,
      [stamp]: new Date().toISOString(),
      userAgent: (req.headers["user-agent"] ?? "").slice(0, 256),
    });
    await save(req);
    const expires = req.session.cookie.expires ?? new Date(Date.now() + ttlSeconds * 1000);
    await gate.bind(handle, req.sessionID, account.id, expires);
    if (former.authenticated) await gate.end(former.sid, same ? undefined : former.handle);
    if (former.handle && !same) await links.disconnectSession(former.handle);
    else if (former.userId && !same) await links.disconnectUser(former.userId);

    return {
      token: tokens.sign({ userId: account.id, nickname, role, csrfToken, sessionId: handle }),
      user: { id: account.id, nickname, email: account.email, role },
      session: { id: handle, authenticated: true, expires, csrfToken },
    };
  };
}

function pick(req: Request) {
  const { authenticated, userId, csrfToken, handle } = req.session;
  return { authenticated, userId, csrfToken, handle };
}
