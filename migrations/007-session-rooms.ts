import { ensureIndexes } from "../src/mongo/indexes.ts";
import { type MigrationContext, takeAway } from "../src/mongo/migration.ts";

/** Where each session was last; with the session this goes too. */
export function up(context: MigrationContext): Promise<void> {
  return ensureIndexes(context, "session_rooms", [{ keys: { expires: 1 }, expireAfterSeconds: 0 }]);
}

export const down = takeAway;
