import { ensureIndexes } from "../src/mongo/indexes.ts";
import { type MigrationContext, takeAway } from "../src/mongo/migration.ts";

/** Users newest first, who is online, and channels in their order. */
export async function up(context: MigrationContext): Promise<void> {
  await ensureIndexes(context, "users", [{ keys: { createdAt: -1, _id: -1 } }, { keys: { status: 1 } }]);
  await ensureIndexes(context, "channels", [{ keys: { position: 1, createdAt: 1, _id: 1 } }]);
}

export const down = takeAway;
