export { withDatabases } from "./for-config.ts";
export { startEmbeddedMongo } from "./mongo.ts";
export { defaultCacheDir, type EmbeddedDatabase } from "./options.ts";
export { startEmbeddedRedis } from "./redis.ts";
