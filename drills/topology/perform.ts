import { setTimeout as pause } from "node:timers/promises";
import type { Report } from "../../bench/support/report.ts";
import type { Finding } from "../../src/kernel/finding.ts";
import type { Deployed } from "../../test/support/deployment.ts";
import { atDesk } from "../../test/support/desk.ts";
import { until } from "../../test/support/until.ts";
import { between, countReads, shareOfRedis } from "../sessions/reads.ts";
import { faultTable } from "../support/faults.ts";
import { stateAt } from "../support/watch.ts";
import type { Stage } from "./stage.ts";
import { type Seen, startTraffic, type Traffic } from "./traffic.ts";

interface Fault {
  readonly name: string;
  /** Redis takes no writes for a while. */
  readonly interrupts: boolean;
  begin(stage: Stage, scene: Scene): Promise<void>;
}

/** Whom the last fault befell. */
interface Scene {
  victim?: Deployed;
}

interface Row extends Seen {
  readonly fault: string;
  readonly seconds: number;
  /** Until the first and the last server said that Redis is out; undefined when none did. */
  readonly detectedMs: number | undefined;
  /** Until there was another master. */
  readonly promotedMs: number | undefined;
  /** Until a session that was written at each server was in Redis again, and went on to be. */
  readonly resumedMs: number | undefined;
}

export interface TopologyReport {
  readonly ok: boolean;
  readonly rows: readonly Row[];
  readonly sessions: number;
  /** Of the reads of sessions, those that Redis answered while nothing happened. */
  readonly share: number;
  readonly failures: readonly string[];
}

const killed: Fault = {
  name: "master killed",
  interrupts: true,
  async begin(stage, scene) {
    scene.victim = await stage.master();
    await scene.victim.kill();
  },
};
const restored: Fault = {
  name: "it is started again",
  interrupts: false,
  begin: async (_, { victim }) => victim?.start(),
};
const frozen: Fault = {
  name: "master frozen",
  interrupts: true,
  async begin(stage, scene) {
    scene.victim = await stage.master();
    scene.victim.freeze();
  },
};
const thawed: Fault = { name: "it is thawed", interrupts: false, begin: async (_, { victim }) => victim?.thaw() };
const asked: Fault = { name: "failover by hand", interrupts: true, begin: (stage) => stage.failover() };

/** How it is on this machine when nothing happens. */
const calm: Fault = { name: "none", interrupts: false, begin: async () => {} };

export const wholePlan = [calm, killed, restored, frozen, thawed, asked];
export const shortPlan = [calm, killed, restored];

const inARow = 3;

/** When each server has said so that Redis is not up; gives up with the signal. */
async function detection(stage: Stage, since: number, over: AbortSignal): Promise<number | undefined> {
  const each = stage.servers.map(async ({ url }) => {
    while (!over.aborted) {
      if ((await stateAt(url)) !== "up") return performance.now() - since;
      await pause(20);
    }
    return undefined;
  });
  const times = (await Promise.all(each)).filter((time) => time !== undefined);
  return times.length === each.length ? Math.max(...times) : undefined;
}

/** When somebody else took the writes. */
async function promotion(
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
    const late = pause(2_000, undefined, { ref: false }).then(() => 0);
    if ((await Promise.race([answer, late])) !== 1) throw new Error("not there");
    return true;
  });
  return Promise.any(asked).catch(() => false);
}

/** When the first of three writes in a row was in Redis. */
async function resumption(stage: Stage, traffic: Traffic, index: number, since: number): Promise<number> {
  let first = 0;
  let good = 0;
  await until(
    async () => {
      const sid = await traffic.writeAt(index);
      const there = sid !== undefined && (await inRedis(stage, sid));
      if (!there) good = 0;
      else if (good++ === 0) first = performance.now() - since;
      return good >= inARow;
    },
    { timeoutMs: 60_000, everyMs: 20, describe: "sessions in Redis again" },
  );
  return first;
}

async function perform(stage: Stage, traffic: Traffic, scene: Scene, fault: Fault): Promise<Row> {
  traffic.look();
  const over = new AbortController();
  const former = await stage.master();
  const since = performance.now();
  // A killed process takes a moment to be gone; the time counts from when it was to go.
  const begun = fault.begin(stage, scene);
  const detecting = detection(stage, since, over.signal);
  const promoting = promotion(stage, former, since, over.signal);
  await begun;
  // Until the fault is known, the former master is still being written to.
  if (fault.interrupts) await Promise.race([detecting, pause(5_000)]);
  const resuming = await Promise.allSettled(stage.servers.map((_, index) => resumption(stage, traffic, index, since)));
  const late = resuming.find((one) => one.status === "rejected");
  if (late) {
    over.abort();
    throw late.reason;
  }
  const resumed = resuming.map((one) => (one.status === "fulfilled" ? one.value : 0));
  if (fault === restored || fault === thawed || fault === asked) await stage.settled();
  await pause(1_000);
  over.abort();
  const [detectedMs, promotedMs] = await Promise.all([detecting, promoting]);
  const resumedMs = fault.interrupts ? Math.max(...resumed) : undefined;
  const seconds = (performance.now() - since) / 1_000;
  return { ...traffic.look(), fault: fault.name, seconds, detectedMs, promotedMs, resumedMs };
}

export interface PerformOptions {
  plan: readonly Fault[];
  people: number;
  rate: number;
  /** Writes must go on within this. */
  mostMs: number;
  say(line: string): void;
}

/** Performs the faults one after the other while people use the chat. */
export async function performTopology(stage: Stage, options: PerformOptions): Promise<TopologyReport> {
  const { plan, people, rate, mostMs, say } = options;
  const failures: string[] = [];
  const rows: Row[] = [];
  const scene: Scene = {};
  const up = async () => (await Promise.all(stage.servers.map(({ url }) => stateAt(url)))).every((one) => one === "up");
  await until(up, { timeoutMs: 30_000, describe: "Redis to be up at all servers" });
  const urls = stage.servers.map(({ url }) => url);
  const traffic = await startTraffic({ urls, people, rate, logins: 0.1, logouts: 0.03 });
  try {
    // Sessions that were begun while Redis was not in use yet have their copies from now on.
    await traffic.audit();
    let share = 0;
    for (const fault of plan) {
      const counted = await countReads(stage.servers);
      const row = await perform(stage, traffic, scene, fault);
      if (fault === calm) share = shareOfRedis(between(counted, await countReads(stage.servers)));
      rows.push(row);
      const { errors, lost, resumedMs = 0, requests } = row;
      say(
        `${fault.name}: ${requests} requests, ${errors} errors, ${lost} lost, writes again after ${resumedMs.toFixed(0)} ms`,
      );
      if (errors > 0) failures.push(`${fault.name}: ${errors} requests failed`);
      if (resumedMs > mostMs) failures.push(`${fault.name}: writes went on after ${resumedMs.toFixed(0)} ms only`);
    }
    await traffic.stop();
    traffic.look();
    const sessions = await traffic.audit();
    const lost = traffic.look().lost + rows.reduce((sum, row) => sum + row.lost, 0);
    if (lost > 0) failures.push(`${lost} times a session was lost`);
    if (failures.length > 0) failures.push(...traffic.examples);
    for (const { process, output } of stage.servers)
      if (process.exitCode !== null || process.signalCode !== null)
        failures.push(`a server has ended:\n${output().slice(-2_000)}`);
    const { json } = await atDesk(["doctor", "--json"], stage.env);
    for (const { area, level, says } of json.findings as Finding[])
      if (level === "wrong" && area !== "configuration") failures.push(`sluice doctor, ${area}: ${says}`);
    return { ok: failures.length === 0, rows, sessions, share, failures };
  } catch (error) {
    for (const { output } of stage.servers) say(output().slice(-3_000));
    throw error;
  } finally {
    await traffic.stop();
    traffic.close();
  }
}

const ms = (time: number | undefined) => (time === undefined ? "" : `${time.toFixed(0)} ms`);

export function reportOf(name: string, what: string, { rows, sessions, share, failures }: TopologyReport): Report {
  const told = rows.map((row) => ({ ...row, detectMs: row.detectedMs, recoverMs: row.resumedMs }));
  const after = rows.flatMap(({ promotedMs, resumedMs }) =>
    promotedMs === undefined || resumedMs === undefined ? [] : [Math.max(0, resumedMs - promotedMs)],
  );
  return {
    kind: "drill",
    name,
    what: `${what}; ${sessions} sessions looked at one by one in the end`,
    tables: [faultTable(told, [["new master", ({ promotedMs }) => ms(promotedMs)]])],
    figures: [
      { name: "writes again after a new master", value: Math.max(...after), unit: " ms", target: 2_000, atMost: true },
      { name: "lost", value: rows.reduce((sum, { lost }) => sum + lost, 0), unit: "", target: 0, atMost: true },
    ],
    healthy: [{ phase: "nothing happens", share, least: 0.95 }],
    failures,
  };
}
