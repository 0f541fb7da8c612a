import { spawnSync } from "node:child_process";
import type { RunLines } from "../../test/support/pages.ts";

const mongosh = spawnSync("mongosh", ["--version"]).error === undefined;

/** Commands that cannot be run here, and why. */
const elsewhere: readonly (readonly [line: RegExp, why: string])[] = mongosh
  ? []
  : [[/^mongosh /, "mongosh is not installed"]];

/** What tells of the trouble by failing: that is what whoever looks is to see. */
const telling: readonly (readonly [alert: RegExp, line: RegExp, says: RegExp])[] = [
  [/./, /^sluice status$/, /NOT converged|No server is running/],
  [/./, /^sluice sessions verify --json$/, /"clean": ?false/],
  [/^RedisUnreachable$/, /^redis-cli .* ping$/, /Could not connect|Connection refused/],
  [/^RedisMessagesLost$/, /^redis-cli /, /^NOAUTH /],
  [/^RedisConnectFailures$/, /^redis-cli /, /max number of clients|Connection reset|Server closed/],
];

/** A command that ended as it should not; redis-cli ends well when Redis answers with an error. */
export const failed = ({ code, output }: Awaited<ReturnType<RunLines>>) =>
  code !== 0 || /^(ERR|NOAUTH|NOPERM|OOM|WRONGPASS)\b/m.test(output);

/** A command of the runbook that this machine cannot run. */
export interface Skipped {
  readonly line: string;
  readonly why: string;
}

/** Runs what a paragraph says to look at; answers what of it cannot be run here. */
export async function lookAround(alert: string, lines: readonly string[], run: RunLines): Promise<Skipped[]> {
  const skipped = lines.flatMap((line) =>
    elsewhere.filter(([what]) => what.test(line)).map(([, why]) => ({ line, why })),
  );
  const here = lines.filter((line) => !elsewhere.some(([what]) => what.test(line)));
  await Promise.all(
    here.map(async (line) => {
      const end = await run(line);
      const tells = telling.some(([of, what, says]) => of.test(alert) && what.test(line) && says.test(end.output));
      if (failed(end) && !tells) throw new Error(`${line} ended with ${end.code}: ${end.output}`);
    }),
  );
  return skipped;
}
