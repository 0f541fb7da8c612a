const sorted = (list: readonly number[]) => [...list].sort((a, b) => a - b);

/** No number, of nothing. */
export const quantile = (list: readonly number[], part: number): number =>
  sorted(list)[Math.min(list.length - 1, Math.floor(list.length * part))] ?? Number.NaN;

/** Between the two in the middle, where they are even in number; no number, of nothing. */
export function median(list: readonly number[]): number {
  const inOrder = sorted(list);
  const [lower = Number.NaN, upper = Number.NaN] = [Math.ceil(list.length / 2) - 1, Math.floor(list.length / 2)].map(
    (at) => inOrder[at],
  );
  return (lower + upper) / 2;
}

/** The middle of the rounds' own ratios, and between which they lay: a busy machine slows both sides of one round. */
export function ratioOf(ours: readonly number[], others: readonly number[]) {
  if (ours.length === 0 || ours.length !== others.length)
    throw new Error(`rounds are compared in pairs: ${ours.length} of ours, ${others.length} of the other side`);
  const ratios = ours.map((one, n) => one / (others[n] ?? Number.NaN));
  return {
    value: median(ratios),
    min: Math.min(...ratios),
    max: Math.max(...ratios),
    ours: median(ours),
    other: median(others),
    rounds: { ours, other: others },
  };
}
