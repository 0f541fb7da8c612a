import { ensureIndexes } from "../src/mongo/indexes.ts";
import { type MigrationContext, takeAway } from "../src/mongo/migration.ts";

/** What instances tell of themselves; those that ended without a word are forgotten. */
export function up(context: MigrationContext): Promise<void> {
  return ensureIndexes(context, "sluice_instances", [{ keys: { at: 1 }, expireAfterSeconds: 60 }]);
}

export const down = takeAway;
