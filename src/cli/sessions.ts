import { Command } from "commander";
import { integer } from "../config/kinds.ts";
import { StartError, UnavailableError } from "../kernel/errors.ts";
import { liveInstances } from "../mongo/instances.ts";
import { silenceOf } from "../redis/silence.ts";
import { type Backfilled, backfillSessions } from "../sessions/tools/backfill.ts";
import { endMissing } from "../sessions/tools/end-missing.ts";
import { type Imported, importSessions } from "../sessions/tools/import.ts";
import { known } from "../sessions/tools/known.ts";
import type { Toolbox } from "../sessions/tools/toolbox.ts";
import { type Verified, verifySessions } from "../sessions/tools/verify.ts";
import { type ActOptions, acting, byOf } from "./changes.ts";
import { answer, as, type Desk, table } from "./desk.ts";
import { type House, inHouse } from "./house.ts";
import { createProgressLine, type ProgressLine } from "./progress.ts";

interface ToolFlags extends ActOptions {
  rate: number;
}

const paced = (command: Command, rate: number): Command =>
  command.option("--rate <count>", "sessions a second at most", as(integer(1, 1_000_000)), rate);

async function showing<T>(desk: Desk, what: string, work: (line: ProgressLine) => Promise<T>): Promise<T> {
  const line = createProgressLine(desk, what);
  desk.stepBack?.();
  try {
    return await work(line);
  } finally {
    line.end();
  }
}

/** Patience is for an outage meanwhile; of a Redis that is out from the beginning they hear at once. */
async function boxOf(house: House): Promise<Toolbox> {
  const { box } = await house.redis();
  if (box.door.state === "down") throw new UnavailableError(await silenceOf(box.door));
  return box;
}

const counted = (rows: [string, number, string][], always: number) =>
  table(rows.filter(([, n], at) => at < always || n > 0).map(([name, n, about]) => [`  ${name}`, String(n), about]));

function backfilled(done: Backfilled, dryRun: boolean): string[] {
  if (dryRun) return [`${done.sessions} sessions would be copied.`];
  const stopped = done.stopped ? "Stopped; run it again to go on. " : "";
  const resumed = done.resumedAt > 0 ? `, going on after ${done.resumedAt}` : "";
  return [
    `${stopped}${done.sessions} sessions${resumed}`,
    ...counted(
      [
        ["copied", done.copied, ""],
        ["outrun", done.outrun, "read or written at that moment; the next read copies them"],
        ["foreign", done.foreign, "written by a stock connect-redis: sluice sessions import"],
        ["gone", done.gone, "ended meanwhile"],
        ["unportable", done.unportable, "not to be written as JSON, or too large; they stay in MongoDB"],
        ["swept", done.swept, "copies of no session, removed"],
      ],
      1,
    ),
  ];
}

function backfillCommand(desk: Desk): Command {
  const what = "copy every live session to Redis; goes on where it was stopped";
  return paced(acting("backfill", what, "optional"), 2_500)
    .option("--restart", "from the beginning")
    .action((flags: ToolFlags & { restart?: boolean }) =>
      inHouse(desk, async (house) => {
        const dryRun = flags.dryRun === true;
        // To count takes MongoDB alone.
        const box = dryRun ? (await house.redis()).box : await boxOf(house);
        const options = { rate: flags.rate, signal: desk.signal, dryRun, restart: flags.restart === true };
        const done = await known(house.settings, "backfill", flags, byOf(flags), () =>
          showing(desk, "backfill", (onProgress) => backfillSessions(box, { ...options, onProgress })),
        );
        answer(desk, flags.json, { ...done, dryRun }, backfilled(done, dryRun));
        if (done.stopped) desk.fail();
      }),
    );
}

function verified(found: Verified, complete: boolean): string[] {
  const { same, missing, old, foreign, differing, orphaned, ends } = found.findings;
  const good = complete ? found.complete : found.clean;
  const verdict = found.stopped
    ? "Stopped before the end."
    : good
      ? "Clean."
      : found.clean
        ? "Clean, but not complete: run sluice sessions backfill, and import if there are foreign copies."
        : "NOT clean: look at what differs before the dial is turned up.";
  return [
    `${found.sessions} sessions looked at`,
    ...counted(
      [
        ["same", same, ""],
        ["missing", missing, "without a copy; the next read makes it"],
        ["old", old, "of an earlier epoch, believed by nobody"],
        ["foreign", foreign, "written by a stock connect-redis: sluice sessions import"],
        ["unsettled", found.unsettled, "written again and again meanwhile"],
        ["differing", differing, "WRONG: the copy says something else"],
        ["orphaned", orphaned, "WRONG: a copy of no session"],
        ["ends", ends, "WRONG: it lives longer or shorter than its session"],
      ],
      1,
    ),
    ...found.examples.map(({ alias, finding }) => `  for example ${alias} (${finding})`),
    verdict,
  ];
}

function verifyCommand(desk: Desk): Command {
  const command = new Command("verify")
    .description("compare MongoDB with the copies in Redis; exit code 1 when one is wrong")
    .option("--json", "answer in JSON");
  return paced(command, 5_000)
    .option("--sample <count>", "only so many", as(integer(1, 10_000_000)))
    .option("--complete", "exit code 1 also when a session has no copy: before a stock connect-redis takes over")
    .action((flags: { rate: number; json?: boolean; sample?: number; complete?: boolean }) =>
      inHouse(desk, async (house) => {
        const box = await boxOf(house);
        const { rate, sample, complete = false } = flags;
        const options = { rate, signal: desk.signal, ...(sample === undefined ? {} : { sample }) };
        const found = await showing(desk, "verify", (onProgress) => verifySessions(box, { ...options, onProgress }));
        answer(desk, flags.json, found, verified(found, complete));
        if (complete ? !found.complete : !found.clean) desk.fail();
      }),
    );
}

type BroughtIn = Imported & { loggedOut?: number };

function imported(done: BroughtIn, dryRun: boolean): string[] {
  return [
    `${done.stopped ? "Stopped; run it again. " : ""}${dryRun ? "Nothing was changed. " : ""}${done.keys} keys`,
    ...counted(
      [
        ["created", done.created, "MongoDB did not know them"],
        ["updated", done.updated, "newer than in MongoDB"],
        ["same", done.same, ""],
        ["older", done.older, "than what MongoDB has, which stays"],
        ["ours", done.ours, "copies of what MongoDB has"],
        ["ended", done.ended, "destroyed here; they stay so"],
        ["unreadable", done.unreadable, "no sessions; left as they are"],
        ["busy", done.busy, "written meanwhile; run it again"],
        ["logged out", done.loggedOut ?? 0, "without a key in Redis"],
      ],
      2,
    ),
  ];
}

// Somebody logs out now and then; an emptied Redis looks as if everybody had.
const mostEnded = 0.2;

function importCommand(desk: Desk): Command {
  return paced(acting("import", "bring in the sessions that a stock connect-redis wrote", "required"), 1_000)
    .option("--end-missing", "end sessions without a key in Redis: logged out while connect-redis served alone")
    .option("--force", `end them although they are more than ${mostEnded * 100} % of all`)
    .action((flags: ToolFlags & { endMissing?: boolean; force?: boolean }) =>
      inHouse(desk, async (house) => {
        const dryRun = flags.dryRun === true;
        if (flags.endMissing && (await liveInstances(house.db)).length > 0)
          throw new StartError(
            "--end-missing would log out whom the running servers have let in since: stop them, then run it again.",
          );
        const box = await boxOf(house);
        const options = { rate: flags.rate, signal: desk.signal, dryRun };
        const mostShare = flags.force ? 1 : mostEnded;
        async function bringIn(): Promise<BroughtIn> {
          const loggedOut = flags.endMissing
            ? await showing(desk, "logouts", (onProgress) => endMissing(box, { ...options, mostShare, onProgress }))
            : undefined;
          if (desk.signal.aborted)
            throw new StartError(
              `Stopped before anything was brought in${loggedOut ? `, ${loggedOut} logged out` : ""}; run it again.`,
            );
          const done = await showing(desk, "import", (onProgress) => importSessions(box, { ...options, onProgress }));
          return loggedOut === undefined ? done : { ...done, loggedOut };
        }
        const done = await known(house.settings, "import", flags, byOf(flags), bringIn);
        answer(desk, flags.json, { ...done, dryRun }, imported(done, dryRun));
        if (done.stopped || done.busy > 0) desk.fail();
      }),
    );
}

export function sessionsCommand(desk: Desk): Command {
  return new Command("sessions")
    .description("the copies of sessions in Redis")
    .addCommand(backfillCommand(desk))
    .addCommand(verifyCommand(desk))
    .addCommand(importCommand(desk));
}
