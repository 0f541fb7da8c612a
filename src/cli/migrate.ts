import { Command } from "commander";
import {
  type MigrateOptions,
  type MigrationStatus,
  migrateDown,
  migrateUp,
  migrationStatus,
  wouldMigrateDown,
  wouldMigrateUp,
} from "../mongo/migrate.ts";
import { answer, type Desk, mongoUrlOf, table } from "./desk.ts";

function optionsOf({ config, log, signal }: Desk): MigrateOptions {
  const found = config();
  return { url: mongoUrlOf(found), sessionCollection: found.SESSION_COLLECTION, log, signal };
}

function row({ name, state, finishedAt, owner }: MigrationStatus): string[] {
  const about = {
    done: finishedAt?.toISOString() ?? "",
    pending: "",
    running: `by ${owner}`,
    failed: `by ${owner}; migrate up tries again`,
    unknown: "done by a newer version",
  };
  return [name, state, about[state]];
}

interface Options {
  json?: boolean;
  dryRun?: boolean;
}

/** A line for each migration, or one that says that there is none. */
function tell(desk: Desk, { json, dryRun = false }: Options, names: string[], word: string, none: string): void {
  answer(
    desk,
    json,
    { migrations: names, dryRun },
    names.length > 0 ? names.map((name) => `${word}  ${name}`) : [none],
  );
}

const changing = (command: Command) =>
  command.option("--dry-run", "only show what would be done").option("--json", "answer in JSON");

export function migrateCommand(desk: Desk): Command {
  const command = new Command("migrate").description("bring the database's indexes up to date, or take them back");
  changing(command.command("up", { isDefault: true }))
    .description("run every migration that is not done yet")
    .action(async (flags: Options) => {
      const names = await (flags.dryRun ? wouldMigrateUp : migrateUp)(optionsOf(desk));
      const word = flags.dryRun ? "to be done" : "done";
      tell(desk, flags, names, word, "Nothing to do: the database is up to date.");
    });
  changing(command.command("down"))
    .argument("[to]", "the oldest one to take back: its name or number; 0 for all")
    .description("take back the newest migration, or every one back to a given one")
    .action(async (to: string | undefined, flags: Options) => {
      const names = await (flags.dryRun ? wouldMigrateDown : migrateDown)(optionsOf(desk), to);
      const word = flags.dryRun ? "to be taken back" : "taken back";
      tell(desk, flags, names, word, "Nothing to take back.");
    });
  command
    .command("status")
    .description("show which migrations are done")
    .option("--json", "answer in JSON")
    .action(async ({ json }: Options) => {
      const all = await migrationStatus(optionsOf(desk));
      answer(desk, json, all, table(all.map(row)));
    });
  return command;
}
