import { ensureIndexes } from "../src/mongo/indexes.ts";
import { type MigrationContext, takeAway } from "../src/mongo/migration.ts";

/** The indexes that a database of the old server has. */
export async function up(context: MigrationContext): Promise<void> {
  await ensureIndexes(context, "users", [
    { keys: { nickname: 1 }, unique: true },
    { keys: { email: 1 }, unique: true },
  ]);
  await ensureIndexes(context, "channels", [{ keys: { id: 1 }, unique: true }]);
  await ensureIndexes(context, "messages", [
    { keys: { channel: 1, timestamp: -1 } },
    { keys: { author: 1, timestamp: 1 }, orKeys: { author: 1, timestamp: -1 } },
    { keys: { channel: 1, type: 1, timestamp: 1 }, orKeys: { channel: 1, type: 1, timestamp: -1 } },
  ]);
  await ensureIndexes(context, context.sessionCollection, [{ keys: { expires: 1 }, expireAfterSeconds: 0 }]);
  await nameMixedEmails(context);
}

export const down = takeAway;

/** Logins look e-mails up in lower case: users stored otherwise must use their nickname, and two may share an address. */
async function nameMixedEmails({ db, log }: MigrationContext): Promise<void> {
  const groups = await db
    .collection("users")
    .aggregate<{ users: unknown[]; mixed: boolean }>(
      [
        { $match: { email: { $type: "string" } } },
        {
          $group: {
            _id: { $toLower: "$email" },
            users: { $push: "$_id" },
            mixed: { $max: { $ne: ["$email", { $toLower: "$email" }] } },
          },
        },
        { $match: { $or: [{ mixed: true }, { "users.1": { $exists: true } }] } },
        { $limit: 100 },
      ],
      { allowDiskUse: true },
    )
    .toArray();
  const shared = groups.filter(({ users }) => users.length > 1).map(({ users }) => users);
  const mixed = groups.filter((group) => group.mixed).flatMap(({ users }) => users);
  if (shared.length > 0) log.warn({ users: shared }, "users: these have one e-mail address but for its case");
  if (mixed.length > 0)
    log.warn({ users: mixed }, "users: these have capitals in their e-mail and can log in by nickname only");
}
