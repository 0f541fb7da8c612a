import { type Request, Router } from "express";
import type { Moderation, SocketLinks } from "../services/types.ts";
import type { SessionGate } from "../sessions/types.ts";
import type { Guard } from "./guard.ts";
import { oneOf, optional, queryNumber, readBody, textField, wholeNumber } from "./validate.ts";

interface Options {
  guard: Guard;
  moderation: Moderation;
  gate: SessionGate;
  links: SocketLinks;
}

const tenYears = 10 * 365 * 86_400;
const ban = { reason: textField("Reason", 1, 500), duration: optional(wholeNumber("Duration", 1, tenYears)) };
const warning = { reason: textField("Reason", 1, 500) };
const mute = { duration: wholeNumber("Duration", 60, 86_400) };
const newRole = { role: oneOf("Role", ["admin", "moderator", "member"]) };

const idOf = (req: Request) => String(req.params.id);

/** MongoDB first, then whatever acts on it: sessions, sockets. */
export function adminRoutes({ guard, moderation, gate, links }: Options): Router {
  const router = Router();

  router.get(
    "/users",
    guard.moderator(async (req, res) => {
      const page = queryNumber(req.query.page, "'page'", { min: 1, max: 1_000_000, fallback: 1 });
      const limit = queryNumber(req.query.limit, "'limit'", { min: 1, max: 100, fallback: 20 });
      const { users, total } = await moderation.listUsers(page, limit);
      res.json({ users, pagination: { page, limit, total, pages: Math.ceil(total / limit) } });
    }),
  );

  router.post(
    "/users/:id/ban",
    guard.moderator(async (req, res, { standing }) => {
      const { reason, duration } = readBody(req.body, ban);
      const id = idOf(req);
      const user = await moderation.ban(standing, id, { reason, ...(duration ? { durationSeconds: duration } : {}) });
      const payload = { message: "Account is banned", reason, expires: user.banExpires };
      await links.disconnectUser(id, { name: "banned", payload });
      await gate.endAll(id);
      res.json({ message: "User banned", user });
    }),
  );

  router.post(
    "/users/:id/unban",
    guard.moderator(async (req, res, { standing }) => {
      res.json({ message: "User unbanned", user: await moderation.unban(standing, idOf(req)) });
    }),
  );

  router.post(
    "/users/:id/warn",
    guard.moderator(async (req, res, { standing }) => {
      const { reason } = readBody(req.body, warning);
      res.json({ message: "User warned", user: await moderation.warn(standing, idOf(req), reason) });
    }),
  );

  router.post(
    "/users/:id/role",
    guard.admin(async (req, res, { standing }) => {
      const { role } = readBody(req.body, newRole);
      const user = await moderation.setRole(standing, idOf(req), role);
      await links.refreshUser(idOf(req));
      res.json({ message: "Role changed", user });
    }),
  );

  router.post(
    "/users/:id/mute",
    guard.moderator(async (req, res, { standing }) => {
      const { duration } = readBody(req.body, mute);
      const user = await moderation.mute(standing, idOf(req), duration);
      await links.refreshUser(idOf(req));
      res.json({ message: "User muted", user });
    }),
  );

  router.post(
    "/users/:id/unmute",
    guard.moderator(async (req, res, { standing }) => {
      const user = await moderation.unmute(standing, idOf(req));
      await links.refreshUser(idOf(req));
      res.json({ message: "User unmuted", user });
    }),
  );

  return router;
}
