import { type Cell, micro, perSecond } from "./report.ts";
import { rounds } from "./rounds.ts";
import { median, ratioOf } from "./sums.ts";

/** One call; each caller goes on from its own number. */
export type Call = (n: number) => unknown;

export interface Duel {
  /** Of the calls per second, ours / the other's. */
  readonly speed: ReturnType<typeof ratioOf>;
  /** µs of this process's processor for a call. */
  readonly cpu: { readonly ours: number; readonly other: number };
}

interface Round {
  perSecond: number;
  cpu: number;
}

export const callers = 50;
const warmMs = 500;
/** Each round begins elsewhere, or a short one of slow calls would only ever see the first things. */
const apart = 7_919;

/** Callers that each make the next call when the last one is answered. */
async function round(call: Call, from: number, ms: number): Promise<Round> {
  let done = 0;
  const [before, begun] = [process.cpuUsage(), performance.now()];
  const caller = async (first: number) => {
    for (let n = from + first; performance.now() < begun + ms; n += callers) {
      await call(n);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, first) => caller(first)));
  const { user, system } = process.cpuUsage(before);
  return { perSecond: (done / (performance.now() - begun)) * 1_000, cpu: (user + system) / done };
}

/**
 * Two that do the same, in this process and in turns. Many short rounds tell more than a few long ones: what disturbs this
 * machine lasts longer than a tenth of a second, so that it slows both sides of most pairs.
 */
export async function duel(ours: Call, other: Call, much: { rounds: number; ms: number }): Promise<Duel> {
  // The warm-up goes backwards: the other one runs first in a process that is cold, where the door would take late replies for an outage.
  const work = (call: Call, turn: number) => round(call, Math.max(0, turn) * apart, turn < 0 ? warmMs : much.ms);
  const measured = await rounds([ours, other], much.rounds, work, { warm: 1 });
  const of = (call: Call, figure: (one: Round) => number) => (measured.get(call) ?? []).map(figure);
  const speed = ({ perSecond }: Round) => perSecond;
  const cpu = (call: Call) => median(of(call, (one) => one.cpu));
  return { speed: ratioOf(of(ours, speed), of(other, speed)), cpu: { ours: cpu(ours), other: cpu(other) } };
}

/** One line for each duel, by its name. */
export function duelTable(what: string, [other, ours]: readonly [string, string], duels: Record<string, Duel>) {
  return {
    title: `${what}s per second, and this process's processor for each`,
    head: [what, other, ours, `CPU each, ${other}`, `CPU each, ${ours}`],
    rows: Object.entries(duels).map(([name, { speed, cpu }]): Cell[] => [
      name,
      ...[speed.other, speed.ours].map((figure) => perSecond(figure, 0)),
      ...[cpu.other, cpu.ours].map((figure) => micro(figure, 1)),
    ]),
  };
}
