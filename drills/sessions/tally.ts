/** What the clients saw. */
export interface Tally {
  requests: number;
  /** Of the requests of this phase. */
  slowestMs: number;
  reads: number;
  loginsAgain: number;
  oldWrites: number;
  logouts: number;
  oldLogouts: number;
  /** An old server was writing the session while it was ended. */
  races: number;
  /** Sessions that were to be there and were not. */
  loggedOut: number;
  /** Sessions that had ended and were there. */
  revived: number;
  /** Writes that were acknowledged and are not to be seen. */
  lost: number;
  /** Answers of 500 and above, and none at all. */
  failed: number;
  /** Anything else that was not to be expected. */
  odd: number;
  readonly examples: string[];
}

export type Fault = "loggedOut" | "revived" | "lost" | "failed" | "odd";

export const faults: readonly Fault[] = ["loggedOut", "revived", "lost", "failed", "odd"];
const mostExamples = 20;

export function createTally(): Tally & { fault(kind: Fault, words: string): void } {
  const tally = {
    requests: 0,
    slowestMs: 0,
    reads: 0,
    loginsAgain: 0,
    oldWrites: 0,
    logouts: 0,
    oldLogouts: 0,
    races: 0,
    loggedOut: 0,
    revived: 0,
    lost: 0,
    failed: 0,
    odd: 0,
    examples: [] as string[],
    fault(kind: Fault, words: string) {
      tally[kind] += 1;
      if (tally.examples.length < mostExamples) tally.examples.push(`${kind}: ${words}`);
    },
  };
  return tally;
}
