import { table } from "../../src/cli/desk.ts";
import type { DrillReport } from "./perform.ts";
import { faults } from "./tally.ts";

const words = {
  loggedOut: "logouts that nobody asked for",
  revived: "logouts that came back to life",
  lost: "writes that were lost",
  failed: "answers of 500 and above, or none",
  odd: "other answers that were not to be expected",
} as const;

export function reportLines({ ok, phases, tally, sessions, audited, failures, seconds }: DrillReport): string[] {
  const rows = phases.map((phase) => [
    phase.name,
    `${phase.percent} %`,
    `${phase.seconds.toFixed(1)} s`,
    String(phase.requests),
    String(phase.faults),
    phase.reads && phase.percent > 0 ? `${(phase.reads.share * 100).toFixed(1)} %` : "",
  ]);
  const done = [
    `${tally.reads} reads, ${tally.loginsAgain} logins over a session, ${tally.oldWrites} writes by the old server,`,
    `${tally.logouts} logouts, ${tally.oldLogouts} logouts at the old server, ${tally.races} logouts while it was writing`,
  ];
  return [
    ...table([["PHASE", "DIAL", "TIME", "REQUESTS", "FAULTS", "BUCKET FROM REDIS"], ...rows]),
    "",
    `${sessions} sessions, ${tally.requests} requests in ${seconds.toFixed(0)} s: ${done.join(" ")}; ${audited} looked at in the end.`,
    ...table(faults.map((fault) => [String(tally[fault]), words[fault]])),
    ...tally.examples.map((example) => `  ${example}`),
    ok ? "Passed." : `FAILED: ${failures.join("; ")}`,
  ];
}
