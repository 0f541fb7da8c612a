const sorted = (list: readonly number[]) => [...list].sort((a, b) => a - b);

export const quantile = (list: readonly number[], part: number): number =>
  sorted(list)[Math.min(list.length - 1, Math.floor(list.length * part))] ?? 0;

/** Between the two in the middle, where they are even in number. */
export function median(list: readonly number[]): number {
  const [lower = 0, upper = 0] = [Math.ceil(list.length / 2) - 1, Math.floor(list.length / 2)].map(
    (at) => sorted(list)[at],
  );
  return (lower + upper) / 2;
}

/** The middle of the rounds' own ratios, and between which they lay: a busy machine slows both sides of one round. */
export function ratioOf(ours: readonly number[], others: readonly number[]) {
  const ratios = ours.map((one, n) => one / (others[n] ?? one));
  return {
    value: median(ratios),
    min: Math.min(...ratios),
    max: Math.max(...ratios),
    ours: median(ours),
    other: median(others),
  };
}
