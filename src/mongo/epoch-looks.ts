import type { Collection, Db } from "mongodb";
import { withoutBudget } from "../kernel/budget.ts";
import { within } from "./bounded.ts";

export interface EpochDocument {
  _id: string;
  value: number;
  at: Date;
  why: string;
}

const deadlineMs = 2_000;

/** All epochs that live in this database. */
export const epochsOf = (db: Db): Collection<EpochDocument> => db.collection("sluice_epochs");

/** What a look that began at `from` has found; undefined: there is no such epoch. */
export type Seen = (found: EpochDocument | undefined, from: number) => void;

/** Whoever looks at an epoch looks for all who go by one here: it is one question to MongoDB, however many there are. */
export interface EpochLooks {
  /** Answers how to leave. */
  join(id: string, seen: Seen): () => void;
  /** The look that is under way, or one that begins now. */
  soon(): Promise<void>;
  /** A look that begins now, or when the one under way has ended. */
  afresh(): Promise<void>;
}

export function createEpochLooks(db: Db): EpochLooks {
  const epochs = epochsOf(db);
  const joined = new Map<string, Set<Seen>>();
  let looking: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  async function look(): Promise<void> {
    const ids = [...joined.keys()];
    const from = performance.now();
    const found = await within(deadlineMs, epochs.find({ _id: { $in: ids } }).toArray());
    for (const id of ids) {
      const one = found.find(({ _id }) => _id === id);
      for (const seen of joined.get(id) ?? []) seen(one, from);
    }
  }

  function begin(): Promise<void> {
    next = undefined;
    // What is seen concerns everybody, and not the request that happened to ask for it.
    looking = withoutBudget(look).finally(() => {
      looking = undefined;
    });
    return looking;
  }

  return {
    join(id, seen) {
      const others = joined.get(id) ?? new Set();
      joined.set(id, others.add(seen));
      return () => {
        others.delete(seen);
        if (others.size === 0) joined.delete(id);
      };
    },
    soon: () => looking ?? begin(),
    afresh() {
      if (!looking) return begin();
      next ??= looking.then(begin, begin);
      return next;
    },
  };
}
