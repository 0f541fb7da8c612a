import { randomInt } from "node:crypto";
import type { Db, MongoClient } from "mongodb";
import { type Clock, systemClock } from "../kernel/clock.ts";
import { createDeadlines, type Deadlines } from "../kernel/deadline.ts";
import { SluiceError } from "../kernel/errors.ts";
import { createEvents } from "../kernel/events.ts";
import type { Log } from "../kernel/log.ts";
import type { EpochLooks } from "../mongo/epoch-looks.ts";
import type { RedisDoor } from "../redis/types.ts";
import { type Bucket, createBucket } from "./bucket.ts";
import { type Codec, type CodecOptions, createCodec } from "./codec.ts";
import { type Copies, createCopies } from "./stores/copies.ts";
import { createDocuments, type Documents } from "./stores/documents.ts";
import { createTrust, type Trust } from "./trust.ts";
import { defaultTiming, type SessionDial, type SessionEventSource, type SessionEvents, type Timing } from "./types.ts";
import { createVersions, type Versions } from "./version.ts";

export interface RolloutOptions extends CodecOptions {
  /** Where the sessions are now. Of a client, `dbName` or the database of its URL. */
  mongo: { db: Db } | { client: MongoClient; dbName?: string };
  /** Why MongoDB gives no answer, where that is known. */
  trouble?: () => unknown;
  redis: RedisDoor;
  /** Where the dial stands. */
  settings: SessionDial;
  log: Log;
  /** connect-mongo's `collectionName`; default `sessions`. */
  collection?: string;
  /** Of the keys in Redis; default `session:`. */
  prefix?: string;
  /** Life of a session whose cookie has no end; default one day, in both stores. */
  ttlSeconds?: number;
  /** connect-mongo's: a touch goes to MongoDB once in so many seconds, and at least once in a tenth of the life. */
  touchAfter?: number;
  /** connect-mongo's: the id under which a session is stored, in Redis as well. */
  transformId?: (sid: string) => string;
  /** connect-mongo's: `createdAt` and `updatedAt` are kept. */
  timestamps?: boolean;
  clock?: Clock;
  /** Names this process in versions of sessions; by default a new one each time. */
  instanceId?: string;
  /** The same on all instances: it decides who is in the bucket. */
  salt?: string;
  deadlines?: { operationMs?: number; redisMs?: number };
  timing?: Partial<Timing>;
  /** Of the same database, when caches look at their epoch in this process, too: both ask MongoDB once. */
  looks?: EpochLooks;
  events?: SessionEventSource;
  /** Tell of sessions that ended anywhere (`ended`) also while Redis is not used. */
  followAlways?: boolean;
}

/** What the store is made of, and what its tools use. */
export interface Parts {
  readonly options: RolloutOptions;
  readonly dial: SessionDial;
  readonly log: Log;
  readonly clock: Clock;
  readonly timing: Timing;
  readonly events: SessionEventSource;
  readonly bucket: Bucket;
  readonly codec: Codec;
  readonly versions: Versions;
  readonly documents: Documents;
  readonly copies: Copies;
  readonly trust: Trust;
  readonly deadlines: Deadlines;
  readonly operationMs: number;
  readonly ttlSeconds: number;
  /** The id under which the session is stored; throws for one that cannot be. */
  idOf(sid: string): string;
  close(): Promise<void>;
}

const usualOperationMs = 4_000;

/** Nobody waits for MongoDB for longer. */
export const operationMsOf = (limits: RolloutOptions["deadlines"]): number => limits?.operationMs ?? usualOperationMs;

const NAME = /^[0-9a-z]{4,16}$/;
const nameOfOurs = () =>
  randomInt(36 ** 6)
    .toString(36)
    .padStart(6, "0");

function nameFrom(instanceId: string | undefined): string {
  if (instanceId === undefined) return nameOfOurs();
  if (NAME.test(instanceId)) return instanceId;
  const takes = "4 to 16 of 0-9 and a-z, another one at every start";
  throw new SluiceError("SESSION_OPTIONS", `instanceId: "${instanceId}" cannot be used; it takes ${takes}.`);
}

function checkedId(id: unknown): string {
  if (typeof id !== "string" || id === "")
    throw new SluiceError("SESSION_ID", "A session id must be a string that is not empty; check genid.");
  if (id.includes("{") || id.includes("}"))
    throw new SluiceError(
      "SESSION_ID",
      "A session id must have neither { nor }: they decide where Redis puts a key; check genid.",
    );
  return id;
}

export function createParts(options: RolloutOptions): Parts {
  const { mongo, redis, settings, log, clock = systemClock, transformId } = options;
  const { collection = "sessions", prefix = "session:", ttlSeconds = 86_400, deadlines: limits = {} } = options;
  const timing = { ...defaultTiming, ...options.timing };
  const events = options.events ?? createEvents<SessionEvents>();
  const db = "db" in mongo ? mongo.db : mongo.client.db(mongo.dbName);
  const versions = createVersions(clock, nameFrom(options.instanceId));
  const documents = createDocuments({
    db,
    collection,
    clock,
    versions,
    lastModified: (options.touchAfter ?? 0) > 0,
    timestamps: options.timestamps ?? false,
    oldServers: () => settings.current.oldServers ?? true,
    ttlSeconds,
  });
  const { redisMs } = limits;
  const copies = createCopies({
    door: redis,
    prefix,
    leaseMs: timing.lease,
    ...(redisMs === undefined ? {} : { deadlineMs: redisMs }),
  });
  const deadlines = createDeadlines();
  const trust = createTrust({
    db,
    collection,
    door: redis,
    dial: settings,
    documents,
    copies,
    versions,
    clock,
    timing,
    looks: options.looks,
    log,
    events,
    followAlways: options.followAlways ?? false,
  });
  return {
    options,
    dial: settings,
    log,
    clock,
    timing,
    events,
    bucket: createBucket(options.salt),
    codec: createCodec(options),
    versions,
    documents,
    copies,
    trust,
    deadlines,
    operationMs: operationMsOf(limits),
    ttlSeconds,
    idOf: (sid) => checkedId(transformId ? transformId(sid) : sid),
    async close() {
      await trust.close();
      deadlines.close();
    },
  };
}
