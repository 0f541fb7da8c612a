import { type Model, Types } from "mongoose";
import type { Clock } from "../../kernel/clock.ts";
import { byText } from "../caches/order.ts";
import { cardFields, everybody, type ListedUser, type UserCache } from "../caches/users.ts";
import type { UserRecord } from "../models/user.ts";
import { refuse } from "./errors.ts";
import { standingFields, toCard, toStanding } from "./records.ts";
import { isId, isUser } from "./stored.ts";
import type { Users } from "./types.ts";
import { readUsers, type UserWrites } from "./user-writes.ts";

const ofStanding = standingFields.join(" ");
const changed = { $inc: { rev: 1 } } as const;

const cursorOf = ({ active, card }: ListedUser) => Buffer.from(`${active}.${card.id}`).toString("base64url");

function afterCursor(cursor: string): { score: number; id: string } {
  const [, score, id] = /^(\d{1,15})\.([0-9a-f]{24})$/.exec(Buffer.from(cursor, "base64url").toString()) ?? [];
  if (!score || !id) throw refuse.invalid("'cursor' is not one of this server; take it from an earlier answer");
  return { score: Number(score), id };
}

export function createUsers(users: Model<UserRecord>, writes: UserWrites, clock: Clock, cache?: UserCache): Users {
  return {
    async list(told) {
      if (cache) {
        const { entries, from } = await cache.read("");
        told?.(from);
        return entries.map(({ card }) => card);
      }
      told?.("bypass");
      const all = await users.find(everybody, cardFields).sort({ nickname: 1 }).lean<UserRecord[]>();
      return all.filter(isUser).map(toCard);
    },
    async page({ limit, cursor }, told) {
      const slice = { count: limit + 1, ...(cursor === undefined ? {} : { after: afterCursor(cursor) }) };
      const { entries, from } = await readUsers(users, slice, cache);
      told?.(from);
      const page = entries.slice(0, limit);
      const last = page.at(-1);
      return { users: page.map(({ card }) => card), cursor: entries.length > limit && last ? cursorOf(last) : null };
    },
    async some(ids, told) {
      const known = [...new Set(ids)].filter((id) => Types.ObjectId.isValid(id));
      const { entries, from } = await readUsers(users, { ids: known }, cache);
      told?.(from);
      return entries.map(({ card }) => card).sort((a, b) => byText(a.nickname, b.nickname) || byText(a.id, b.id));
    },
    async standing(id) {
      if (!Types.ObjectId.isValid(id)) return null;
      const user = await users.findById(id, ofStanding).lean<UserRecord>();
      // Who has no name is nobody: the client crashes on an empty one.
      return user && isUser(user) ? toStanding(user, clock.now()) : null;
    },
    async byNickname(nickname) {
      const user = await users.findOne({ nickname: { $eq: nickname } }, cardFields).lean<UserRecord>();
      return user && isUser(user) ? toCard(user) : null;
    },
    async setStatus(changes) {
      const updates = changes.map(({ id, status, lastActive }) => ({
        filter: { _id: new Types.ObjectId(id) },
        update: { $set: { status, ...(lastActive ? { lastActive } : {}) } },
      }));
      const [first] = updates;
      if (!first) return;
      // Usually one: MongoDB answers what the user is afterwards with the write, where many are read again.
      if (updates.length === 1) return void (await writes.one(first.filter, first.update));
      const bulk = updates.map(({ filter, update }) => ({ updateOne: { filter, update: { ...update, ...changed } } }));
      await writes.many(
        changes.map(({ id }) => new Types.ObjectId(id)),
        () => users.bulkWrite(bulk, { ordered: false }),
      );
    },
    async markedOnline() {
      const found = await users.find({ status: "online" }, { _id: 1 }).lean<UserRecord[]>();
      return found
        .map(({ _id }) => _id)
        .filter(isId)
        .map(String);
    },
    async touch(id, at) {
      await writes.one({ _id: new Types.ObjectId(id) }, { $max: { lastActive: at } });
    },
    async loggedOut(id) {
      const now = new Date(clock.now());
      const left = { status: "offline" as const, lastActive: now, sessionsEndedAt: now };
      await writes.one({ _id: new Types.ObjectId(id) }, { $set: left });
    },
  };
}
