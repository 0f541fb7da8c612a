import type { Desk } from "./desk.ts";

export interface ProgressLine {
  (progress: { done: number; total?: number }): void;
  /** To be called when the work is over, however it ended. */
  end(): void;
}

const barWidth = 30;
const everyMs = 5_000;
const redrawMs = 100;
const clearLine = "\r\x1b[K";
const count = (n: number) => Math.round(n).toLocaleString("en");

/** A bar that is drawn over for a person at a terminal, a line now and then for everybody else. */
export function createProgressLine(
  { terminal, aside }: Desk,
  what: string,
  now = () => performance.now(),
): ProgressLine {
  const begun = now();
  let first: number | undefined;
  let said = terminal ? Number.NEGATIVE_INFINITY : begun;
  let drawn = false;

  function words(done: number, total?: number): string {
    const seconds = (now() - begun) / 1_000;
    const rate = seconds > 0 ? `, ${count((done - (first ?? 0)) / seconds)}/s` : "";
    return `${count(done)}${total === undefined ? "" : ` of ${count(total)}`}${rate}`;
  }

  const line: ProgressLine = ({ done, total }) => {
    first ??= done;
    const share = total === undefined ? 0 : total > 0 ? Math.min(1, done / total) : 1;
    if (now() - said < (terminal ? redrawMs : everyMs) && share < 1) return;
    said = now();
    if (!terminal) return aside(`${what}: ${words(done, total)}\n`);
    drawn = true;
    if (total === undefined) return aside(`${clearLine}${what} ${words(done)}`);
    const full = Math.round(share * barWidth);
    const bar = "█".repeat(full) + "░".repeat(barWidth - full);
    aside(`${clearLine}${what} ${bar} ${Math.floor(share * 100)} %  ${words(done, total)}`);
  };
  line.end = () => {
    if (drawn) aside("\n");
    drawn = false;
  };
  return line;
}
