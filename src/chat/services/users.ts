import { type Model, Types } from "mongoose";
import type { Clock } from "../../kernel/clock.ts";
import type { UserRecord } from "../models/user.ts";
import { toCard, toStanding } from "./records.ts";
import type { Users } from "./types.ts";

const card = { nickname: 1, role: 1, status: 1, createdAt: 1, lastActive: 1 } as const;
const standing = { nickname: 1, role: 1, banned: 1, banExpires: 1, muteExpires: 1, sessionsEndedAt: 1 } as const;

export function createUsers(users: Model<UserRecord>, clock: Clock): Users {
  return {
    async list() {
      const all = await users.find({}, card).sort({ nickname: 1 }).lean<UserRecord[]>();
      return all.map(toCard);
    },
    async standing(id) {
      if (!Types.ObjectId.isValid(id)) return null;
      const user = await users.findById(id, standing).lean<UserRecord>();
      return user && toStanding(user, clock.now());
    },
    async byNickname(nickname) {
      const user = await users.findOne({ nickname: { $eq: nickname } }, card).lean<UserRecord>();
      return user && toCard(user);
    },
    async setStatus(changes) {
      if (changes.length === 0) return;
      const writes = changes.map(({ id, status, lastActive }) => ({
        updateOne: {
          filter: { _id: new Types.ObjectId(id) },
          update: { $set: { status, ...(lastActive ? { lastActive } : {}) } },
        },
      }));
      await users.bulkWrite(writes, { ordered: false });
    },
    async offlineExcept(ids) {
      const keep = ids.map((id) => new Types.ObjectId(id));
      const end = await users.updateMany({ status: "online", _id: { $nin: keep } }, { $set: { status: "offline" } });
      return end.modifiedCount;
    },
    async touch(id, at) {
      await users.updateOne({ _id: new Types.ObjectId(id) }, { $max: { lastActive: at } });
    },
    async loggedOut(id) {
      const now = new Date(clock.now());
      const left = { status: "offline" as const, lastActive: now, sessionsEndedAt: now };
      await users.updateOne({ _id: new Types.ObjectId(id) }, { $set: left });
    },
  };
}
