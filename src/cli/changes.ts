import { hostname, userInfo } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { pause } from "../kernel/pause.ts";
import { liveInstances } from "../mongo/instances.ts";
import type { Desk } from "./desk.ts";
import type { House } from "./house.ts";

/** What every command that changes something takes. */
export interface ChangeOptions {
  reason: string;
  who: string;
  json?: boolean;
  dryRun?: boolean;
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

/** A command whose change goes into the history. */
export function changing(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .requiredOption("--reason <text>", "why; kept in the history", said)
    .addOption(
      new Option("--who <name>", "who; kept in the history")
        .argParser(said)
        .default(nameOfUser(), "you, on this machine"),
    )
    .option("--dry-run", "only show what would be done")
    .option("--json", "answer in JSON");
}

export const byOf = ({ reason, who }: ChangeOptions) => ({ who, why: reason });

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

export function followWords({ all, follow }: { all: number; follow: number }): string {
  if (all === 0) return "No server is running; the next one starts there.";
  if (all === 1 && follow === 1) return "The server follows.";
  return follow === all
    ? `All ${all} servers follow.`
    : `${follow} of ${all} servers follow so far; see: sluice status`;
}
