import { startRedisServer } from "../../test/support/redis-server.ts";
import { type Server, startServer } from "./processes.ts";
import { secret } from "./seed.ts";

/** The shipped server with a Redis of its own. */
export interface Side extends Server {
  name: string;
  /** What everybody may ask in a quarter of an hour is asked in a minute here, so that begins anew. */
  forgive(): Promise<void>;
}

export async function startSide(name: string, mongoUrl: string, env: Record<string, string>): Promise<Side> {
  const redis = await startRedisServer();
  // Beside what is compared, all that is set is where the databases are and what signs; the rest is as shipped.
  const where = { NODE_ENV: "production", MONGODB_URL: mongoUrl, REDIS_URL: redis.url, LOG_LEVEL: "error" };
  const server = await startServer({ ...where, JWT_SECRET: secret, SESSION_SECRET: secret, ...env });
  return {
    ...server,
    name,
    async forgive() {
      const counts = (await redis.ask("KEYS", "cache:limit:api:*")) as string[];
      if (counts.length > 0) await redis.ask("DEL", ...counts);
    },
    async close() {
      await server.close();
      await redis.close();
    },
  };
}
