import { type Model, Types, type UpdateQuery } from "mongoose";
import type { Clock } from "../../kernel/clock.ts";
import { everybody } from "../caches/users.ts";
import type { UserRecord } from "../models/user.ts";
import { refuse } from "./errors.ts";
import { isBanned, toCard } from "./records.ts";
import { dateOf, textOf } from "./stored.ts";
import type { Moderation, Standing } from "./types.ts";
import type { UserWrites } from "./user-writes.ts";

const fields = {
  nickname: 1,
  email: 1,
  role: 1,
  status: 1,
  createdAt: 1,
  lastActive: 1,
  banned: 1,
  banReason: 1,
  banExpires: 1,
  warnings: 1,
  muteExpires: 1,
  rev: 1,
} as const;

export function createModeration(users: Model<UserRecord>, writes: UserWrites, clock: Clock): Moderation {
  /** A user as moderators see them: no password, no session, no lock. */
  function dossier(user: UserRecord): Record<string, unknown> {
    const { id, ...rest } = toCard(user);
    return {
      _id: id,
      ...rest,
      email: user.email,
      banned: isBanned(user, clock.now()),
      banReason: textOf(user.banReason) ?? null,
      banExpires: dateOf(user.banExpires) ?? null,
      muteExpires: dateOf(user.muteExpires) ?? null,
      warnings: user.warnings ?? [],
    };
  }

  /** In one write: nobody moderates an admin, even one who became it a moment ago. */
  async function change(
    actor: Standing,
    id: string,
    update: UpdateQuery<UserRecord>,
  ): Promise<Record<string, unknown>> {
    if (actor.id === id) throw refuse.invalid("You cannot do this to yourself", "SELF_MODERATION");
    if (!Types.ObjectId.isValid(id) || id.length !== 24) throw unknownUser();
    const whose = { ...everybody, _id: new Types.ObjectId(id) };
    const user = await writes.one({ ...whose, role: { $ne: "admin" } }, update, fields);
    if (user) return dossier(user);
    if (await users.exists(whose)) throw refuse.forbidden("An admin cannot be moderated", "ADMIN_PROTECTED");
    throw unknownUser();
  }

  const inSeconds = (seconds: number) => new Date(clock.now() + seconds * 1000);

  return {
    async listUsers(page, limit) {
      const [found, total] = await Promise.all([
        users
          .find(everybody, fields)
          .sort({ createdAt: -1, _id: -1 })
          .skip((page - 1) * limit)
          .limit(limit)
          .lean<UserRecord[]>(),
        users.estimatedDocumentCount(),
      ]);
      return { users: found.map(dossier), total };
    },
    ban: (actor, id, { reason, durationSeconds }) =>
      change(actor, id, {
        $set: {
          banned: true,
          banReason: reason,
          banExpires: durationSeconds === undefined ? null : inSeconds(durationSeconds),
          sessionsEndedAt: inSeconds(0),
          status: "offline",
        },
      }),
    unban: (actor, id) => change(actor, id, { $set: { banned: false, banReason: null, banExpires: null } }),
    warn: (actor, id, reason) =>
      change(actor, id, {
        $push: { warnings: { reason, issuedBy: actor.nickname, issuedAt: inSeconds(0), expires: null } },
      }),
    setRole: (actor, id, role) => change(actor, id, { $set: { role } }),
    mute: (actor, id, seconds) => change(actor, id, { $set: { muteExpires: inSeconds(seconds) } }),
    unmute: (actor, id) => change(actor, id, { $set: { muteExpires: null } }),
  };
}

const unknownUser = () => refuse.notFound("User not found", "USER_UNKNOWN");
