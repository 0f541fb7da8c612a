import type { Finding, Level } from "../kernel/finding.ts";
import { answer, type Desk } from "./desk.ts";

const words: Record<Level, string> = { ok: "ok     ", advice: "advice ", wrong: "WRONG  ", unknown: "UNKNOWN" };

function lines(findings: readonly Finding[]): string[] {
  const areas = [...new Set(findings.map(({ area }) => area))];
  const count = (level: Level) => findings.filter((one) => one.level === level).length;
  const summary = [
    count("unknown") > 0 && `${count("unknown")} could not be looked at`,
    count("wrong") > 0 && `${count("wrong")} to be put right`,
    count("advice") > 0 && `${count("advice")} could be better`,
  ].filter(Boolean);
  return [
    ...areas.flatMap((area) => [
      area,
      ...findings
        .filter((one) => one.area === area)
        .flatMap(({ level, says, todo }) => [`  ${words[level]} ${says}`, ...(todo ? [`          → ${todo}`] : [])]),
    ]),
    summary.length > 0 ? `${summary.join(", ")}.` : "All is well.",
  ];
}

/** Tells what was found. Exit code 2 when something could not be looked at, 1 when something is wrong. */
export function tell(desk: Desk, json: boolean | undefined, more: object, findings: readonly Finding[]): void {
  answer(desk, json, { ...more, findings }, lines(findings));
  if (findings.some(({ level }) => level === "unknown")) desk.fail(2);
  else if (findings.some(({ level }) => level === "wrong")) desk.fail();
}
