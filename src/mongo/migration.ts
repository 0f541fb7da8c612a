import type { Db } from "mongodb";
import type { Log } from "../kernel/log.ts";
import type { Claim } from "./claims.ts";

/** What a migration is given. Commands on `db` may take as long as an index build does. */
export interface MigrationContext {
  db: Db;
  log: Log;
  claim: Pick<Claim, "made" | "willMake">;
  /** Where connect-mongo keeps its sessions. */
  sessionCollection: string;
}

/** A file of `migrations/`. Both ways may be run again after they stopped half way. */
export interface Migration {
  up(context: MigrationContext): Promise<void>;
  down(context: MigrationContext): Promise<void>;
}

/** The way down of everything that adds and never changes: takes away what this migration added, newest first. */
export async function takeAway({ db, log, claim }: MigrationContext): Promise<void> {
  for (const thing of (await claim.made()).reverse()) {
    const collection = db.collection(thing.collection);
    if (thing.kind === "document") await collection.deleteOne({ _id: thing.id as never });
    else if (thing.kind === "index") await collection.dropIndex(thing.name).catch(unlessGone);
    else if (await collection.findOne({}, { projection: { _id: 1 } }))
      log.info({ collection: thing.collection }, `${thing.collection} is kept: there are documents in it`);
    else await collection.drop();
  }
}

/** 26: no such collection, 27: no such index. */
function unlessGone(error: unknown): void {
  const { code } = error as { code?: unknown };
  if (code !== 26 && code !== 27) throw error;
}
