import { setTimeout as pause } from "node:timers/promises";
import type { Log } from "../../src/kernel/log.ts";
import { until } from "../../test/support/until.ts";
import type { FaultRow } from "../support/faults.ts";
import { watchRedis } from "../support/watch.ts";
import { createClient } from "./client.ts";
import { mint } from "./people.ts";
import type { Healthy, Phase } from "./plan.ts";
import { between, countReads, inBucket, type Reads, shareOfRedis } from "./reads.ts";
import { type Stage, setStage } from "./stage.ts";
import { createTally, faults, type Tally } from "./tally.ts";
import { startTraffic, type Traffic } from "./traffic.ts";

/**
 * The judge asks for ended sessions all the time, which must not be taken for logouts; and a machine that is busy with
 * something else is no reason to turn the dial.
 */
export const drillEnvironment = {
  SESSION_STEP_DOWN_MISSING: "100",
  SESSION_STEP_DOWN_LATENCY: "2s",
  INSTANCE_REPORT: "250ms",
};

export interface DrillOptions {
  mongoUrl: string;
  plan: readonly Phase[];
  sessions: number;
  /** Requests a second. */
  rate: number;
  /** What an old server did must be true on the new ones after so long. */
  graceMs: number;
  /** How many times as much is written and ended as people usually do. */
  eventful?: number;
  /** Of the reads in the bucket that Redis must answer in a healthy phase. */
  leastFromRedis: number;
  /**
   * How often a healthy phase is looked at again when it was not: a machine that gives the servers no time makes them
   * ask MongoDB, as they should. Default 0.
   */
  looksAgain?: number;
  /** For the servers. */
  env?: Record<string, string>;
  log: Log;
  say(line: string): void;
}

interface PhaseReport extends FaultRow {
  readonly percent: number;
  /** Anything that was not to be expected. */
  readonly faults: number;
  /** How often a healthy phase was looked at and was not well. */
  readonly unwell?: number;
  /** Of a healthy phase. */
  readonly reads?: Reads & { share: number };
}

export interface DrillReport {
  readonly ok: boolean;
  readonly phases: readonly PhaseReport[];
  readonly tally: Tally;
  readonly sessions: number;
  /** How many were looked at in the end, one by one. */
  readonly audited: number;
  /** Of the bucket's reads, those that Redis must answer in a healthy phase. */
  readonly leastFromRedis: number;
  /** Why it failed. */
  readonly failures: readonly string[];
  readonly seconds: number;
}

const rechecked = 150;
// A share of fewer reads says nothing.
const fewestReads = 50;
const fewestInBucket = 20;
const why = ["--reason", "a drill", "--who", "drill"];

/** All servers agree, and read the bucket from Redis as far as they have one. */
async function settled({ sluice }: Stage): Promise<void> {
  let seen: unknown;
  const well = async () => {
    const { json } = await sluice("status");
    seen = json;
    return json.converged && json.instances.length === 3 && json.instances.every(isWell);
  };
  await until(well, {
    timeoutMs: 30_000,
    everyMs: 100,
    describe: () => `the servers to be well: ${JSON.stringify(seen)}`,
  });
}

const isWell = ({ reading, streamLive }: { reading: string; streamLive: boolean }) => reading === "redis" && streamLive;

async function turn({ sluice }: Stage, percent: number, force: boolean): Promise<void> {
  const done = await sluice("dial", "set", String(percent), ...why, ...(force ? ["--force"] : []));
  if (done.code !== 0) throw new Error(`the dial was refused: ${done.aside || JSON.stringify(done.json)}`);
  if (done.json.changed && done.json.follow !== 3) throw new Error(`only ${done.json.follow} servers follow the dial`);
}

export async function performDrill(options: DrillOptions): Promise<DrillReport> {
  const { mongoUrl, plan, sessions, rate, graceMs, eventful = 1, leastFromRedis } = options;
  const { looksAgain = 0, env = {}, log, say } = options;
  const begun = performance.now();
  const seconds = (since: number) => (performance.now() - since) / 1_000;
  const tally = createTally();
  const failures: string[] = [];
  const phases: PhaseReport[] = [];
  const faultsSoFar = () => faults.reduce((sum, fault) => sum + tally[fault], 0);
  const stage = await setStage(mongoUrl, env);
  const client = createClient();
  let traffic: Traffic | undefined;

  let restore: (() => Promise<void>) | undefined;

  async function look(length: number, percent: number): Promise<Reads> {
    await settled(stage);
    const before = await countReads(stage.servers);
    await pause(length * 1_000);
    return until(
      async () => {
        const reads = between(before, await countReads(stage.servers));
        const enough = reads.found >= fewestReads && (percent === 0 || inBucket(reads) >= fewestInBucket);
        return enough ? reads : undefined;
      },
      {
        timeoutMs: 60_000,
        everyMs: 250,
        describe: `${fewestReads} reads of sessions, ${fewestInBucket} of them in the bucket of ${percent} %`,
      },
    );
  }

  async function healthy({ percent, seconds: length, remember }: Healthy): Promise<{ reads: Reads; unwell: number }> {
    await turn(stage, percent, false);
    await settled(stage);
    const filled = await stage.sluice("sessions", "backfill", "--rate", "4000", ...why);
    if (filled.code !== 0) throw new Error(`the backfill failed: ${filled.aside || JSON.stringify(filled.json)}`);
    if (remember) restore = await stage.redis.snapshot();
    const isShort = (reads: Reads) => percent > 0 && shareOfRedis(reads) < leastFromRedis;
    let reads = await look(length, percent);
    let unwell = 0;
    while (isShort(reads)) {
      unwell += 1;
      if (unwell > looksAgain) break;
      reads = await look(length, percent);
    }
    return { reads, unwell };
  }

  async function perform(phase: Phase): Promise<void> {
    const [since, known, before] = [performance.now(), faultsSoFar(), { ...tally }];
    tally.slowestMs = 0;
    const close = (name: string, reads: Reads | undefined, more: Partial<PhaseReport> = {}) => {
      const percent = phase.kind === "fault" ? phase.to : phase.percent;
      const row = {
        fault: name,
        percent,
        seconds: seconds(since),
        requests: tally.requests - before.requests,
        errors: tally.failed - before.failed,
        slowestMs: tally.slowestMs,
        lost: tally.lost - before.lost + tally.loggedOut - before.loggedOut,
        revived: tally.revived - before.revived,
        faults: faultsSoFar() - known,
      };
      const share = reads ? { reads: { ...reads, share: shareOfRedis(reads) } } : {};
      phases.push({ ...row, ...share, ...more });
      const redis =
        reads && percent > 0 ? `, ${(shareOfRedis(reads) * 100).toFixed(1)} % of the bucket from Redis` : "";
      say(`${name}, ${percent} %: ${row.requests} requests, ${row.faults} faults${redis}`);
    };
    if (phase.kind === "fault") {
      const turnIt = () => turn(stage, phase.to, true);
      const watch = watchRedis(stage.servers.map(({ url }) => url));
      const acted = { redis: stage.redis, turn: turnIt, restore: async () => restore?.(), mended: watch.mended };
      await phase.act(acted);
      const watched = await watch.end(30_000);
      await settled(stage);
      await pause(graceMs);
      await traffic?.recheck(rechecked);
      return close(`Redis: ${phase.name}`, undefined, { interrupts: phase.interrupts, ...watched });
    }
    if (phase.kind === "restart") {
      // What is under way at that server comes to its end first.
      await stage.restart(phase.index, graceMs * 2);
      await settled(stage);
      await traffic?.recheck(rechecked);
      return close(`server ${phase.index + 1} restarted`, undefined);
    }
    const { reads, unwell } = await healthy(phase);
    close("healthy", reads, { unwell });
    const share = shareOfRedis(reads);
    const bucket = inBucket(reads);
    if (phase.percent > 0 && share < leastFromRedis)
      failures.push(
        `only ${(share * 100).toFixed(1)} % of the bucket's ${bucket} reads at ${phase.percent} % were answered by Redis (the others: ${JSON.stringify(reads.why)})`,
      );
    const percentInBucket = (bucket / reads.found) * 100;
    // Of few reads, more of either kind are a matter of chance.
    if (Math.abs(percentInBucket - phase.percent) > Math.max(15, 200 / Math.sqrt(reads.found)))
      failures.push(`${percentInBucket.toFixed(1)} % of the sessions read were in the bucket of ${phase.percent} %`);
  }

  try {
    say(`3 servers, an old one and a Redis run (${seconds(begun).toFixed(1)} s)`);
    const people = await mint(sessions, stage.urls, stage.secrets, log);
    say(`${people.length} sessions are there (${seconds(begun).toFixed(1)} s)`);
    traffic = startTraffic({ stage, people, client, tally, rate, graceMs, eventful, random: Math.random });
    for (const phase of plan) await perform(phase);
    await traffic.stop();
    const audited = await traffic.audit();
    say(`${audited} sessions were looked at one by one`);
    for (const fault of faults) if (tally[fault] > 0) failures.push(`${fault}: ${tally[fault]}`);
    const { json } = await stage.sluice("history", "--limit", "1000");
    for (const line of json as { who: string; why: string }[])
      if (line.who !== "drill") failures.push(`the dial was turned by ${line.who}: ${line.why}`);
    for (const { process, output } of stage.servers)
      if (process.exitCode !== null) failures.push(`a server has ended:\n${output().slice(-2_000)}`);
    const result = {
      phases,
      tally,
      sessions: people.length,
      audited,
      leastFromRedis,
      failures,
      seconds: seconds(begun),
    };
    return { ok: failures.length === 0, ...result };
  } catch (error) {
    for (const { output } of stage.servers) log.error({}, output().slice(-3_000));
    throw error;
  } finally {
    await traffic?.stop();
    client.close();
    await stage.close();
  }
}
