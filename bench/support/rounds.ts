/**
 * A B, B A, A B, … so that neither always comes first: what `work` measured of each side, round by round.
 * The first `warm` rounds, whose `turn` is below 0, are left out.
 */
export async function rounds<Side, Round>(
  sides: readonly Side[],
  times: number,
  work: (side: Side, turn: number) => Round | Promise<Round>,
  { warm = 0 } = {},
): Promise<Map<Side, Round[]>> {
  const measured = new Map(sides.map((side) => [side, [] as Round[]]));
  for (let turn = -warm; turn < times; turn += 1)
    for (const side of turn % 2 === 0 ? sides : [...sides].reverse()) {
      const one = await work(side, turn);
      if (turn >= 0) measured.get(side)?.push(one);
    }
  return measured;
}
