import { table } from "../../src/cli/desk.ts";
import { type Wrong, wrongs } from "./audit.ts";
import type { DrillReport } from "./perform.ts";

export function reportLines({ ok, failures, phases, audit, clients, said, stored, ends }: DrillReport): string[] {
  const rows = phases.map((phase) => [
    phase.name,
    `${phase.seconds.toFixed(1)} s`,
    String(phase.said),
    String(phase.overRedis),
    String(phase.overMongo),
    `${phase.p50} ms`,
    `${phase.p99} ms`,
  ]);
  const ways = Object.entries(ends).map(([reason, times]) => `${times} × ${reason}`);
  return [
    ...table([["PHASE", "TIME", "SAID", "OVER REDIS", "OVER MONGODB", "SHOWN AFTER p50", "p99"], ...rows]),
    "",
    `${clients} clients said ${said} messages; ${stored} are stored with the lines of who came and went, ${audit.shown} were shown.`,
    `Connections that ended, and came back: ${ways.join(", ") || "none"}.`,
    `Words that could not be taken, and whose speakers were told so: ${audit.told}.`,
    ...table(Object.entries(wrongs).map(([wrong, words]) => [String(audit.counts[wrong as Wrong]), words])),
    ...audit.examples.map((example) => `  ${example}`),
    ok ? "Passed." : `FAILED: ${failures.join("; ")}`,
  ];
}
