import { randomBytes } from "node:crypto";
import type { Collection, Db } from "mongodb";
import type { Log } from "../kernel/log.ts";
import { within } from "./bounded.ts";
import type { SessionMode } from "./settings-types.ts";

/** What an instance has counted since it started. */
export interface Figures {
  readonly cacheReads: number;
  readonly cacheHits: number;
  /** Reads that Redis answered, and how long they took together; those of MongoDB likewise. */
  readonly redisReads: number;
  readonly redisSeconds: number;
  readonly mongoReads: number;
  readonly mongoSeconds: number;
  /** Reads that MongoDB was spared. */
  readonly saved: number;
  /** Commands that MongoDB was sent all the same. */
  readonly queries: number;
  /** Sessions that MongoDB answered although the dial says Redis. */
  readonly fallbacks: number;
  /** Well signed cookies that found no session. */
  readonly missing: number;
  /** Calls to which Redis gave no answer that may be used. */
  readonly errors: number;
  readonly caches: Readonly<Record<string, { readonly reads: number; readonly hits: number }>>;
}

/** Where an instance stands, as it sees itself. */
export interface InstanceState {
  readonly serverId: string;
  /** The release that runs. */
  readonly version: string;
  /** Of the settings that it goes by. */
  readonly revision: number;
  readonly mode: SessionMode;
  readonly percent: number;
  readonly epoch: number;
  readonly redis: string;
  /** Where it reads the bucket's sessions from now, and why. */
  readonly reading: "redis" | "mongo";
  readonly reason: string;
  readonly streamLive: boolean;
  /** null before it has followed the changes for the first time. */
  readonly streamLagMs: number | null;
  readonly ttlSeconds: number;
  readonly figures?: Figures;
  /** What is not as it should be, in words. */
  readonly amiss?: readonly string[];
}

export interface InstanceReport extends InstanceState {
  readonly at: Date;
}

type ReportDocument = InstanceState & { _id: string; at?: Date; everyMs: number };

export interface Reporter {
  /** Something has changed: tells it now, or as soon as the report before it is through. */
  changed(): void;
  /** Takes the report away: the instance is gone. */
  close(): Promise<void>;
}

export interface ReporterOptions {
  db: Db;
  state: () => InstanceState;
  everyMs?: number;
  log: Log;
}

// An instance that has missed so many reports is gone.
const missed = 5;
const readDeadlineMs = 2_000;

function reports(db: Db): Collection<ReportDocument> {
  return db.collection<ReportDocument>("sluice_instances");
}

/** Tells all others where this instance stands, until closed; the time is MongoDB's, so that no clock need be right. */
export function reportInstance({ db, state, everyMs = 1_000, log }: ReporterOptions): Reporter {
  const collection = reports(db);
  // Two processes that were given the same name by mistake are seen to be two.
  const run = randomBytes(6).toString("hex");
  let writing: Promise<void> | undefined;
  let again = false;
  let failing = false;
  let closed = false;

  async function write(): Promise<void> {
    const update = { $set: { ...state(), everyMs }, $currentDate: { at: true } } as const;
    try {
      await within(readDeadlineMs, collection.updateOne({ _id: run }, update, { upsert: true }));
      if (failing) log.info({}, "The report of this instance can be written again");
      failing = false;
    } catch (error) {
      if (!failing && !closed)
        log.warn({ err: error }, "The report of this instance cannot be written; status does not show it until it can");
      failing = true;
    }
  }

  function begin(): void {
    if (closed) return;
    if (writing) {
      again = true;
      return;
    }
    writing = write().finally(() => {
      writing = undefined;
      if (!again) return;
      again = false;
      begin();
    });
  }

  const timer = setInterval(begin, everyMs);
  timer.unref();
  begin();
  return {
    changed: begin,
    async close() {
      closed = true;
      clearInterval(timer);
      await writing;
      await within(500, collection.deleteOne({ _id: run })).catch(() => undefined);
    },
  };
}

/** The instances that have reported lately, by name. */
export async function liveInstances(db: Db): Promise<InstanceReport[]> {
  const silent = { $subtract: ["$$NOW", "$at"] };
  const lately = { $lte: [silent, { $max: [{ $multiply: ["$everyMs", missed] }, 250] }] };
  const found = await reports(db)
    .aggregate<InstanceReport>([
      { $match: { $expr: lately } },
      { $sort: { serverId: 1, _id: 1 } },
      { $unset: ["_id", "everyMs"] },
    ])
    .toArray();
  return found;
}
