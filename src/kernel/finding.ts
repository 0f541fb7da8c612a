/** ok: as it should be. advice: it works, and could be better. wrong: to be put right. unknown: it could not be looked at. */
export type Level = "ok" | "advice" | "wrong" | "unknown";

/** One thing that was looked at, in words for an operator, without a secret. */
export interface Finding {
  readonly area: "configuration" | "MongoDB" | "Redis" | "clocks" | "sessions";
  readonly level: Level;
  readonly says: string;
  /** What to do about it; "" where there is nothing to do. */
  readonly todo: string;
}

/** Collects what is said of one area. */
export function aboutArea(area: Finding["area"]) {
  const findings: Finding[] = [];
  const add = (level: Level, says: string, todo: string) => void findings.push({ area, level, says, todo });
  return {
    findings,
    ok: (says: string) => add("ok", says, ""),
    advice: (says: string, todo: string) => add("advice", says, todo),
    wrong: (says: string, todo: string) => add("wrong", says, todo),
    unknown: (says: string, todo: string) => add("unknown", says, todo),
  };
}

export type About = ReturnType<typeof aboutArea>;
