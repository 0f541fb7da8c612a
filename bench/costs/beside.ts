import type { Figure } from "../support/report.ts";
import { rounds as inTurns } from "../support/rounds.ts";
import { ratioOf } from "../support/sums.ts";

/** Microseconds of this process's processor. */
export async function microseconds(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

type Cost = () => Promise<number>;

/** What one way costs beside another, in turns. */
export async function costBeside(name: string, rounds: number, [ours, plain]: [Cost, Cost]): Promise<Figure> {
  const costs = await inTurns([ours, plain], rounds, (cost) => cost(), { warm: 1 });
  return { name, ...ratioOf(costs.get(ours) ?? [], costs.get(plain) ?? []), unit: "×", target: 1, atMost: true };
}
