import { ensureIndexes } from "../src/mongo/indexes.ts";
import { type MigrationContext, takeAway } from "../src/mongo/migration.ts";

/** Users last seen first, and emoji most used first. */
export async function up(context: MigrationContext): Promise<void> {
  await ensureIndexes(context, "users", [{ keys: { lastActive: -1, _id: -1 } }]);
  await ensureIndexes(context, "emoji_counts", [{ keys: { count: -1, _id: 1 } }]);
}

export const down = takeAway;
