export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What is on a page of metrics, as Prometheus would read it. */
export interface Figures {
  /** Of a series as it is written on the page; of a name without labels, in sum over them. Undefined when there is none. */
  of(series: string): number | undefined;
  all(name: string): Sample[];
  /** Of all that have these labels, whatever their others. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
}

export function figuresIn(page: string): Figures {
  const lines = page.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const read = (line: string) => Number(line.slice(line.lastIndexOf(" ") + 1));
  const all = (name: string) =>
    lines
      .filter((line) => line.startsWith(`${name}{`))
      .map((line) => ({
        labels: Object.fromEntries([...line.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, is]) => [label, is])),
        value: read(line),
      }));
  return {
    all,
    sum: (name, labels = {}) =>
      all(name)
        .filter((sample) => Object.entries(labels).every(([label, is]) => sample.labels[label] === is))
        .reduce((sum, { value }) => sum + value, 0),
    of(series) {
      const found = lines.filter((line) => line.startsWith(`${series} `) || line.startsWith(`${series}{`));
      return found.length === 0 ? undefined : found.reduce((sum, line) => sum + read(line), 0);
    },
  };
}

/** Of a server. */
export const figuresOf = async (url: string) => figuresIn(await (await fetch(`${url}/metrics`)).text());

/** One of them; 0 when there is none. */
export const figureOf = async (url: string, series: string) => (await figuresOf(url)).of(series) ?? 0;
