import { Command, Option } from "commander";
import { decimal, duration, flag } from "../config/kinds.ts";
import type { SessionMode, SessionSettings } from "../mongo/settings-types.ts";
import { DialRefused, shareOf, type Turned, turnDial } from "../sessions/dial/change.ts";
import type { Check } from "../sessions/dial/guards.ts";
import { abortRamp, startRamp } from "../sessions/dial/ramp.ts";
import { readDial } from "../sessions/dial/status.ts";
import { byOf, type ChangeOptions, changing, followers, followWords, toChange } from "./changes.ts";
import { answer, as, type Desk } from "./desk.ts";
import { type House, inHouse } from "./house.ts";

const percent = as(decimal(0, 100));
const minutes = (ms: number) => (ms >= 60_000 ? `${ms / 60_000} min` : `${ms / 1_000} s`);

export function dialWords({ mode, percent: at, oldServers, ramp }: SessionSettings): string {
  const idle = mode === "serve" ? "" : `, which counts in mode serve only`;
  const beside = oldServers ? "" : "; no old servers run beside";
  const on = ramp
    ? `; a ramp goes on to ${ramp.to} % by ${ramp.step} every ${minutes(ramp.everyMs)}, next ${ramp.next.toISOString()}`
    : "";
  return `${mode} at ${at} %${idle}${beside}${on}`;
}

const checkLines = (checks: readonly Check[]) => checks.map(({ ok, says }) => `  ${ok ? "ok " : "NO "} ${says}`);

async function moving({ db, config }: House, { before, after }: Turned): Promise<number> {
  const all = await db.collection(config.SESSION_COLLECTION).estimatedDocumentCount();
  return Math.round((all * Math.abs(shareOf(after) - shareOf(before))) / 100);
}

async function tell(desk: Desk, house: House, options: ChangeOptions, turned: Turned): Promise<void> {
  const sessions = await moving(house, turned);
  const dryRun = options.dryRun === true;
  const following = dryRun || !turned.changed ? undefined : await followers(house, desk, turned.revision);
  const stands = dialWords(turned.after);
  const what = dryRun ? "would stand" : turned.changed ? "stands" : "already stood";
  answer(desk, options.json, { ...turned, dryRun, sessions, ...following }, [
    `The dial ${what}: ${stands}.`,
    ...checkLines(turned.checks),
    ...(turned.changed ? [`About ${sessions} live sessions ${dryRun ? "would change" : "change"} sides.`] : []),
    ...(following ? [followWords(house, following)] : []),
  ]);
}

/** A refusal is an answer, with everything that was looked at. */
async function orRefusal(desk: Desk, json: boolean | undefined, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof DialRefused)) throw error;
    const { code, message, checks } = error;
    answer(desk, json, { error: code, message, checks }, [
      message,
      ...checkLines(checks),
      "With --force it is done all the same.",
    ]);
    desk.fail();
  }
}

function getCommand(desk: Desk): Command {
  return new Command("get")
    .description("show where the dial stands")
    .option("--json", "answer in JSON")
    .action(({ json }: { json?: boolean }) =>
      inHouse(desk, async ({ settings }) => {
        const dial = readDial(settings);
        const by = dial.stored ? `revision ${dial.revision}, ${dial.changedAt?.toISOString()}` : "by the environment";
        answer(desk, json, dial, [`${dialWords(dial)} (${by})`]);
      }),
    );
}

interface SetOptions extends ChangeOptions {
  mode?: SessionMode;
  oldServers?: boolean;
  force?: boolean;
}

function setCommand(desk: Desk): Command {
  const command: Command = changing("set", "turn the dial; ends a ramp");
  return command
    .argument("[percent]", "share of the sessions that Redis answers for, 0 to 100", percent)
    .addOption(new Option("--mode <mode>", "what Redis is used for").choices(["off", "shadow", "serve"]))
    .option("--old-servers <on|off>", "whether servers with a stock connect-mongo run beside", as(flag))
    .option("--force", "although a check stands in the way")
    .action((to: number | undefined, options: SetOptions) => {
      const { mode, oldServers, force, dryRun, json } = options;
      if (to === undefined && mode === undefined && oldServers === undefined)
        command.error("error: nothing to set; give a percentage, --mode or --old-servers", { exitCode: 2 });
      const turn = {
        ...(to === undefined ? {} : { percent: to }),
        ...(mode && { mode }),
        ...(oldServers === undefined ? {} : { oldServers }),
      };
      return toChange(desk, options, (house) =>
        orRefusal(desk, json, async () => {
          const { desk: dial } = await house.redis();
          const how = { ...byOf(options), force: force === true, dryRun: dryRun === true };
          await tell(desk, house, options, await turnDial(dial, turn, how));
        }),
      );
    });
}

interface RampOptions extends ChangeOptions {
  from?: number;
  step: number;
  every: number;
  force?: boolean;
}

function rampCommand(desk: Desk): Command {
  return changing("ramp", "let the dial turn itself, until it stands where it should or a check stands in the way")
    .argument("<to>", "where it ends, 0 to 100", percent)
    .option("--from <percent>", "where it begins (default: where the dial stands)", percent)
    .option("--step <percent>", "how far each step goes", as(decimal(0.001, 100)), 10)
    .addOption(
      new Option("--every <duration>", "how long it stands at each step")
        .argParser(as(duration(100)))
        .default(600_000, "10m"),
    )
    .option("--force", "begin although a check stands in the way; later steps are checked all the same")
    .action((to: number, options: RampOptions) =>
      toChange(desk, options, (house) =>
        orRefusal(desk, options.json, async () => {
          const { from, step, every, force, dryRun } = options;
          const plan = { to, step, everyMs: every, ...(from === undefined ? {} : { from }) };
          const { desk: dial } = await house.redis();
          const how = { ...byOf(options), force: force === true, dryRun: dryRun === true };
          await tell(desk, house, options, await startRamp(dial, plan, how));
        }),
      ),
    );
}

function abortCommand(desk: Desk): Command {
  return changing("abort", "end the ramp; the dial stays where it is").action((options: ChangeOptions) =>
    toChange(desk, options, async (house) => {
      const { settings } = house;
      const dryRun = options.dryRun === true;
      const { ramp: _, ...without } = settings.current.sessions;
      const ended = dryRun ? settings.current.sessions.ramp !== undefined : await abortRamp(settings, byOf(options));
      const stands = dialWords(dryRun ? without : settings.current.sessions);
      const words = ended ? `The ramp ${dryRun ? "would end" : "has ended"}` : "There is no ramp";
      const following = ended && !dryRun ? await followers(house, desk, settings.current.revision) : undefined;
      answer(desk, options.json, { ended, dryRun, dial: readDial(settings), ...following }, [
        `${words}; the dial stands: ${stands}.`,
        ...(following ? [followWords(house, following)] : []),
      ]);
    }),
  );
}

export function dialCommand(desk: Desk): Command {
  return new Command("dial")
    .description("which share of the sessions Redis answers for")
    .addCommand(getCommand(desk))
    .addCommand(setCommand(desk))
    .addCommand(rampCommand(desk))
    .addCommand(abortCommand(desk));
}
