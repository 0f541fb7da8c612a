import { Command, CommanderError } from "commander";
import { SluiceError } from "../kernel/errors.ts";
import { cacheCommand } from "./cache.ts";
import { configCommand } from "./config.ts";
import type { Desk } from "./desk.ts";
import { dialCommand } from "./dial.ts";
import { doctorCommand } from "./doctor.ts";
import { killCommand } from "./kill.ts";
import { migrateCommand } from "./migrate.ts";
import { serveCommand } from "./serve.ts";
import { sessionsCommand } from "./sessions.ts";
import { historyCommand, statusCommand } from "./status.ts";

/** Every command there is, ready to be run. */
export function createProgram(desk: Desk): Command {
  const program = new Command("sluice")
    .description(
      "The operator's door to sluice. It reads the same variables as the server.\n" +
        "Exit code 0: done; 1: it could not be done, or the answer is not good; 2: called wrongly, or not to be found out.",
    )
    .addCommand(statusCommand(desk))
    .addCommand(dialCommand(desk))
    .addCommand(killCommand(desk))
    .addCommand(historyCommand(desk))
    .addCommand(sessionsCommand(desk))
    .addCommand(cacheCommand(desk))
    .addCommand(migrateCommand(desk))
    .addCommand(serveCommand(desk))
    .addCommand(configCommand(desk))
    .addCommand(doctorCommand(desk));
  prepare(program, desk);
  return program;
}

/** Commander hands this down to commands that it makes, not to those that are added. */
function prepare(command: Command, { print, aside }: Pick<Desk, "print" | "aside">): void {
  command.exitOverride().showHelpAfterError("(--help says what there is)");
  command.configureOutput({ writeOut: (text) => print(text.replace(/\n$/, "")), writeErr: aside });
  for (const one of command.commands) prepare(one, { print, aside });
}

/** Runs one command; answers the exit code. */
export async function runProgram(args: string[], desk: Omit<Desk, "fail">): Promise<number> {
  let code = 0;
  const program = createProgram({
    ...desk,
    fail(as = 1) {
      code = Math.max(code, as);
    },
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const plain = error instanceof SluiceError;
    desk.aside(`${plain ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return 1;
  }
}
