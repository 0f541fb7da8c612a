import { type CookieOptions, type Request, type Response, Router } from "express";
import type { SocketLinks, Users } from "../services/types.ts";
import type { SessionGate } from "../sessions/types.ts";
import type { Caller, Guard } from "./guard.ts";

interface Options {
  guard: Guard;
  gate: SessionGate;
  users: Users;
  links: SocketLinks;
  cookie: { name: string; options: CookieOptions };
}

export function logoutRoutes({ guard, gate, users, links, cookie }: Options): Router {
  const router = Router();

  /** Ends the session of the cookie, if there is one; answers whether there was. */
  async function endCookieSession(req: Request, res: Response, only?: string): Promise<boolean> {
    const { authenticated, userId, handle } = req.session;
    if (!authenticated || (only !== undefined && userId !== only)) return false;
    await gate.end(req.sessionID, handle);
    // Without a session express-session has nothing left to save or to touch at the end of the answer.
    req.session.destroy(() => undefined);
    res.clearCookie(cookie.name, cookie.options);
    return true;
  }

  /** Sessions first, sockets at once after them, the status last: whatever fails then, nobody is left connected. */
  async function logOut(req: Request, res: Response, { standing, session }: Caller) {
    const { id } = standing;
    // Sockets go as soon as their session does, so they are counted before.
    const disconnectedCount = await links.countUser(id);
    if (session) await gate.end(session.sid, session.handle);
    const cookieSession = await endCookieSession(req, res, id);
    await links.disconnectUser(id);
    await users.loggedOut(id);
    return { disconnectedCount, cookieSession };
  }

  router.post(
    "/logout",
    guard.user(async (req, res, caller) => {
      const { disconnectedCount } = await logOut(req, res, caller);
      res.json({ success: true, message: "Logged out successfully", disconnectedCount });
    }),
  );

  async function endSessionOfBrowser(req: Request, res: Response): Promise<boolean> {
    const { userId, handle } = req.session;
    const ended = await endCookieSession(req, res);
    // A session of the old server has no handle that its sockets could be found by.
    if (ended && handle) await links.disconnectSession(handle);
    else if (ended && userId) await links.disconnectUser(userId);
    return ended;
  }

  router.post("/logout_session", async (req, res) => {
    const sessionDestroyed = await endSessionOfBrowser(req, res);
    const message = sessionDestroyed ? "Session logged out" : "No active session";
    res.json({ success: true, message, type: "session_logout", sessionDestroyed });
  });

  /** Whichever of token and cookie is there; a token that is there must be alive. */
  const withToken = guard.user(async (req, res, caller) => {
    const { cookieSession } = await logOut(req, res, caller);
    completed(res, true, cookieSession);
  });
  router.post("/logout_complete", async (req, res, next) => {
    if (req.headers.authorization) return withToken(req, res, next);
    const session = await endSessionOfBrowser(req, res);
    completed(res, false, session);
  });

  return router;
}

function completed(res: Response, jwt: boolean, session: boolean): void {
  res.json({ success: true, message: "Complete logout processed", type: "complete_logout", jwt, session });
}
