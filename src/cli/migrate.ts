import { Command } from "commander";
import {
  type MigrateOptions,
  type MigrationStatus,
  migrateDown,
  migrateUp,
  migrationStatus,
} from "../mongo/migrate.ts";
import { type Desk, mongoUrlOf, table } from "./desk.ts";

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

export function migrateCommand(desk: Desk): Command {
  const command = new Command("migrate").description("bring the database's indexes up to date, or take them back");
  command
    .command("up", { isDefault: true })
    .description("run every migration that is not done yet")
    .action(async () => {
      const names = await migrateUp(optionsOf(desk));
      for (const name of names) desk.print(`done  ${name}`);
      if (names.length === 0) desk.print("Nothing to do: the database is up to date.");
    });
  command
    .command("down")
    .argument("[to]", "the oldest one to take back: its name or number; 0 for all")
    .description("take back the newest migration, or every one back to a given one")
    .action(async (to: string | undefined) => {
      const names = await migrateDown(optionsOf(desk), to);
      for (const name of names) desk.print(`taken back  ${name}`);
      if (names.length === 0) desk.print("Nothing to take back.");
    });
  command
    .command("status")
    .description("show which migrations are done")
    .action(async () => {
      for (const line of table((await migrationStatus(optionsOf(desk))).map(row))) desk.print(line);
    });
  return command;
}
