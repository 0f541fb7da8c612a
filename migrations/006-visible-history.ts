import { ensureIndexes } from "../src/mongo/indexes.ts";
import { type MigrationContext, takeAway } from "../src/mongo/migration.ts";

const ofPrivateOnes = { partialFilterExpression: { type: "private" } };

/** What one reader may see of a channel is merged from these in order, however many private messages of others lie between. */
export function up(context: MigrationContext): Promise<void> {
  return ensureIndexes(context, "messages", [
    { keys: { channel: 1, type: 1, timestamp: -1, _id: -1 } },
    { keys: { channel: 1, author: 1, timestamp: -1, _id: -1 }, ...ofPrivateOnes },
    { keys: { channel: 1, target: 1, timestamp: -1, _id: -1 }, ...ofPrivateOnes },
  ]);
}

export const down = takeAway;
