import { startRedisServer } from "../../test/support/redis-server.ts";
import { allOrNothing } from "../stage/ends.ts";
import { type Server, startServer } from "../stage/processes.ts";
import { shipped } from "../stage/shipped.ts";

/** The shipped server with a Redis of its own. */
export interface Side extends Server {
  name: string;
  /** What everybody may ask in a quarter of an hour is asked in a minute here, so that begins anew. */
  forgive(): Promise<void>;
}

export async function startSide(name: string, mongoUrl: string, env: Record<string, string>): Promise<Side> {
  return allOrNothing(async (ends) => {
    const redis = ends.add(await startRedisServer());
    // Who goes has gone soon: the sides take turns with the same people.
    const server = ends.add(await startServer({ ...shipped(mongoUrl, redis.url), PRESENCE_GRACE: "100ms", ...env }));
    return {
      ...server,
      name,
      async forgive() {
        const counts = (await redis.ask("KEYS", "cache:limit:api:*")) as string[];
        if (counts.length > 0) await redis.ask("DEL", ...counts);
      },
      close: ends.close,
    };
  });
}
