import { ms, type Report } from "../../bench/support/report.ts";
import { runbook } from "../../test/guard/runbook.ts";
import { withDatabase } from "../../test/support/databases.ts";
import { until } from "../../test/support/until.ts";
import { faultTable } from "../support/faults.ts";
import type { Act, Play, Scene } from "./acts.ts";
import { failed, lookAround, type Skipped } from "./looks.ts";
import type { Stage } from "./stage.ts";
import type { Afterwards } from "./trouble.ts";
import { shareOfCaches } from "./visits.ts";

export interface AlertDrillOptions {
  mongoUrl: string;
  play: Play;
  short: boolean;
  /** One act alone, by its name. */
  only?: string;
  /** Health page and console must name the trouble within this. */
  namedWithinMs: number;
  /** Everything else may take so long; a drill on a busy machine is slow, not wrong. */
  patienceMs: number;
  say(line: string): void;
}

interface Row {
  alert: string;
  name: string;
  /** How long after the fault health page and console named it, the alert fired, and after the runbook's commands it ended. */
  namedMs?: number;
  shownMs?: number;
  firedMs?: number;
  endedMs?: number;
  skipped?: readonly Skipped[];
  failure?: string;
}

/** What was read before the first trouble of an act, and how much of that did not come from MongoDB. */
interface Calm {
  act: string;
  share: number;
}

export interface AlertReport {
  ok: boolean;
  rows: Row[];
  calms: Calm[];
}

/** At first nothing but what is there from the beginning may be amiss; later not what is to be caused next. */
async function quiet({ prometheus }: Stage, patienceMs: number, disturbs: (alert: string) => boolean): Promise<void> {
  let last: string[] = [];
  const calm = async () => {
    last = (await prometheus.firing()).filter(disturbs);
    return last.length === 0;
  };
  await until(calm, { timeoutMs: patienceMs, everyMs: 100, describe: () => `quiet; still firing: ${last}` });
}

/** The commands of the alert's paragraph, as they stand there: what looks, then what ends it. */
async function byTheBook(stage: Stage, alert: string): Promise<Skipped[]> {
  const paragraph = runbook().find((one) => one.alert === alert);
  if (!paragraph || paragraph.end.length === 0) throw new Error(`the runbook has no commands that end ${alert}`);
  const skipped = await lookAround(alert, paragraph.look, stage.shell);
  for (const line of paragraph.end) {
    const end = await stage.shell(line);
    if (failed(end)) throw new Error(`${line} ended with ${end.code}: ${end.output}`);
  }
  return skipped;
}

async function play(stage: Stage, scene: Scene, { namedWithinMs, patienceMs }: AlertDrillOptions): Promise<Row> {
  const { alert, name, named, shown, inherent = false } = scene;
  const row: Row = { alert, name };
  const wait = { timeoutMs: patienceMs, everyMs: 100 };
  let afterwards: Afterwards | undefined;
  try {
    await quiet(stage, patienceMs, (one) => one === alert && !inherent);
    // What the trouble before it has left must not be taken for its naming.
    const pages = async () => Promise.all(stage.servers.flatMap((one) => [stage.health(one), stage.console(one)]));
    const visible = async () => (await pages()).some((page) => named?.test(page) || shown?.test(page));
    if (!inherent) await until(async () => !(await visible()), { ...wait, describe: `${name} to be over` });
    afterwards = await scene.cause();
    const since = performance.now();
    const after = () => Math.round(performance.now() - since);
    const says = (look: (server: Stage["servers"][number]) => Promise<string>, words: RegExp) =>
      until(async () => (await Promise.all(stage.servers.map(look))).some((page) => words.test(page)), {
        ...wait,
        describe: `health page and console to name: ${name}`,
      }).then(after);
    const fires = async () => (await stage.prometheus.firing()).includes(alert);
    const firing = until(fires, { ...wait, describe: `${alert} to fire` }).then(after);
    const told = [named && says(stage.health, named), shown && says(stage.console, shown), firing];
    // Nobody goes on asking a stage that is taken down.
    await Promise.allSettled(told);
    const [namedMs, shownMs, firedMs] = await Promise.all(told);
    if (!inherent) Object.assign(row, { namedMs, shownMs, firedMs });
    row.skipped = await byTheBook(stage, alert);
    const over = async () => !(await fires());
    const done = performance.now();
    await until(over, { ...wait, describe: `${alert} to end by the commands of the runbook` });
    row.endedMs = Math.round(performance.now() - done);
    for (const [where, ms = 0] of [["the health page", row.namedMs] as const, ["the console", row.shownMs] as const])
      if (ms > namedWithinMs) row.failure = `${where} named it after ${ms} ms only`;
  } catch (error) {
    row.failure = error instanceof Error ? error.message : String(error);
  }
  await afterwards?.();
  return row;
}

async function perform(act: Act, options: AlertDrillOptions): Promise<{ rows: Row[]; calm: Calm }> {
  const { mongoUrl, short, patienceMs, say } = options;
  const { pathname } = new URL(mongoUrl);
  const { stage, scenes } = await act.begin(withDatabase(mongoUrl, `${pathname.slice(1)}-${act.name}`), short);
  const rows: Row[] = [];
  try {
    const known = scenes.filter(({ inherent }) => inherent).map(({ alert }) => alert);
    await quiet(stage, patienceMs, (alert) => !known.includes(alert));
    const calm = { act: act.name, share: await shareOfCaches(stage, patienceMs) };
    for (const scene of scenes) {
      const row = await play(stage, scene, options);
      const { alert, name, namedMs, shownMs, firedMs, endedMs, skipped = [], failure = "" } = row;
      for (const { line, why } of skipped) say(`not run here: ${line}: ${why}`);
      say(`${alert}, ${name}: named ${namedMs} and ${shownMs}, fired ${firedMs}, ended ${endedMs} ms ${failure}`);
      rows.push(row);
      if (failure) break;
    }
    return { rows, calm };
  } finally {
    await stage.close();
  }
}

/** Causes each trouble, waits for its alert, and ends it with the commands of the runbook. */
export async function performAlertDrill(options: AlertDrillOptions): Promise<AlertReport> {
  const { short, only } = options;
  const chosen = (act: Act) => act.count(short) > 0 && (!only || only === act.name);
  const groups = options.play.map((acts) => acts.filter(chosen));
  const rows: Row[] = [];
  const calms: Calm[] = [];
  for (const group of groups) {
    // Each ends what it has begun, whatever becomes of the others.
    const ended = await Promise.allSettled(group.map((act) => perform(act, options)));
    for (const one of ended) {
      if (one.status === "rejected") throw one.reason;
      rows.push(...one.value.rows);
      calms.push(one.value.calm);
    }
  }
  const all = groups.flat().reduce((sum, act) => sum + act.count(short), 0);
  return { ok: rows.length === all && rows.every(({ failure }) => !failure), rows, calms };
}

export function reportOf(name: string, { ok, rows, calms }: AlertReport): Report {
  const told = rows.map((row) => ({ ...row, fault: row.name, detectMs: row.firedMs, recoverMs: row.endedMs }));
  const skipped = rows.flatMap(({ alert, skipped = [] }) => skipped.map(({ line, why }) => [alert, line, why]));
  const failures = rows.flatMap(({ name, failure }) => (failure ? [`${name}: ${failure}`] : []));
  return {
    kind: "drill",
    name,
    what: "faults, the alerts that tell of them (a minute of theirs is a second here), and the commands of the runbook that end them",
    tables: [
      faultTable(told, [
        ["alert", ({ alert }) => alert],
        ["named by the health page", ({ namedMs }) => ms(namedMs)],
        ["shown by the console", ({ shownMs }) => ms(shownMs)],
      ]),
      ...(skipped.length > 0
        ? [{ title: "not run on this machine", head: ["alert", "command", "why"], rows: skipped }]
        : []),
    ],
    figures: [
      { name: "alerts that fired and ended", value: rows.length - failures.length, unit: "", target: rows.length },
    ],
    healthy: calms.map(({ act, share }) => ({ phase: `well, before the act of ${act}`, share, least: 0.95 })),
    failures: ok || failures.length > 0 ? failures : ["not every trouble was caused"],
  };
}
