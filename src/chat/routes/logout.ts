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

  /** A token of the old server has no session to end: the time of its user's logout kills it. */
  async function endTokenSession({ standing, session }: Caller): Promise<void> {
    if (session) await gate.end(session.sid, session.handle);
    else await users.endOldTokens(standing.id);
  }

  router.post(
    "/logout",
    guard.user(async (req, res, caller) => {
      const { id } = caller.standing;
      await endTokenSession(caller);
      await endCookieSession(req, res, id);
      await users.setStatus([{ id, status: "offline", lastActive: new Date() }]);
      const disconnectedCount = await links.disconnectUser(id);
      res.json({ success: true, message: "Logged out successfully", disconnectedCount });
    }),
  );

  router.post("/logout_session", async (req, res) => {
    const { userId, handle } = req.session;
    const sessionDestroyed = await endCookieSession(req, res);
    // A session of the old server has no handle that its sockets could be found by.
    if (sessionDestroyed && handle) await links.disconnectSession(handle);
    else if (sessionDestroyed && userId) await links.disconnectUser(userId);
    const message = sessionDestroyed ? "Session logged out" : "No active session";
    res.json({ success: true, message, type: "session_logout", sessionDestroyed });
  });

  router.post(
    "/logout_complete",
    guard.user(async (req, res, caller) => {
      const { id } = caller.standing;
      await endTokenSession(caller);
      const session = await endCookieSession(req, res, id);
      await users.setStatus([{ id, status: "offline", lastActive: new Date() }]);
      await links.disconnectUser(id);
      res.json({ success: true, message: "Complete logout processed", type: "complete_logout", jwt: true, session });
    }),
  );

  return router;
}
