import type { Report } from "../../bench/support/report.ts";
import { runbook } from "../../test/guard/runbook.ts";
import { withDatabase } from "../../test/support/databases.ts";
import { until } from "../../test/support/until.ts";
import { faultTable } from "../support/faults.ts";
import type { Act, Play, Scene } from "./acts.ts";
import { failed, lookAround } from "./looks.ts";
import type { Stage } from "./stage.ts";
import type { Afterwards } from "./trouble.ts";

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
  /** Commands of the runbook that this machine cannot run, and why. */
  skipped?: readonly string[];
  failure?: string;
}

export interface AlertReport {
  ok: boolean;
  rows: Row[];
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return Math.round(performance.now() - began);
}

/** At first nothing but the dials may be amiss, which nobody has turned yet; later not what is to be caused next. */
async function quiet({ prometheus }: Stage, patienceMs: number, disturbs: (alert: string) => boolean): Promise<void> {
  let last: string[] = [];
  const calm = async () => {
    last = (await prometheus.firing()).filter(disturbs);
    return last.length === 0;
  };
  await until(calm, { timeoutMs: patienceMs, everyMs: 100, describe: () => `quiet; still firing: ${last}` });
}

/** The commands of the alert's paragraph, as they stand there: what looks, then what ends it. */
async function byTheBook(stage: Stage, alert: string): Promise<string[]> {
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
  const { alert, name } = scene;
  const row: Row = { alert, name };
  const wait = { timeoutMs: patienceMs, everyMs: 100 };
  let afterwards: Afterwards | undefined;
  try {
    await quiet(stage, patienceMs, (one) => one === alert && alert !== "DialDiffers");
    // What the trouble before it has left must not be taken for its naming.
    const pages = async () => Promise.all(stage.servers.flatMap((one) => [stage.health(one), stage.console(one)]));
    const told = async () => (await pages()).some((page) => scene.named?.test(page) || scene.shown?.test(page));
    if (alert !== "DialDiffers") await until(async () => !(await told()), { ...wait, describe: `${name} to be over` });
    afterwards = await scene.cause();
    const says = (look: (server: Stage["servers"][number]) => Promise<string>, words: RegExp) =>
      timed(() =>
        until(async () => (await Promise.all(stage.servers.map(look))).some((page) => words.test(page)), {
          ...wait,
          describe: `health page and console to name: ${name}`,
        }),
      );
    const { named, shown } = scene;
    const saying = [named && says(stage.health, named), shown && says(stage.console, shown)];
    const [namedMs, shownMs] = await Promise.all(saying);
    Object.assign(row, { ...(named && { namedMs }), ...(shown && { shownMs }) });
    const fires = async () => (await stage.prometheus.firing()).includes(alert);
    row.firedMs = await timed(() => until(fires, { ...wait, describe: `${alert} to fire` }));
    row.skipped = await byTheBook(stage, alert);
    const over = async () => !(await fires());
    row.endedMs = await timed(() =>
      until(over, { ...wait, describe: `${alert} to end by the commands of the runbook` }),
    );
    for (const [where, ms = 0] of [["the health page", row.namedMs] as const, ["the console", row.shownMs] as const])
      if (ms > namedWithinMs) row.failure = `${where} named it after ${ms} ms only`;
  } catch (error) {
    row.failure = error instanceof Error ? error.message : String(error);
  }
  await afterwards?.();
  return row;
}

async function perform(act: Act, options: AlertDrillOptions): Promise<Row[]> {
  const { mongoUrl, short, patienceMs, say } = options;
  const { pathname } = new URL(mongoUrl);
  const { stage, scenes } = await act.begin(withDatabase(mongoUrl, `${pathname.slice(1)}-${act.name}`), short);
  const rows: Row[] = [];
  try {
    await quiet(stage, patienceMs, (alert) => alert !== "DialDiffers");
    for (const scene of scenes) {
      const row = await play(stage, scene, options);
      const { alert, name, namedMs, shownMs, firedMs, endedMs, skipped = [], failure = "" } = row;
      for (const line of skipped) say(`not run here: ${line}`);
      say(`${alert}, ${name}: named ${namedMs} and ${shownMs}, fired ${firedMs}, ended ${endedMs} ms ${failure}`);
      rows.push(row);
      if (failure) break;
    }
  } finally {
    await stage.close();
  }
  return rows;
}

/** Causes each trouble, waits for its alert, and ends it with the commands of the runbook. */
export async function performAlertDrill(options: AlertDrillOptions): Promise<AlertReport> {
  const { short, only } = options;
  const chosen = (act: Act) => act.count(short) > 0 && (!only || only === act.name);
  const groups = options.play.map((acts) => acts.filter(chosen));
  const rows: Row[] = [];
  for (const group of groups) {
    // Each ends what it has begun, whatever becomes of the others.
    const ended = await Promise.allSettled(group.map((act) => perform(act, options)));
    for (const one of ended) {
      if (one.status === "rejected") throw one.reason;
      rows.push(...one.value);
    }
  }
  const all = groups.flat().reduce((sum, act) => sum + act.count(short), 0);
  return { ok: rows.length === all && rows.every(({ failure }) => !failure), rows };
}

export function reportOf(name: string, { ok, rows }: AlertReport): Report {
  const told = rows.map((row) => ({ ...row, fault: row.name, detectMs: row.firedMs, recoverMs: row.endedMs }));
  const failures = rows.flatMap(({ name, failure }) => (failure ? [`${name}: ${failure}`] : []));
  return {
    kind: "drill",
    name,
    what: "faults, the alerts that tell of them (a minute of theirs is a second here), and the commands of the runbook that end them",
    tables: [
      faultTable(told, [
        ["alert", ({ alert }) => alert],
        ["named by the health page", ({ namedMs }) => (namedMs === undefined ? "" : `${namedMs} ms`)],
      ]),
    ],
    figures: [
      { name: "alerts that fired and ended", value: rows.length - failures.length, unit: "", target: rows.length },
    ],
    healthy: [],
    failures: ok || failures.length > 0 ? failures : ["not every trouble was caused"],
  };
}
