import { watchStolen } from "./place.ts";

/** In %: with more of the processors' time taken by other machines, a round tells of these. */
export const mostStolen = 8;

/** Answers whether other machines have taken too much since. */
export function watchDisturbance(stolenSince = watchStolen): () => boolean {
  const stolen = stolenSince();
  return () => (stolen() ?? 0) > mostStolen;
}

/**
 * A B, B A, A B, … so that neither always comes first: what `work` measured of each side, round by round.
 * The first `warm` rounds, whose `turn` is below 0, are left out. A round that other machines disturbed is measured again at
 * once, a third as often as there are rounds at most.
 */
export async function rounds<Side, Round>(
  sides: readonly Side[],
  times: number,
  work: (side: Side, turn: number) => Round | Promise<Round>,
  { warm = 0, stolenSince = watchStolen } = {},
): Promise<Map<Side, Round[]>> {
  const measured = new Map(sides.map((side) => [side, [] as Round[]]));
  let spare = Math.ceil((times * sides.length) / 3);

  async function undisturbed(side: Side, turn: number): Promise<Round> {
    for (;;) {
      const disturbed = watchDisturbance(stolenSince);
      const one = await work(side, turn);
      if (!disturbed() || spare === 0) return one;
      spare -= 1;
    }
  }

  for (let turn = -warm; turn < times; turn += 1)
    for (const side of turn % 2 === 0 ? sides : [...sides].reverse())
      if (turn < 0) await work(side, turn);
      else measured.get(side)?.push(await undisturbed(side, turn));
  return measured;
}
