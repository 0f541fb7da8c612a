import type { Deadlines } from "../kernel/deadline.ts";
import { UnavailableError } from "../kernel/errors.ts";

export type InTurn = <T>(id: string, work: () => Promise<T>) => Promise<T>;

/** Writes of one session on one instance are done one after the other, in the order in which they were asked for. */
export function createTurns(deadlines: Deadlines, patienceMs: number): InTurn {
  const last = new Map<string, Promise<unknown>>();
  const late = () => new UnavailableError("the write before this one has not ended");

  return (id, work) => {
    const before = last.get(id);
    const mine = before ? deadlines.within(patienceMs, before, late).then(work, work) : work();
    last.set(id, mine);
    const leave = () => {
      if (last.get(id) === mine) last.delete(id);
    };
    mine.then(leave, leave);
    return mine;
  };
}
