import { figuresOf } from "../../test/support/metrics.ts";
import { type RedisServer, startRedisServer } from "../../test/support/redis-server.ts";
import { begun } from "../stage/begun.ts";
import { allOrNothing } from "../stage/ends.ts";
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

export function startSide({ name, mongoUrl, visitors, rooms, env = {}, how }: SideOptions): Promise<Side> {
  return allOrNothing(async (ends) => {
    const redis = ends.add(await startRedisServer());
    const variables = { ...shipped(mongoUrl, redis.url), SESSION_REDIS_PERCENT: "100", ...env };
    const server = ends.add(await startServer(variables, how));
    if (env.DISABLE_REDIS !== "true") await begun(server.url);
    const people = ends.add(startChild("../mixed/people"));
    async function tell(order: Enter | Live): Promise<unknown> {
      const { result, error } = (await people.ask(order)) as { result?: unknown; error?: string };
      if (error) throw new Error(`${name}: ${error}`);
      return result;
    }
    await tell({ kind: "enter", url: server.url.replace("localhost", "127.0.0.1"), visitors, rooms });
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
      close: ends.close,
    };
  });
}
