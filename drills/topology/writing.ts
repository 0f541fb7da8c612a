import { setTimeout as pause } from "node:timers/promises";
import type { Deployed } from "../../test/support/deployment.ts";
import type { Stage } from "./stage.ts";
import type { Traffic } from "./traffic.ts";

/** The longest time without a session that came to Redis. */
export interface Gap {
  readonly ms: number;
  /** From the beginning of the fault. */
  readonly endedMs: number;
}

const inARow = 3;
const givenUpMs = 60_000;
/** A server that does not answer so long has nothing. */
const patienceMs = 400;

/** When somebody else took the writes; undefined when nobody did. */
export async function promotion(
  stage: Stage,
  former: Deployed,
  since: number,
  over: AbortSignal,
): Promise<number | undefined> {
  while (!over.aborted) {
    const now = await stage.master().catch(() => former);
    if (now !== former && (await now.info("role").catch(() => "")) === "master") return performance.now() - since;
    await pause(50);
  }
  return undefined;
}

/** Whether any of the servers that answer has the copy. */
async function inRedis(stage: Stage, sid: string): Promise<boolean> {
  const asked = stage.redis.map(async (server) => {
    const answer = server.ask("EXISTS", `session:${sid}`);
    const late = pause(patienceMs, undefined, { ref: false }).then(() => 0);
    if ((await Promise.race([answer, late])) !== 1) throw new Error("not there");
    return true;
  });
  return Promise.any(asked).catch(() => false);
}

/** Writes at one server from the fault on, until some writes in a row came to Redis after `enough`; undefined when none did. */
export async function longestGap(
  stage: Stage,
  traffic: Traffic,
  index: number,
  since: number,
  enough: () => boolean,
): Promise<Gap | undefined> {
  let good = 0;
  let acceptedAt = since;
  let gap: Gap = { ms: 0, endedMs: 0 };
  while (performance.now() - since < givenUpMs) {
    const counts = enough();
    const sid = await traffic.writeAt(index);
    const there = sid !== undefined && (await inRedis(stage, sid));
    const now = performance.now();
    if (there && now - acceptedAt > gap.ms) gap = { ms: now - acceptedAt, endedMs: now - since };
    if (there) acceptedAt = now;
    good = there && counts ? good + 1 : 0;
    if (good >= inARow) return gap;
    await pause(20);
  }
  return undefined;
}
