import { ensureIndexes } from "../src/mongo/indexes.ts";
import { type MigrationContext, takeAway } from "../src/mongo/migration.ts";

/** From the handle that a token carries to its session; expired ones go by themselves. */
export function up(context: MigrationContext): Promise<void> {
  return ensureIndexes(context, "session_handles", [
    { keys: { expires: 1 }, expireAfterSeconds: 0 },
    { keys: { userId: 1 } },
    { keys: { sid: 1 } },
  ]);
}

export const down = takeAway;
