import { hostname, userInfo } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { StartError } from "../kernel/errors.ts";
import { pause } from "../kernel/pause.ts";
import { liveInstances } from "../mongo/instances.ts";
import type { Desk } from "./desk.ts";
import { type House, inHouse, noServer } from "./house.ts";

/** What every command that changes something takes. */
export interface ChangeOptions {
  reason: string;
  who: string;
  json?: boolean;
  dryRun?: boolean;
  inAnUnusedDatabase?: boolean;
}

function nameOfUser(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    return `somebody@${hostname()}`;
  }
}

function said(text: string): string {
  const words = text.trim();
  if (words === "") throw new InvalidArgumentError("It takes words, for whoever reads the history.");
  return words;
}

const whoOption = () =>
  new Option("--who <name>", "who; kept in the history").argParser(said).default(nameOfUser(), "you, on this machine");

/** A command whose change goes into the history. */
export function changing(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .requiredOption("--reason <text>", "why; kept in the history", said)
    .addOption(whoOption())
    .option("--in-an-unused-database", "although no server has ever used the database")
    .option("--dry-run", "only show what would be done")
    .option("--json", "answer in JSON");
}

/** Every server leaves collections of that name behind. */
const unused = async ({ db }: House): Promise<boolean> =>
  !(await db.listCollections({ name: /^sluice_/ }, { nameOnly: true, authorizedCollections: true }).hasNext());

/** Opens the databases for a change, which must not be thought made when no server will ever hear of it. */
export function toChange(
  desk: Desk,
  { inAnUnusedDatabase }: ChangeOptions,
  work: (house: House) => Promise<void>,
): Promise<void> {
  return inHouse(desk, async (house) => {
    if (!inAnUnusedDatabase && (await unused(house)))
      throw new StartError(
        `Nothing was changed: no server has ever used ${house.place}. ` +
          "Set MONGODB_URL to the servers' own, or say --in-an-unused-database.",
      );
    await work(house);
  });
}

/** What a command takes that does something for the history, and only counts in a dry run. */
export interface ActOptions extends Omit<ChangeOptions, "reason"> {
  reason?: string;
}

/** Such a command. Whoever only counts need not say why. */
export function acting(name: string, description: string, reason: "required" | "optional"): Command {
  const command = new Command(name)
    .description(description)
    .option("--reason <text>", `why; kept in the history${reason === "optional" ? "" : ", not needed to count"}`, said)
    .addOption(whoOption())
    .option("--dry-run", "only count")
    .option("--json", "answer in JSON");
  return command.hook("preAction", () => {
    const { reason: why, dryRun } = command.opts<ActOptions>();
    if (reason === "required" && !why && !dryRun)
      command.error("error: required option '--reason <text>' not specified");
  });
}

export const byOf = ({ reason = "", who }: ActOptions) => ({ who, why: reason });

const followMs = 3_000;

/** Waits a little for the servers to follow, and says how many do. */
export async function followers({ db }: House, desk: Desk, revision: number): Promise<{ all: number; follow: number }> {
  const end = performance.now() + followMs;
  for (;;) {
    const instances = await liveInstances(db);
    const follow = instances.filter((instance) => instance.revision >= revision).length;
    if (follow === instances.length || performance.now() > end || desk.signal.aborted)
      return { all: instances.length, follow };
    await pause(50, desk.signal);
  }
}

export function followWords({ place }: House, { all, follow }: { all: number; follow: number }): string {
  if (all === 0) return `${noServer(place)} The next one starts there.`;
  if (all === 1 && follow === 1) return "The server follows.";
  return follow === all
    ? `All ${all} servers follow.`
    : `${follow} of ${all} servers follow so far; see: sluice status`;
}
