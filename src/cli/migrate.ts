import { Command } from "commander";
import { StartError } from "../kernel/errors.ts";
import { connectMongo } from "../mongo/connect.ts";
import { liveInstances } from "../mongo/instances.ts";
import {
  type MigrateOptions,
  type MigrationStatus,
  migrateDown,
  migrateUp,
  migrationStatus,
  wouldMigrateDown,
  wouldMigrateUp,
} from "../mongo/migrate.ts";
import { isApp } from "../ops/doctor/whose.ts";
import { uniqueFields } from "../ops/index.ts";
import { answer, configOf, type Desk, mongoUrlOf, table } from "./desk.ts";

function optionsOf(desk: Desk): MigrateOptions {
  const config = configOf(desk);
  const { log, signal } = desk;
  return { url: mongoUrlOf(config), sessionCollection: config.SESSION_COLLECTION, log, signal };
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

const connecting = { timeoutMs: 10_000, poolSize: 1 };
const uniqueOnes = uniqueFields.map((path) => path.join(".")).join(", ");

/** What makes the chat's database would break an app's: it may let two users have one address. */
async function refuseBesideApps(options: MigrateOptions): Promise<void> {
  const migrations = await migrationStatus(options);
  if (migrations.some(({ state }) => state !== "pending")) return;
  const link = await connectMongo({ ...options, ...connecting });
  try {
    const apps = (await liveInstances(link.db)).filter(isApp).map(({ serverId }) => serverId);
    if (apps.length === 0) return;
    throw new StartError(
      `Nothing was changed: the database "${link.db.databaseName}" is in use by an app of your own (${apps.join(", ")}), ` +
        "and no migration has ever been run on it. Migrations are for the chat server's own database: they make " +
        `${uniqueOnes} unique and write channels, and an app needs none of them. ` +
        "Set MONGODB_URL to the chat's, or say --in-the-database-of-an-app.",
    );
  } finally {
    await link.close();
  }
}

interface Options {
  json?: boolean;
  dryRun?: boolean;
}

interface UpOptions extends Options {
  inTheDatabaseOfAnApp?: boolean;
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
  const command = new Command("migrate").description(
    "bring the database's indexes up to date, or take them back; the chat server's own, an app needs none",
  );
  changing(command.command("up", { isDefault: true }))
    .description("run every migration that is not done yet")
    .option("--in-the-database-of-an-app", "although an app of your own runs on it and no chat server ever did")
    .action(async (flags: UpOptions) => {
      const options = optionsOf(desk);
      if (!flags.inTheDatabaseOfAnApp) await refuseBesideApps(options);
      const names = await (flags.dryRun ? wouldMigrateUp : migrateUp)(options);
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
