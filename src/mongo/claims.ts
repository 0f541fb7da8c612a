import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import type { Collection, Db, Document } from "mongodb";
import { StartError } from "../kernel/errors.ts";
import { duplicateKey } from "./errors.ts";

export type Direction = "up" | "down";

/** Something that a migration added to the database, so that its way down takes away that and nothing else. */
type Made =
  | { kind: "collection"; collection: string }
  | { kind: "index"; collection: string; name: string }
  | { kind: "document"; collection: string; id: unknown };

export interface ClaimRecord {
  _id: string;
  state: "running" | "done" | "failed";
  direction: Direction;
  owner: string;
  leaseUntil: Date;
  startedAt: Date;
  finishedAt?: Date;
  made?: Made[];
}

/** The right to run one migration, kept alive while it is held. */
export interface Claim {
  /** What earlier attempts and this one added, oldest first. */
  made(): Promise<Made[]>;
  /** Written down before the deed: after a crash nothing is there that nobody owns up to. */
  willMake(thing: Made): Promise<void>;
  /** Rejects when somebody else may have taken the claim over. */
  readonly lost: Promise<never>;
  finish(): Promise<void>;
  fail(): Promise<void>;
}

export interface ClaimOptions {
  db: Db;
  leaseMs: number;
  waitMs: number;
  signal?: AbortSignal | undefined;
}

export interface Claims {
  records(): Promise<ClaimRecord[]>;
  /** Waits for whoever has it; undefined when there is nothing left to do. */
  take(name: string, direction: Direction): Promise<Claim | undefined>;
}

const LOOK_EVERY_MS = 250;

const left = { $lt: ["$leaseUntil", "$$NOW"] };
const free: Record<Direction, Document> = {
  up: {
    $or: [
      { $in: [{ $ifNull: ["$state", "none"] }, ["none", "failed"]] },
      { $and: [{ $ne: ["$state", "done"] }, left] },
    ],
  },
  down: { $or: [{ $in: ["$state", ["done", "failed"]] }, left] },
};

function lostError(name: string): StartError {
  return new StartError(
    `Migration ${name} was given up: its claim could not be kept and may be another's now. Start again.`,
  );
}

function keep(records: Collection<ClaimRecord>, name: string, owner: string, leaseMs: number): Claim {
  const mine = { _id: name, owner, state: "running" as const };
  const extended = [{ $set: { leaseUntil: { $add: ["$$NOW", leaseMs] } } }];
  let kept = performance.now();
  let lose: (error: Error) => void = () => undefined;
  const lost = new Promise<never>((_, reject) => {
    lose = reject;
  });
  lost.catch(() => undefined);

  let renewing = false;
  async function renew(): Promise<void> {
    if (performance.now() - kept > leaseMs) return lose(lostError(name));
    if (renewing) return;
    renewing = true;
    const asked = performance.now();
    try {
      const { matchedCount } = await records.updateOne(mine, extended);
      if (matchedCount === 0) lose(lostError(name));
      else kept = asked;
    } catch {
      // The next look says whether the lease has run out meanwhile.
    } finally {
      renewing = false;
    }
  }
  const timer = setInterval(renew, leaseMs / 5);

  async function write(update: Document): Promise<void> {
    const { matchedCount } = await records.updateOne(mine, update);
    if (matchedCount === 0) throw lostError(name);
  }
  return {
    lost,
    async made() {
      return (await records.findOne(mine))?.made ?? [];
    },
    willMake: (thing) => write({ $addToSet: { made: thing } }),
    async finish() {
      clearInterval(timer);
      const record = await records.findOne(mine);
      if (!record) throw lostError(name);
      if (record.direction === "down") await records.deleteOne(mine);
      else await write({ $set: { state: "done", finishedAt: new Date() } });
    },
    async fail() {
      clearInterval(timer);
      await records.updateOne(mine, { $set: { state: "failed", finishedAt: new Date() } });
    },
  };
}

/** Who runs which migration, in a collection: taken in one atomic step, by the database's clock. */
export function createClaims({ db, leaseMs, waitMs, signal }: ClaimOptions): Claims {
  const records = db.collection<ClaimRecord>("sluice_migrations");
  const owner = `${hostname()}:${process.pid}:${randomBytes(4).toString("hex")}`;

  async function attempt(name: string, direction: Direction): Promise<ClaimRecord | null> {
    const claimed = {
      state: "running",
      direction,
      owner: { $literal: owner },
      startedAt: "$$NOW",
      leaseUntil: { $add: ["$$NOW", leaseMs] },
    };
    const taken = { $cond: [free[direction], { $mergeObjects: ["$$ROOT", claimed] }, "$$ROOT"] };
    try {
      return await records.findOneAndUpdate({ _id: name }, [{ $replaceWith: taken }], {
        upsert: direction === "up",
        returnDocument: "after",
      });
    } catch (error) {
      if (duplicateKey(error)) return records.findOne({ _id: name });
      throw error;
    }
  }

  return {
    records: () => records.find().sort({ _id: 1 }).toArray(),
    async take(name, direction) {
      const end = performance.now() + waitMs;
      for (;;) {
        const record = await attempt(name, direction);
        if (record?.state === "running" && record.owner === owner) return keep(records, name, owner, leaseMs);
        if (direction === "up" ? record?.state === "done" : !record) return undefined;
        if (performance.now() > end)
          throw new StartError(
            `Migration ${name} is still being run by ${record?.owner} after ${waitMs / 1000} s. Start again when it is done.`,
          );
        await pause(LOOK_EVERY_MS, undefined, signal && { signal }).catch(() => {
          throw new StartError(`Stopped while waiting for migration ${name}, which ${record?.owner} runs.`);
        });
      }
    },
  };
}
