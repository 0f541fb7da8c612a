import { ensureIndexes } from "../src/mongo/indexes.ts";
import { type MigrationContext, takeAway } from "../src/mongo/migration.ts";

const day = 86_400;

/** What instances tell of themselves, and which sessions were ended: both are forgotten after a while. */
export async function up(context: MigrationContext): Promise<void> {
  await ensureIndexes(context, "sluice_instances", [{ keys: { at: 1 }, expireAfterSeconds: 60 }]);
  await ensureIndexes(context, `${context.sessionCollection}_ended`, [{ keys: { at: 1 }, expireAfterSeconds: day }]);
}

export const down = takeAway;
