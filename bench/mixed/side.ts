import { figuresOf } from "../../test/support/metrics.ts";
import { type RedisServer, startRedisServer } from "../../test/support/redis-server.ts";
import { begun } from "../stage/begun.ts";
import { cpuOf, type Server, startChild, startServer } from "../stage/processes.ts";
import type { Visitor } from "../stage/seed.ts";
import { shipped } from "../stage/shipped.ts";
import type { Enter, Live, Lived } from "./people.ts";

/** A server with people in it. */
export interface Side {
  readonly name: string;
  readonly server: Server;
  readonly redis: RedisServer;
  /** They live, and what that cost the server in seconds of processor time. */
  live(ms: number, rate: number): Promise<Lived & { cpu: number }>;
  /** Reads that it has sent to MongoDB so far, by collection. */
  reads(): Promise<Map<string, number>>;
  close(): Promise<void>;
}

export interface SideOptions {
  name: string;
  mongoUrl: string;
  visitors: Visitor[];
  rooms: string[];
  env?: Record<string, string>;
  /** Another program than the one that was just built, or looked at while it runs. */
  how?: Parameters<typeof startServer>[1];
}

const reading = new Set(["find", "aggregate", "count", "distinct"]);

export async function startSide({ name, mongoUrl, visitors, rooms, env = {}, how }: SideOptions): Promise<Side> {
  const redis = await startRedisServer();
  const server = await startServer({ ...shipped(mongoUrl, redis.url), SESSION_REDIS_PERCENT: "100", ...env }, how);
  if (env.DISABLE_REDIS !== "true") await begun(server.url);
  const people = startChild("../mixed/people");
  async function tell(order: Enter | Live): Promise<unknown> {
    const { result, error } = (await people.ask(order)) as { result?: unknown; error?: string };
    if (error) throw new Error(`${name}: ${error}`);
    return result;
  }
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= (async () => {
      await people.close();
      await server.close();
      await redis.close();
    })();
    return closing;
  };
  try {
    await tell({ kind: "enter", url: server.url.replace("localhost", "127.0.0.1"), visitors, rooms });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    name,
    server,
    redis,
    async live(ms, rate) {
      const before = cpuOf(server.pid);
      const lived = (await tell({ kind: "live", ms, rate })) as Lived;
      return { ...lived, cpu: cpuOf(server.pid) - before };
    },
    async reads() {
      const reads = new Map<string, number>();
      for (const { labels, value } of (await figuresOf(server.url)).all("chat_mongo_queries_total")) {
        const { collection = "", command = "" } = labels;
        if (collection !== "" && reading.has(command)) reads.set(collection, (reads.get(collection) ?? 0) + value);
      }
      return reads;
    },
    close,
  };
}
