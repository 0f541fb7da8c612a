interface Line {
  level: number;
  time: number;
  msg?: string;
  err?: { message?: string; stack?: string };
}

const names: Record<number, string> = { 20: "debug", 30: "info", 40: "warning", 50: "error", 60: "fatal" };

/** A line of the log as a person reads it: when, how grave, what happened, and the trace of an error. */
export function plainLine(json: string): string {
  const { level, time, msg = "", err } = JSON.parse(json) as Line;
  const at = new Date(time).toTimeString().slice(0, 8);
  const grave = level >= 50 ? err?.stack : err?.message;
  const detail = grave ? (level >= 50 ? `\n${grave}` : ` (${grave})`) : "";
  return `${at} ${(names[level] ?? "log").padEnd(7)} ${msg}${detail}\n`;
}
