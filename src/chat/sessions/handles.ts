import { LRUCache } from "lru-cache";
import type { Db } from "mongodb";

interface HandleRecord {
  _id: string;
  sid: string;
  userId: string;
  expires: Date;
}

export interface Handles {
  /** The sid as this process last knew it; may be out of date, so the session itself must confirm the handle. */
  hint(handle: string): string | undefined;
  /** A session with this handle was read. */
  seen(handle: string, sid: string): void;
  lookUp(handle: string): Promise<string | null>;
  /** Answers the sid that carried it until now. */
  bind(handle: string, sid: string, userId: string, expires: Date): Promise<string | undefined>;
  remove(handle: string): Promise<void>;
  ofUser(userId: string): Promise<{ handle: string; sid: string }[]>;
}

/** Which session a handle names now. A collection of its own: nothing but sessions goes into connect-mongo's. */
export function createHandles(db: Db): Handles {
  const records = db.collection<HandleRecord>("session_handles");
  const hints = new LRUCache<string, string>({ max: 50_000 });

  return {
    hint: (handle) => hints.get(handle),
    seen: (handle, sid) => void hints.set(handle, sid),
    async lookUp(handle) {
      const record = await records.findOne({ _id: { $eq: handle }, expires: { $gt: new Date() } });
      if (record) hints.set(handle, record.sid);
      else hints.delete(handle);
      return record?.sid ?? null;
    },
    async bind(handle, sid, userId, expires) {
      const now = { $set: { sid, userId, expires } };
      const before = await records.findOneAndUpdate({ _id: handle }, now, { upsert: true, returnDocument: "before" });
      hints.set(handle, sid);
      return before?.sid;
    },
    async remove(handle) {
      await records.deleteOne({ _id: handle });
      hints.delete(handle);
    },
    async ofUser(userId) {
      const found = await records.find({ userId }).toArray();
      return found.map(({ _id, sid }) => ({ handle: _id, sid }));
    },
  };
}
