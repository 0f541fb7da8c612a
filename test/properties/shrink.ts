import type { Command } from "./commands.ts";

/** A run that came to a bad end after so many of its commands. */
export class Failure extends Error {
  readonly after: number;

  constructor(after: number, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.after = after;
  }
}

/** Leaves out whatever the failure does not need: first halves, then less and less, down to single commands. */
export async function shrink(
  commands: Command[],
  failure: Failure,
  again: (some: Command[]) => Promise<Failure | undefined>,
  timeIsUp: () => boolean,
): Promise<{ commands: Command[]; failure: Failure; runs: number }> {
  let kept = commands.slice(0, failure.after);
  let last = failure;
  let runs = 0;
  for (let size = kept.length >> 1; size > 0; size >>= 1)
    for (let at = 0; at < kept.length && kept.length > 1 && !timeIsUp(); ) {
      const some = kept.filter((_, n) => n < at || n >= at + size);
      runs += 1;
      const other = await again(some);
      if (other) [kept, last] = [some.slice(0, other.after), other];
      else at += size;
    }
  return { commands: kept, failure: last, runs };
}
