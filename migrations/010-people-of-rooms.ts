import { ensureIndexes } from "../src/mongo/indexes.ts";
import { type MigrationContext, takeAway } from "../src/mongo/migration.ts";

/** Who was in a room last, which is asked while Redis cannot say who is in it. */
export function up(context: MigrationContext): Promise<void> {
  return ensureIndexes(context, "session_rooms", [{ keys: { nickname: 1, room: 1 } }]);
}

export const down = takeAway;
