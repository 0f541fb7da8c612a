import { aboutArea, type Finding } from "../../kernel/finding.ts";

/** A clock elsewhere, less this machine's. */
export interface Clock {
  readonly of: string;
  readonly offsetMs: number;
  /** How far that may be off. */
  readonly errorMs: number;
}

const badMs = 2_000;
const doubtfulMs = 500;

/** Sessions end by MongoDB's clock and by this one, copies by Redis's: they must tell the same time. */
export function examineClocks(clocks: readonly Clock[]): Finding[] {
  const { findings, ok, advice, wrong } = aboutArea("clocks");
  for (const { of, offsetMs, errorMs } of clocks) {
    const off = Math.max(0, Math.abs(offsetMs) - errorMs);
    const says = `The clock of ${of} is ${(off / 1_000).toFixed(1)} s ${offsetMs > 0 ? "ahead of" : "behind"} this machine's.`;
    if (off > badMs) wrong(says, "Run an NTP client on both (timedatectl status).");
    else if (off > doubtfulMs) advice(says, "Look whether an NTP client runs on both (timedatectl status).");
    else ok(`The clock of ${of} agrees with this machine's`);
  }
  return findings;
}
