import type { Db } from "mongodb";
import { createClaims } from "./claims.ts";
import type { MongoLink } from "./connect.ts";

/** What an operator should know of a database, as it was seen; nothing is changed. */
export interface MongoSeen {
  readonly version: string;
  readonly topology: MongoLink["topology"];
  readonly database: string;
  /** Members that hold data, and those that only vote. */
  readonly members: number;
  readonly arbiters: number;
  /** How far a majority is behind the primary; undefined without a replica set. */
  readonly majorityLagMs?: number;
  /** The shortest of several pings. */
  readonly pingMs: number;
  /** Its clock less this machine's, and how far that may be off. */
  readonly clock: ClockSeen;
  readonly migrations: { readonly done: readonly string[]; readonly unfinished: readonly string[] };
  /** Indexes that a migration made and that are gone: `messages.channel_1_timestamp_-1`. */
  readonly missingIndexes: readonly string[];
  /** Fields that must be unique and are not: `users.nickname`. */
  readonly notUnique: readonly string[];
  /** `expireAfterSeconds` of the index on `expires`; undefined when nothing removes expired sessions. */
  readonly sessionsExpireAfter?: number;
  /** Until the last of the sessions ends, in seconds. */
  readonly longestLifeSeconds?: number;
}

interface ClockSeen {
  readonly offsetMs: number;
  readonly errorMs: number;
}

export interface InspectMongoOptions {
  link: Pick<MongoLink, "db" | "client" | "topology">;
  sessionCollection: string;
  /** Collection and field of what must be unique. */
  unique: readonly (readonly [collection: string, field: string])[];
}

const rounds = 3;

type Hello = { localTime: Date; hosts?: string[]; arbiters?: string[]; lastWrite?: Record<string, Date> };

/** The quickest answer tells the time best. */
async function hello(admin: Db): Promise<{ hello: Hello; pingMs: number; clock: ClockSeen }> {
  const seen: { hello: Hello; pingMs: number; clock: ClockSeen }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const [asked, since] = [Date.now(), performance.now()];
    const answer = (await admin.command({ hello: 1 })) as unknown as Hello;
    const pingMs = performance.now() - since;
    const offsetMs = answer.localTime.getTime() - (asked + pingMs / 2);
    seen.push({ hello: answer, pingMs, clock: { offsetMs, errorMs: pingMs / 2 } });
  }
  const [best] = seen.sort((one, other) => one.pingMs - other.pingMs);
  if (!best) throw new Error("MongoDB was not asked");
  return best;
}

function majorityLag({ lastWrite }: Hello): { majorityLagMs?: number } {
  const { lastWriteDate, majorityWriteDate } = lastWrite ?? {};
  if (!lastWriteDate || !majorityWriteDate) return {};
  return { majorityLagMs: lastWriteDate.getTime() - majorityWriteDate.getTime() };
}

/** 26: there is no such collection yet. */
function indexesOf(db: Db, collection: string) {
  return db
    .collection(collection)
    .indexes()
    .catch((error: unknown) => {
      if ((error as { code?: unknown }).code === 26) return [];
      throw error;
    });
}

async function sessionsSeen(db: Db, name: string) {
  const index = (await indexesOf(db, name)).find(({ key }) => JSON.stringify(key) === '{"expires":1}');
  const [last] = await db
    .collection(name)
    .find({ expires: { $type: "date" } }, { projection: { _id: 0, expires: 1 } })
    .sort({ expires: -1 })
    .limit(1)
    .toArray();
  const end: unknown = last?.expires;
  return {
    ...(index?.expireAfterSeconds !== undefined && { sessionsExpireAfter: Number(index.expireAfterSeconds) }),
    ...(end instanceof Date && { longestLifeSeconds: (end.getTime() - Date.now()) / 1_000 }),
  };
}

export async function inspectMongo(options: InspectMongoOptions): Promise<MongoSeen> {
  const { link, sessionCollection, unique } = options;
  const { db, client, topology } = link;
  const admin = client.db("admin");
  const { hello: told, pingMs, clock } = await hello(admin);
  const { version } = (await admin.command({ buildInfo: 1 })) as unknown as { version: string };
  const records = await createClaims({ db, leaseMs: 0, waitMs: 0 }).records();
  const missingIndexes: string[] = [];
  for (const made of records.flatMap((record) => record.made ?? [])) {
    if (made.kind !== "index") continue;
    const there = (await indexesOf(db, made.collection)).some(({ name }) => name === made.name);
    if (!there) missingIndexes.push(`${made.collection}.${made.name}`);
  }
  const notUnique: string[] = [];
  for (const [collection, field] of unique) {
    const only = (key: object) => Object.keys(key).join() === field;
    if (!(await indexesOf(db, collection)).some((index) => index.unique && only(index.key)))
      notUnique.push(`${collection}.${field}`);
  }
  const arbiters = told.arbiters?.length ?? 0;
  return {
    version,
    topology,
    database: db.databaseName,
    members: told.hosts?.length ?? 1,
    arbiters,
    ...majorityLag(told),
    pingMs,
    clock,
    migrations: {
      done: records.filter(({ state }) => state === "done").map(({ _id }) => _id),
      unfinished: records.filter(({ state }) => state === "failed").map(({ _id }) => _id),
    },
    missingIndexes,
    notUnique,
    ...(await sessionsSeen(db, sessionCollection)),
  };
}
