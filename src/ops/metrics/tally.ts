import { Histogram, type Registry } from "prom-client";

export interface TallyOptions {
  registry: Registry;
  name: string;
  help: string;
  /** Its label, or labels, whose values are then given with a blank between; those known beforehand start at 0. */
  label: string | readonly string[];
  known?: readonly string[];
  /** Upper bounds in seconds, ascending. */
  buckets: readonly number[];
}

export interface Tally {
  observe(value: string, seconds: number): void;
}

interface Child {
  counts: Float64Array;
  sum: number;
}

/** A histogram for paths where prom-client's own, which hashes its labels at every observation, would be felt. */
class TallyHistogram extends Histogram {
  readonly #options: TallyOptions;
  readonly #children = new Map<string, Child>();

  constructor(options: TallyOptions) {
    const { registry, name, help, label, buckets, known = [] } = options;
    super({ name, help, labelNames: [label].flat(), buckets: [...buckets], registers: [registry] });
    this.#options = options;
    for (const value of known) this.#child(value);
  }

  #child(value: string): Child {
    let child = this.#children.get(value);
    if (!child) {
      child = { counts: new Float64Array(this.#options.buckets.length + 1), sum: 0 };
      this.#children.set(value, child);
    }
    return child;
  }

  tally(value: string, seconds: number): void {
    const child = this.#child(value);
    const { buckets } = this.#options;
    let index = 0;
    while (index < buckets.length && seconds > (buckets[index] ?? 0)) index++;
    child.counts[index] = (child.counts[index] ?? 0) + 1;
    child.sum += seconds;
  }

  /** What the registry asks, for the page and for JSON alike. */
  async getForPromString() {
    const { name, help, label, buckets } = this.#options;
    const labelsOf = (value: string) => {
      if (typeof label === "string") return { [label]: value };
      const parts = value.split(" ");
      return Object.fromEntries(label.map((one, at) => [one, parts[at] ?? ""]));
    };
    const values = [...this.#children].flatMap(([value, { counts, sum }]) => {
      const sharedLabels = labelsOf(value);
      let count = 0;
      const rows = [...buckets, "+Inf"].map((le, index) => {
        count += counts[index] ?? 0;
        return { metricName: `${name}_bucket`, labels: { le }, sharedLabels, value: count };
      });
      return [
        ...rows,
        { metricName: `${name}_sum`, labels: {}, sharedLabels, value: sum },
        { metricName: `${name}_count`, labels: {}, sharedLabels, value: count },
      ];
    });
    return { name, help, type: "histogram", aggregator: "sum", values };
  }
}

export function tally(options: TallyOptions): Tally {
  const made = new TallyHistogram(options);
  return { observe: (value, seconds) => made.tally(value, seconds) };
}
