const sorted = (list: readonly number[]) => [...list].sort((a, b) => a - b);

export const quantile = (list: readonly number[], part: number): number =>
  sorted(list)[Math.min(list.length - 1, Math.floor(list.length * part))] ?? 0;

export const median = (list: readonly number[]): number => quantile(list, 0.5);

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
