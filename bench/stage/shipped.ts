import { secret } from "./seed.ts";

/** Beside what is compared, all that is set is where the databases are and what signs; the rest is as shipped. */
export const shipped = (mongoUrl: string, redisUrl: string): Record<string, string> => ({
  ...{ NODE_ENV: "production", MONGODB_URL: mongoUrl, REDIS_URL: redisUrl, LOG_LEVEL: "error" },
  ...{ JWT_SECRET: secret, SESSION_SECRET: secret },
});
