import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** Each label with the values known beforehand, whose series start at 0; none known: `[]`. */
export type Labels<L extends string> = Record<L, readonly string[]>;

export interface SeriesOptions<L extends string> {
  registry: Registry;
  name: string;
  help: string;
  labels?: Labels<L>;
}

function combinations<L extends string>(labels: Labels<L>): Record<L, string>[] {
  let all = [{}] as Record<L, string>[];
  for (const [label, values] of Object.entries<readonly string[]>(labels))
    all = all.flatMap((one) => values.map((value) => ({ ...one, [label]: value })));
  return all;
}

function parts<L extends string>({ registry, name, help, labels }: SeriesOptions<L>) {
  const labelNames = Object.keys(labels ?? {}) as L[];
  return { config: { name, help, labelNames, registers: [registry] }, known: labels ? combinations(labels) : [] };
}

export function counter<L extends string = never>(options: SeriesOptions<L>): Counter<L> {
  const { config, known } = parts(options);
  const made = new Counter<L>(config);
  for (const labels of known) made.inc(labels, 0);
  return made;
}

export function histogram<L extends string = never>(options: SeriesOptions<L> & { buckets: number[] }): Histogram<L> {
  const { config, known } = parts(options);
  const made = new Histogram<L>({ ...config, buckets: options.buckets });
  for (const labels of known) made.zero(labels);
  return made;
}

export function gauge<L extends string = never>(
  options: SeriesOptions<L> & { read?: (made: Gauge<L>) => void | Promise<void> },
): Gauge<L> {
  const { config, known } = parts(options);
  const { read } = options;
  const made: Gauge<L> = new Gauge<L>({ ...config, ...(read && { collect: () => read(made) }) });
  for (const labels of known) made.set(labels, 0);
  return made;
}

/** A counter whose sums are kept elsewhere; `read` answers them all. */
export function sums<L extends string = never>(
  options: SeriesOptions<L> & { read: () => Iterable<readonly [Record<L, string>, number]> },
): Counter<L> {
  const { config, known } = parts(options);
  const made: Counter<L> = new Counter<L>({
    ...config,
    collect() {
      made.reset();
      for (const labels of known) made.inc(labels, 0);
      for (const [labels, sum] of options.read()) made.inc(labels, sum);
    },
  });
  return made;
}

/** A gauge of one series per state, 1 for the one that holds. */
export function oneOf<S extends string>(
  options: Omit<SeriesOptions<"state">, "labels"> & { states: readonly S[]; now: () => S | undefined },
): void {
  gauge<"state">({
    ...options,
    labels: { state: options.states },
    read(made) {
      const now = options.now();
      for (const state of options.states) made.set({ state }, state === now ? 1 : 0);
    },
  });
}
