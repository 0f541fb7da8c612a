import type { Toolbox } from "./toolbox.ts";

/** How far a walk over all sessions has come; of an earlier run when that one did not come to its end. */
export interface Mark {
  readonly after: string;
  /** The epoch in which it began: what was copied in an older one is not believed. */
  readonly epoch: number;
  readonly walked: number;
}

export interface Checkpoint {
  read(): Promise<Mark | undefined>;
  write(mark: Mark): Promise<void>;
  clear(): Promise<void>;
}

type MarkDocument = Mark & { _id: string; at: Date };

/** Kept in MongoDB, beside the sessions and not among them. */
export function createCheckpoint({ db, collection, prefix, clock }: Toolbox): Checkpoint {
  const marks = db.collection<MarkDocument>("sluice_checkpoints");
  const _id = `backfill of ${collection} to ${prefix}`;
  return {
    async read() {
      const found = await marks.findOne({ _id });
      return found ? { after: found.after, epoch: found.epoch, walked: found.walked } : undefined;
    },
    async write(mark) {
      await marks.updateOne({ _id }, { $set: { ...mark, at: new Date(clock.now()) } }, { upsert: true });
    },
    async clear() {
      await marks.deleteOne({ _id });
    },
  };
}
