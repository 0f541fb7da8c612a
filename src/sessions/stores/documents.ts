import type { Collection, Db, UpdateFilter } from "mongodb";
import type { Clock } from "../../kernel/clock.ts";
import { duplicateKey } from "../../mongo/errors.ts";
import { isUnwritten, type Version, type Versions } from "../version.ts";

/** connect-mongo's document, and what we keep beside it: its `$set` leaves our fields alone. */
export interface SessionDocument {
  _id: string;
  session: unknown;
  expires?: Date;
  lastModified?: Date;
  /** Version of the last write by one of us. */
  v?: string;
  /** Hash of what that write stored; another hash means that somebody else wrote since. */
  h?: string;
  /** Mark of the last touch by one of us. */
  t?: number;
}

export interface Content {
  stored: unknown;
  hash: string;
  expires: number;
}

export type Written =
  | { outcome: "ok"; version: Version; born: boolean }
  /** Gone: there was no such session any more. Superseded: a newer write was there. */
  | { outcome: "gone" | "superseded" };

/** The sessions in MongoDB, which judges. Every write waits for the majority. */
export interface Documents {
  readonly collection: Collection<SessionDocument>;
  /** The session, unless its time is up or it was ended beside a server that writes it back. */
  read(id: string): Promise<SessionDocument | null>;
  /** Whoever has read it before: only in place of something older. */
  replace(id: string, content: Content, base: Version, redis: boolean): Promise<Written>;
  /** Whoever has not: in any case. */
  put(id: string, content: Content, redis: boolean): Promise<Written>;
  /** false: there is no such session. `hash`: of what was read, for a document that none of us has written. */
  touch(id: string, expires: number, unwritten?: { hash: string }): Promise<boolean>;
  /** `remembered`: also where no server is running that may write it back. */
  remove(id: string, remembered: boolean): Promise<void>;
  /** Whether one of us has destroyed it; not asked where no server is running that may write it back. */
  ended(id: string): Promise<boolean>;
  /** Takes away what was written back by such a server. */
  endAgain(id: string): Promise<void>;
  /** The ids of the living, or of all, in no order. */
  ids(which: "living" | "all"): AsyncIterable<string>;
  living(): AsyncIterable<SessionDocument>;
  count(): Promise<number>;
  removeAll(): Promise<void>;
  /** Remembers that these have ended; `remembered` as above. */
  end(ids: string[], remembered: boolean): Promise<void>;
}

export interface DocumentOptions {
  db: Db;
  collection: string;
  clock: Clock;
  versions: Versions;
  /** Whether `lastModified` is kept, as connect-mongo does when it has a `touchAfter`. */
  lastModified: boolean;
  timestamps: boolean;
  oldServers: () => boolean;
  /** How long a session lives. */
  ttlSeconds: number;
}

/** An index of `endedCollection` takes a mark away so long after its `at`. */
export const markSeconds = 86_400;
const writeConcern = { w: "majority" } as const;
const tries = 5;

export const endedCollection = (collection: string) => `${collection}_ended`;

export function createDocuments(options: DocumentOptions): Documents {
  const { db, clock, versions, oldServers, ttlSeconds } = options;
  const collection = db.collection<SessionDocument>(options.collection);
  const endedOnes = db.collection<{ _id: string; at: Date }>(endedCollection(options.collection));
  const isAlive = ({ expires }: SessionDocument) =>
    expires === undefined || (expires instanceof Date && expires.getTime() > clock.now());
  const alive = () => ({ $or: [{ expires: { $exists: false } }, { expires: { $gt: new Date(clock.now()) } }] });

  function stamped(set: Partial<SessionDocument>): UpdateFilter<SessionDocument> {
    const fields = options.lastModified ? { ...set, lastModified: new Date(clock.now()) } : set;
    if (!options.timestamps) return { $set: fields };
    return { $set: fields, $currentDate: { updatedAt: true } } as UpdateFilter<SessionDocument>;
  }

  function writing({ stored, hash, expires }: Content, version: Version): UpdateFilter<SessionDocument> {
    return stamped({ session: stored, expires: new Date(expires), v: version, h: hash });
  }

  async function ended(id: string): Promise<boolean> {
    return oldServers() && (await endedOnes.findOne({ _id: id }, { projection: { _id: 1 } })) !== null;
  }

  /** A document that none of us had written: it may have been written back after its end, and so is taken away again. */
  async function writtenBack(id: string, version: Version): Promise<boolean> {
    if (!(await ended(id))) return false;
    await collection.deleteOne({ _id: id, v: version }, { writeConcern });
    return true;
  }

  /** MongoDB forgets a mark a day after its `at`; where Redis may keep a copy of somebody else's making, after the life of a session. */
  const markOf = (remembered: boolean) => ({
    $max: { at: new Date(clock.now() + (remembered ? Math.max(0, ttlSeconds - markSeconds) * 1_000 : 0)) },
  });

  async function endAgain(id: string): Promise<void> {
    await collection.deleteOne({ _id: id, v: { $exists: false } }, { writeConcern });
  }

  return {
    collection,
    ended,
    endAgain,

    async read(id) {
      // By its id alone: of a question for more MongoDB makes a plan, which costs both sides more than the answer.
      const found = await collection.findOne({ _id: id });
      if (!found || !isAlive(found)) return null;
      if (found.v !== undefined || !(await ended(id))) return found;
      await endAgain(id);
      return null;
    },

    async replace(id, content, base, redis) {
      const version = versions.next(base, redis);
      const older = isUnwritten(base) ? { $not: { $gte: version } } : { $lt: version };
      const { matchedCount } = await collection.updateOne({ _id: id, v: older }, writing(content, version), {
        writeConcern,
      });
      if (matchedCount > 0) {
        if (isUnwritten(base) && (await writtenBack(id, version))) return { outcome: "gone" };
        return { outcome: "ok", version, born: false };
      }
      const other = await collection.findOne({ _id: id }, { projection: { _id: 1 } });
      return { outcome: other ? "superseded" : "gone" };
    },

    async put(id, content, redis) {
      let base: Version | undefined;
      for (let attempt = 1; ; attempt += 1) {
        const version = versions.next(base, redis);
        const update = writing(content, version);
        const born = options.timestamps ? { $setOnInsert: { createdAt: new Date(clock.now()) } } : {};
        try {
          const { upsertedCount } = await collection.updateOne(
            { _id: id, v: { $not: { $gte: version } } },
            { ...update, ...born } as UpdateFilter<SessionDocument>,
            { upsert: true, writeConcern },
          );
          return { outcome: "ok", version, born: upsertedCount > 0 };
        } catch (error) {
          if (!duplicateKey(error) || attempt >= tries) throw error;
          // What is there was written by a clock ahead of ours; a call without a base replaces it all the same.
          base = (await collection.findOne({ _id: id }, { projection: { v: 1 } }))?.v;
        }
      }
    },

    async touch(id, expires, unwritten) {
      const update = { expires: new Date(expires), t: clock.now() };
      if (unwritten) {
        const version = versions.next(undefined, true);
        const adopting = stamped({ ...update, v: version, h: unwritten.hash });
        const first = await collection.updateOne({ _id: id, v: { $exists: false } }, adopting, { writeConcern });
        if (first.matchedCount > 0) return !(await writtenBack(id, version));
      }
      const { matchedCount } = await collection.updateOne({ _id: id }, stamped(update), { writeConcern });
      return matchedCount > 0;
    },

    async remove(id, remembered) {
      // First, lest somebody writes it back in between and is not found out.
      if (oldServers() || remembered)
        await endedOnes.updateOne({ _id: id }, markOf(remembered), { upsert: true, writeConcern });
      await collection.deleteOne({ _id: id }, { writeConcern });
    },

    async *ids(which) {
      const filter = which === "living" ? alive() : {};
      for await (const { _id } of collection.find(filter, { projection: { _id: 1 }, batchSize: 1_000 })) yield _id;
    },

    living: () => collection.find(alive()),
    count: () => collection.countDocuments(alive()),

    async end(ids, remembered) {
      if (!(oldServers() || remembered) || ids.length === 0) return;
      const update = markOf(remembered);
      await endedOnes.bulkWrite(
        ids.map((_id) => ({ updateOne: { filter: { _id }, update, upsert: true } })),
        { ordered: false, writeConcern },
      );
    },

    async removeAll() {
      await collection.deleteMany({}, { writeConcern });
    },
  };
}
