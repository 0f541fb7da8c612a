import { ensureIndexes } from "../src/mongo/indexes.ts";
import { type MigrationContext, takeAway } from "../src/mongo/migration.ts";

/** Pages of a channel without a sort in memory: equal times are told apart by `_id`. */
export function up(context: MigrationContext): Promise<void> {
  return ensureIndexes(context, "messages", [{ keys: { channel: 1, timestamp: -1, _id: -1 } }]);
}

export const down = takeAway;
