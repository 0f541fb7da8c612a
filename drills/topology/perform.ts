import type { Finding } from "../../src/kernel/finding.ts";
import { atDesk } from "../../test/support/desk.ts";
import { until } from "../../test/support/until.ts";
import { watchRedis } from "../support/watch.ts";
import type { Fault, Scene } from "./faults.ts";
import { type Hearing, startHearing } from "./hearing.ts";
import { redisIsOut, redisIsUp, shareOfSessions } from "./share.ts";
import type { Stage } from "./stage.ts";
import { type Seen, startTraffic, type Traffic } from "./traffic.ts";
import { type Gap, longestGap, promotion } from "./writing.ts";

export interface Row extends Seen {
  readonly fault: string;
  readonly interrupts: boolean;
  readonly seconds: number;
  /** Until the last server said that Redis is out; undefined when not all did. */
  readonly detectMs: number | undefined;
  /** Until there was another master. */
  readonly promotedMs: number | undefined;
  /** Of the servers that were longest without an accepted write, and longest until they went on; undefined when one did not. */
  readonly gap: Gap | undefined;
  /** Of the reads of sessions afterwards, those that Redis answered. */
  readonly share: number;
}

export interface TopologyReport {
  readonly ok: boolean;
  readonly rows: readonly Row[];
  readonly sessions: number;
  readonly failures: readonly string[];
}

const patience = { timeoutMs: 30_000, everyMs: 50 };

async function perform(stage: Stage, traffic: Traffic, hearing: Hearing, last: Partial<Scene>, fault: Fault) {
  const { name, interrupts, quiet } = fault;
  const failures: string[] = [];
  traffic.look();
  const over = new AbortController();
  const former = await until(() => stage.master(), { ...patience, describe: "a master" });
  if (quiet) await traffic.hold();
  const since = performance.now();
  const watch = watchRedis(stage.servers.map(({ url }) => url));
  // A killed process takes a moment to be gone; the time counts from when it was to go.
  const known: { begun: boolean; promotedMs: number | undefined } = { begun: false, promotedMs: undefined };
  const scene: Scene = Object.assign(last, { master: former });
  const beginning = fault.begin(stage, scene).then(() => {
    known.begun = true;
  });
  const promoting = promotion(stage, former, since, over.signal).then((time) => {
    known.promotedMs = time;
  });
  const passed = () => !interrupts || known.promotedMs !== undefined;
  const afterwards = () => known.begun && passed();
  const course = { afterwards, enough: () => afterwards() && performance.now() - since > 1_000 };
  try {
    if (quiet) {
      await beginning;
      await until(() => redisIsOut(stage.servers), { ...patience, describe: "all servers to miss Redis" });
      traffic.goOn();
    }
    const writing = stage.servers.map((_, index) => longestGap(stage, traffic, index, since, course));
    const acting = traffic.makeChannel(`room ${name} ${Math.round(since)}`).then(() => traffic.logOut());
    const [gaps] = await Promise.all([Promise.all(writing), beginning, acting]);
    if (name === "failover by hand") await stage.settled();
    const share = await shareOfSessions(stage.servers, traffic);
    failures.push(...(await hearing.missed(name)));
    over.abort();
    const [{ detectMs }] = await Promise.all([watch.end(0), promoting]);
    const ended = gaps.filter((gap) => gap !== undefined);
    const most = (of: (gap: Gap) => number) => Math.max(...ended.map(of));
    const gap =
      ended.length < gaps.length ? undefined : { ms: most(({ ms }) => ms), againMs: most(({ againMs }) => againMs) };
    if (!gap) failures.push("writes did not go on at every server");
    if (!passed()) failures.push("no new master was seen");
    const { promotedMs } = known;
    const seconds = (performance.now() - since) / 1_000;
    const row: Row = { ...traffic.look(), fault: name, interrupts, seconds, detectMs, promotedMs, gap, share };
    return { row, failures };
  } finally {
    over.abort();
    await Promise.allSettled([watch.end(0), promoting, beginning]);
  }
}

export interface PerformOptions {
  plan: readonly Fault[];
  people: number;
  rate: number;
  /** Writes must go on within this. */
  mostMs: number;
  say(line: string): void;
}

function judge({ errors, lost, revived, stale, gap }: Row, mostMs: number): string[] {
  const wrongs: [boolean, string][] = [
    [errors > 0, `${errors} requests failed`],
    [lost > 0, `${lost} times a session was lost`],
    [revived > 0, `${revived} times somebody who had logged out was in again`],
    [stale > 0, `${stale} times a list was old`],
    [gap !== undefined && gap.ms > mostMs, `for ${gap?.ms.toFixed(0)} ms no write was accepted`],
  ];
  return wrongs.flatMap(([wrong, words]) => (wrong ? [words] : []));
}

/** Performs the faults one after the other while people use the chat. */
export async function performTopology(stage: Stage, options: PerformOptions): Promise<TopologyReport> {
  const { plan, people, rate, mostMs, say } = options;
  const failures: string[] = [];
  const rows: Row[] = [];
  const scene: Partial<Scene> = {};
  await until(() => redisIsUp(stage.servers), { ...patience, describe: "Redis to be up at all servers" });
  const urls = stage.servers.map(({ url }) => url);
  const traffic = await startTraffic({ urls, people, rate, logins: 0.1, logouts: 0.03 });
  let hearing: Hearing | undefined;
  try {
    hearing = await startHearing(stage, traffic);
    // Sessions that were begun while Redis was not in use yet have their copies from now on.
    await traffic.hold();
    await traffic.audit();
    traffic.goOn();
    for (const fault of plan) {
      const { row, failures: wrong } = await perform(stage, traffic, hearing, scene, fault);
      rows.push(row);
      const { errors, lost, revived, stale, gap, requests, share } = row;
      failures.push(...[...wrong, ...judge(row, mostMs)].map((words) => `${fault.name}: ${words}`));
      say(
        `${fault.name}: ${requests} requests, ${errors} errors, ${lost} lost, ${revived} revived, ${stale} stale, ${gap?.ms.toFixed(0)} ms without a write, ${(100 * share).toFixed(1)} % from Redis afterwards`,
      );
    }
    await traffic.stop();
    traffic.look();
    const sessions = await traffic.audit();
    await traffic.auditFormers();
    const { lost, revived } = traffic.look();
    if (lost + revived > 0) failures.push(`in the end ${lost} sessions were lost and ${revived} revived`);
    if (failures.length > 0) failures.push(...traffic.examples);
    for (const { process, output } of stage.servers)
      if (process.exitCode !== null || process.signalCode !== null)
        failures.push(`a server has ended:\n${output().slice(-2_000)}`);
    const { json } = await atDesk(["doctor", "--json"], stage.env);
    for (const { area, level, says } of json.findings as Finding[])
      if (level === "wrong" && area !== "configuration") failures.push(`sluice doctor, ${area}: ${says}`);
    return { ok: failures.length === 0, rows, sessions, failures };
  } catch (error) {
    for (const { output } of stage.servers) say(output().slice(-3_000));
    throw error;
  } finally {
    hearing?.close();
    await traffic.stop();
    traffic.close();
  }
}
