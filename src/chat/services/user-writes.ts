import type { Model, ProjectionType, QueryFilter, Types, UpdateQuery } from "mongoose";
import type { ReadFrom } from "../../cache/types.ts";
import { cardFields, type ListedUser, listedIn, loadUsers, type UserCache, type UserSlice } from "../caches/users.ts";
import type { UserRecord } from "../models/user.ts";

/** Every write to users: it raises their version, and what they are afterwards goes to the cache. */
export interface UserWrites {
  /** Answers the user after it; null when there is none such. */
  one(
    filter: QueryFilter<UserRecord>,
    update: UpdateQuery<UserRecord>,
    fields?: ProjectionType<UserRecord>,
  ): Promise<UserRecord | null>;
  /** `write` must raise `rev`. */
  many(ids: readonly Types.ObjectId[], write: () => Promise<unknown>): Promise<void>;
  /** Of a user who has just been stored. */
  made<T extends UserRecord>(make: () => Promise<T>): Promise<T>;
}

export function createUserWrites(users: Model<UserRecord>, cache?: UserCache): UserWrites {
  function through<T>(work: () => Promise<{ result: T; entries: ListedUser[] }>): Promise<T> {
    return cache ? cache.write("", work) : work().then(({ result }) => result);
  }

  return {
    one: (filter, update, fields = cardFields) =>
      through(async () => {
        const raised = { ...update, $inc: { ...update.$inc, rev: 1 } };
        const user = await users
          .findOneAndUpdate(filter, raised, { returnDocument: "after", projection: fields })
          .lean<UserRecord>();
        return { result: user, entries: user ? listedIn([user]) : [] };
      }),
    many: (ids, write) =>
      through(async () => {
        await write();
        const now = cache?.on ? await users.find({ _id: { $in: [...ids] } }, cardFields).lean<UserRecord[]>() : [];
        return { result: undefined, entries: listedIn(now) };
      }),
    made: (make) =>
      through(async () => {
        const result = await make();
        return { result, entries: listedIn([result]) };
      }),
  };
}

export async function readUsers(
  users: Model<UserRecord>,
  slice: UserSlice,
  cache?: UserCache,
): Promise<{ entries: readonly ListedUser[]; from: ReadFrom }> {
  return cache ? cache.read("", slice) : { entries: await loadUsers(users, slice), from: "bypass" };
}
