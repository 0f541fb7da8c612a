import type { Declaration } from "../../src/cache/declaration.ts";
import { createL1 } from "../../src/cache/l1.ts";
import { type CacheRoom, createCacheRoom } from "../../src/cache/room.ts";
import type { CacheEvents } from "../../src/cache/types.ts";
import { type ChatCaches, cacheNames, createChatCaches } from "../../src/chat/caches/index.ts";
import { createChatServices } from "../../src/chat/services/index.ts";
import type { ChatServices } from "../../src/chat/services/types.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Clock } from "../../src/kernel/clock.ts";
import { connectMongo, type MongoLink } from "../../src/mongo/connect.ts";
import { createRedisDoor } from "../../src/redis/door.ts";
import type { RedisDoor } from "../../src/redis/types.ts";
import { createRecorder } from "./recorder.ts";
import { until } from "./until.ts";

/** One instance of the chat as far as its services and their caches go, with a door and a link of its own. */
export interface ChatInstance {
  readonly services: ChatServices;
  readonly caches: ChatCaches;
  readonly room: CacheRoom;
  readonly door: RedisDoor;
  readonly mongo: MongoLink;
  readonly log: ReturnType<typeof createRecorder>;
  readonly switches: Record<string, boolean>;
  /** How often each thing happened: `request messages redis`, `fill users complete`, `push …`. */
  readonly counts: Record<string, number>;
  /** Resolves when every cache may be read from Redis. */
  trusting(): Promise<void>;
  close(): Promise<void>;
}

export interface ChatInstanceOptions {
  mongoUrl: string;
  /** Absent: `env` says where Redis is. */
  redisUrl?: string;
  env?: Record<string, string>;
  /** Faster than in the product. */
  timing?: Parameters<typeof createCacheRoom>[0]["timing"];
  clock?: Clock;
  door?: (door: RedisDoor) => RedisDoor;
  /** Every declaration on its way to the room. */
  declared?: <Entry, Slice>(declaration: Declaration<Entry, Slice>) => Declaration<Entry, Slice>;
}

/** Loads of that cache come late: when they are let go. */
export function holdLoads(cache: string) {
  let release = () => {};
  const held = new Promise<void>((done) => {
    release = done;
  });
  return {
    release: () => release(),
    declared: <Entry, Slice>(declaration: Declaration<Entry, Slice>): Declaration<Entry, Slice> => ({
      ...declaration,
      async load(key) {
        const loaded = await declaration.load(key);
        if (declaration.name === cache) await held;
        return loaded;
      },
    }),
  };
}

export async function startChatInstance(options: ChatInstanceOptions): Promise<ChatInstance> {
  const { mongoUrl, redisUrl = "", env = {}, timing, clock, declared } = options;
  const log = createRecorder();
  const config = loadConfig({ NODE_ENV: "test", PASSWORD_COST: "4", REDIS_URL: redisUrl, ...env });
  const mongo = await connectMongo({ url: mongoUrl, timeoutMs: 10_000, poolSize: 20, log, monitorCommands: true });
  const door = createRedisDoor({ config, log });
  const switches: Record<string, boolean> = {};
  const room = createCacheRoom({
    db: mongo.db,
    door: options.door?.(door) ?? door,
    log,
    leaseMs: config.CACHE_LEASE,
    waitMs: config.CACHE_WAIT,
    loads: config.CACHE_LOADS,
    auditPercent: config.CACHE_AUDIT,
    serverId: "a test",
    isOn: (name) => switches[name] ?? true,
    ...(timing ? { timing } : {}),
  });
  room.keepIn(createL1({ limitBytes: 1_000_000, believed: () => true }));
  const create: typeof room.create = (declaration) => room.create(declared?.(declaration) ?? declaration);
  const { shapes } = room;
  const caches = createChatCaches({ room: { create, shapes }, connection: mongo.connection, config });
  const services = createChatServices({ connection: mongo.connection, config, log, caches, ...(clock && { clock }) });
  const counts: Record<string, number> = {};
  const count = (...words: string[]) => {
    const name = words.join(" ");
    counts[name] = (counts[name] ?? 0) + 1;
  };
  const told = <K extends keyof CacheEvents & string>(name: K, field: (event: CacheEvents[K]) => string) =>
    room.events.on(name, (event) => count(name, (event as { cache: string }).cache, field(event)));
  told("request", ({ result }) => result);
  told("fill", ({ result }) => result);
  told("wait", ({ result }) => result);
  told("push", ({ result }) => result);
  told("drop", ({ why }) => why);
  told("error", ({ what, reason }) => `${what} ${reason}`);
  told("audit", ({ stale }) => (stale ? "stale" : "fresh"));
  told("changed", ({ here }) => (here ? "here" : "stream"));
  door.start();
  return {
    services,
    caches,
    room,
    door,
    mongo,
    log,
    switches,
    counts,
    async trusting() {
      await until(() => cacheNames.every((name) => caches[name].doubt === undefined), {
        timeoutMs: 20_000,
        describe: () => cacheNames.map((name) => `${name}: ${caches[name].doubt}`),
      });
    },
    async close() {
      await services.emoji.close();
      await room.close();
      await door.close();
      await mongo.close();
    },
  };
}
