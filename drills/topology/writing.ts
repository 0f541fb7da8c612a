import { setTimeout as pause } from "node:timers/promises";
import type { Deployed } from "../../test/support/deployment.ts";
import type { Stage } from "./stage.ts";
import type { Traffic } from "./traffic.ts";

/** How one server's writes went on. */
export interface Gap {
  /** The longest time without a session that came to Redis. */
  readonly ms: number;
  /** From the beginning of the fault until writes came to Redis again, and went on to. */
  readonly againMs: number;
}

const inARow = 3;
/** A server whose writes do not go on within this has stopped writing. */
export const givenUpMs = 60_000;
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
    if (await stage.master(former).catch(() => undefined)) return performance.now() - since;
    await pause(20);
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

interface Course {
  /** The fault has had its effect: a write that is begun now is one of afterwards. */
  afterwards(): boolean;
  /** There has been time enough to see what comes of it. */
  enough(): boolean;
}

/** Writes at one server from the fault on, until some writes of afterwards in a row came to Redis; undefined when none did. */
export async function longestGap(
  stage: Stage,
  traffic: Traffic,
  index: number,
  since: number,
  { afterwards, enough }: Course,
): Promise<Gap | undefined> {
  let good = 0;
  let acceptedAt = since;
  let longest = 0;
  let again: number | undefined;
  while (performance.now() - since < givenUpMs) {
    const [late, counts] = [afterwards(), enough()];
    const sid = await traffic.writeAt(index);
    const there = sid !== undefined && (await inRedis(stage, sid));
    const now = performance.now();
    if (there) longest = Math.max(longest, now - acceptedAt);
    if (there) acceptedAt = now;
    again = there && late ? (again ?? now) : undefined;
    good = there && counts ? good + 1 : 0;
    if (again !== undefined && good >= inARow) return { ms: longest, againMs: again - since };
    await pause(20);
  }
  return undefined;
}
