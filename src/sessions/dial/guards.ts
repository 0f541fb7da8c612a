import { setTimeout as pause } from "node:timers/promises";
import type { Db } from "mongodb";
import { type InstanceReport, liveInstances } from "../../mongo/instances.ts";
import type { RedisHealth } from "../../redis/types.ts";
import type { Toolbox } from "../tools/toolbox.ts";
import { type Verified, verifySessions } from "../tools/verify.ts";

/** From which share of the sessions to which. */
export interface Step {
  readonly from: number;
  readonly to: number;
}

/** What was looked at before a step up, and whether it stands in the way. */
export interface Check {
  readonly name: "redis" | "stream" | "memory" | "ttl" | "verify";
  readonly ok: boolean;
  readonly says: string;
}

export type CheckStep = (step: Step) => Promise<Check[]>;

export interface GuardOptions {
  db: Db;
  box: Toolbox;
  /** How many sessions are compared. */
  sample?: number;
  settleMs?: number;
  /** Redis may be so full after the step. */
  mostMemory?: number;
  /** A server that was busy for a moment is given so long to be well again. */
  graceMs?: number;
}

const mebibytes = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MiB`;
const listed = (reports: InstanceReport[]) => reports.map(({ serverId }) => serverId).join(", ");

function redisCheck(health: RedisHealth, instances: InstanceReport[]): Check {
  const without = instances.filter(({ redis }) => redis !== "up");
  if (health.state !== "up") return { name: "redis", ok: false, says: `Redis is ${health.state}: ${health.reason}` };
  if (without.length > 0) return { name: "redis", ok: false, says: `Redis is not up for ${listed(without)}` };
  return { name: "redis", ok: true, says: "Redis is up for every instance" };
}

function streamCheck(instances: InstanceReport[]): Check {
  const behind = instances.filter(({ streamLive }) => !streamLive);
  if (behind.length > 0) return { name: "stream", ok: false, says: `No live change stream at ${listed(behind)}` };
  return { name: "stream", ok: true, says: "Every instance follows the changes in MongoDB" };
}

function ttlCheck(instances: InstanceReport[], { findings }: Verified): Check {
  const lives = [...new Set(instances.map(({ ttlSeconds }) => ttlSeconds))];
  const says = `Instances differ in TTL_SESSIONS: ${lives.join(", ")} seconds`;
  if (lives.length > 1) return { name: "ttl", ok: false, says };
  if (findings.ends > 0)
    return { name: "ttl", ok: false, says: `${findings.ends} copies live longer or shorter than their sessions` };
  return { name: "ttl", ok: true, says: "Sessions live equally long in both" };
}

function verifyCheck({ clean, findings, sessions }: Verified): Check {
  const { differing, orphaned } = findings;
  if (clean || differing + orphaned === 0)
    return { name: "verify", ok: true, says: `No wrong copy among ${sessions} sessions looked at` };
  return { name: "verify", ok: false, says: `${differing} copies differ and ${orphaned} are of no session` };
}

/** Bytes that the copies of the sessions which come into the bucket will take, by the size of those that are there. */
async function needed(box: Toolbox, { from, to }: Step): Promise<number> {
  const count = await box.sessions.estimatedDocumentCount();
  const [size] = await box.sessions
    .aggregate<{ mean: number }>([{ $limit: 100 }, { $group: { _id: null, mean: { $avg: { $bsonSize: "$$ROOT" } } } }])
    .toArray();
  // What Redis spends on a key beside its text.
  const overhead = 200;
  return (count * (to - from) * ((size?.mean ?? 0) + overhead)) / 100;
}

async function memoryCheck(box: Toolbox, health: RedisHealth, step: Step, most: number): Promise<Check> {
  const { memory } = health;
  if (!memory) return { name: "memory", ok: true, says: "Redis does not tell its memory" };
  const { used, max, policy } = memory;
  // The mark by which servers know their data has no end of its own: where it may go, every copy goes with it.
  if (policy.startsWith("allkeys"))
    return {
      name: "memory",
      ok: false,
      says: `maxmemory-policy is ${policy}: set noeviction or volatile-ttl, so that only what has an end is evicted`,
    };
  if (max === 0) return { name: "memory", ok: true, says: `Redis uses ${mebibytes(used)}, without a limit` };
  const after = used + (await needed(box, step));
  const says = `Redis would use ${mebibytes(after)} of ${mebibytes(max)}`;
  return { name: "memory", ok: after <= max * most, says };
}

const lookAgainMs = 100;

/** Everything that must be in order before Redis answers for more sessions. */
export function createGuards(options: GuardOptions): CheckStep {
  const { db, box, sample = 500, settleMs, mostMemory = 0.8, graceMs = 2_000 } = options;

  async function servers(): Promise<{ instances: InstanceReport[]; health: RedisHealth; checks: Check[] }> {
    const until = performance.now() + graceMs;
    for (;;) {
      const [instances, health] = await Promise.all([liveInstances(db), box.door.health()]);
      const checks = [redisCheck(health, instances), streamCheck(instances)];
      const final = checks.every(({ ok }) => ok) || health.state === "disabled";
      if (final || performance.now() > until) return { instances, health, checks };
      await pause(lookAgainMs);
    }
  }

  return async (step) => {
    const { instances, health, checks } = await servers();
    if (health.state !== "up") return checks;
    const looking = { sample, rate: 20_000, ...(settleMs === undefined ? {} : { settleMs }) };
    const verified = await verifySessions(box, looking);
    const memory = await memoryCheck(box, health, step, mostMemory);
    return [...checks, memory, ttlCheck(instances, verified), verifyCheck(verified)];
  };
}
