import { type Model, Types } from "mongoose";
import type { Clock } from "../../kernel/clock.ts";
import { UnavailableError } from "../../kernel/errors.ts";
import { duplicateKey } from "../../mongo/errors.ts";
import type { UserRecord } from "../models/user.ts";
import { refuse } from "./errors.ts";
import type { Passwords, StillWanted } from "./passwords.ts";
import { isBanned, toAccount } from "./records.ts";
import { dateOf, isUser, textOf } from "./stored.ts";
import type { Accounts } from "./types.ts";
import type { UserWrites } from "./user-writes.ts";

export function createAccounts(
  users: Model<UserRecord>,
  writes: UserWrites,
  passwords: Passwords,
  clock: Clock,
): Accounts {
  /** An identifier is a nickname or an e-mail in any case; two people may answer to one, as nickname and as e-mail. */
  function find(identifier: string): Promise<UserRecord[]> {
    const trimmed = identifier.trim();
    const names = { $in: [...new Set([identifier, trimmed])] };
    return users
      .find({ $or: [{ nickname: names }, { email: trimmed.toLowerCase() }] })
      .limit(3)
      .lean<UserRecord[]>()
      .then((found) => found.filter(isUser));
  }

  /** Whoever of them has this password; with nobody to ask it takes as long. */
  async function whose(found: UserRecord[], password: string, wanted: StillWanted): Promise<UserRecord | undefined> {
    for (const user of found) if (await passwords.matches(password, user.password, wanted)) return user;
    if (found.length === 0) await passwords.matches(password, undefined, wanted);
    return undefined;
  }

  async function assertFree(nickname: string, email: string): Promise<void> {
    const taken = await users.find({ $or: [{ nickname }, { email }] }, { nickname: 1, email: 1 }).lean<UserRecord[]>();
    if (taken.some((user) => user.nickname === nickname)) throw nicknameTaken();
    if (taken.length > 0) throw emailTaken();
  }

  return {
    async register({ nickname, email, password }, wanted = always, seen = nobody) {
      const lower = email.toLowerCase();
      await assertFree(nickname, lower);
      const hashed = await passwords.hash(password, wanted);
      if (!wanted()) throw new UnavailableError("Nobody waits for this registration any more");
      const now = new Date(clock.now());
      const _id = new Types.ObjectId();
      const told = () => seen(_id.toHexString());
      try {
        const fields = { _id, nickname, email: lower, password: hashed, role: "member" as const };
        const times = { status: "online" as const, createdAt: now, lastActive: now };
        const made = await writes.made(async () => (await users.create({ ...fields, ...times })).toObject());
        told();
        return toAccount(made);
      } catch (error) {
        const field = duplicateKey(error);
        if (field === "nickname") throw nicknameTaken();
        if (field === "email") throw emailTaken();
        told();
        throw error;
      }
    },
    async keyOf(identifier) {
      const [user] = await find(identifier);
      return user ? user._id.toHexString() : identifier.trim().toLowerCase();
    },
    async login(identifier, password, wanted = always, seen = nobody) {
      const user = await whose(await find(identifier), password, wanted);
      if (!user || !wanted()) return null;
      if (isBanned(user, clock.now()))
        return { kind: "banned", reason: textOf(user.banReason) ?? "", expires: dateOf(user.banExpires) ?? null };
      const now = new Date(clock.now());
      try {
        await writes.one({ _id: user._id }, { $set: { status: "online", lastActive: now } });
      } finally {
        seen(user._id.toHexString());
      }
      return { kind: "welcome", account: toAccount({ ...user, status: "online", lastActive: now }) };
    },
  };
}

const always: StillWanted = () => true;
const nobody = () => {};
const nicknameTaken = () => refuse.duplicate("Nickname already taken", "NICKNAME_TAKEN");
const emailTaken = () => refuse.duplicate("Email already registered", "EMAIL_TAKEN");
