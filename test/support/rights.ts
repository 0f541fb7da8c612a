import { type AskOptions, ask } from "./resp.ts";

/** A command that somebody has no right to, and what it would do. */
export type Forbidden = readonly [what: string, ...command: string[]];

const refusal = /NOPERM|ACL failure|can't (run this command|access)|not allowed/i;

/** Those that were not refused for want of rights, and what came of them. */
export async function notRefused(port: number, who: AskOptions, commands: readonly Forbidden[]): Promise<string[]> {
  const done: string[] = [];
  for (const [what, ...command] of commands) {
    const answer = await ask(port, command, who).then(
      (reply) => `answered ${JSON.stringify(reply)}`,
      (error: Error) => (refusal.test(error.message) ? "" : error.message),
    );
    if (answer) done.push(`${what}: ${answer}`);
  }
  return done;
}
