import type { Model } from "mongoose";
import type { Clock } from "../../kernel/clock.ts";
import { duplicateKey } from "../../mongo/errors.ts";
import type { UserRecord } from "../models/user.ts";
import { refuse } from "./errors.ts";
import type { Passwords } from "./passwords.ts";
import { isBanned, toAccount } from "./records.ts";
import type { Accounts } from "./types.ts";

export function createAccounts(users: Model<UserRecord>, passwords: Passwords, clock: Clock): Accounts {
  /** An identifier is a nickname as typed or an e-mail in any case; the nickname wins if it is both. */
  async function find(identifier: string): Promise<UserRecord | undefined> {
    const email = identifier.trim().toLowerCase();
    const found = await users
      .find({ $or: [{ nickname: identifier }, { email }] })
      .limit(2)
      .lean<UserRecord[]>();
    return found.find((user) => user.nickname === identifier) ?? found[0];
  }

  async function assertFree(nickname: string, email: string): Promise<void> {
    const taken = await users.find({ $or: [{ nickname }, { email }] }, { nickname: 1, email: 1 }).lean<UserRecord[]>();
    if (taken.some((user) => user.nickname === nickname)) throw nicknameTaken();
    if (taken.length > 0) throw emailTaken();
  }

  return {
    async register({ nickname, email, password }) {
      const lower = email.toLowerCase();
      await assertFree(nickname, lower);
      const now = new Date(clock.now());
      try {
        const user = await users.create({
          nickname,
          email: lower,
          password: await passwords.hash(password),
          role: "member",
          status: "online",
          createdAt: now,
          lastActive: now,
        });
        return toAccount(user.toObject());
      } catch (error) {
        const field = duplicateKey(error);
        if (field === "nickname") throw nicknameTaken();
        if (field === "email") throw emailTaken();
        throw error;
      }
    },
    async login(identifier, password) {
      const user = await find(identifier);
      const right = await passwords.matches(password, user?.password);
      if (!user || !right) return null;
      if (isBanned(user, clock.now()))
        return { kind: "banned", reason: user.banReason ?? "", expires: user.banExpires ?? null };
      const now = new Date(clock.now());
      await users.updateOne({ _id: user._id }, { $set: { status: "online", lastActive: now } });
      return { kind: "welcome", account: toAccount({ ...user, status: "online", lastActive: now }) };
    },
  };
}

const nicknameTaken = () => refuse.duplicate("Nickname already taken", "NICKNAME_TAKEN");
const emailTaken = () => refuse.duplicate("Email already registered", "EMAIL_TAKEN");
