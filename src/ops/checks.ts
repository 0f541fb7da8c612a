import type { Clock } from "../kernel/clock.ts";
import { createSampler, type Sampler } from "../kernel/sampler.ts";

export type Status = "pass" | "warn" | "fail";

/** One thing that was looked at; never an address, a name of a user, or the text of an error. */
export interface Figure {
  /** Tells the figures of one check apart, such as `hit_ratio`. */
  id?: string;
  value?: number | string | boolean;
  unit?: string;
  status?: Status;
  output?: string;
}

/** A figure as the health page writes it. */
export interface Entry {
  componentId?: string;
  observedValue?: number | string | boolean;
  observedUnit?: string;
  status: Status;
  time: string;
  output?: string;
}

export type Check = () => Figure | Figure[] | Promise<Figure | Figure[]>;

export interface Checks {
  /**
   * Registers a check of another room, named as on the page (`cache:users`, `bus:lag`); answers the way to remove it.
   * It is asked twice a second. `needed`: the instance is not ready while it fails.
   */
  add(name: string, check: Check, options?: { needed?: boolean }): () => void;
  read(): Record<string, Entry[]>;
  /** The needed checks that fail now. */
  failing(): string[];
  close(): void;
}

export function toEntry({ id, value, unit, status = "pass", output }: Figure, at: number): Entry {
  return {
    ...(id && { componentId: id }),
    ...(value !== undefined && { observedValue: value }),
    ...(unit && { observedUnit: unit }),
    status,
    time: new Date(at).toISOString(),
    ...(output && { output }),
  };
}

export function createChecks(clock: Clock, everyMs = 500): Checks {
  const all = new Map<string, { sampler: Sampler<Figure[]>; needed: boolean }>();

  function entriesOf(sampler: Sampler<Figure[]>): Entry[] {
    const { latest } = sampler;
    if (!latest) return [toEntry({ status: "warn", output: "not looked at yet" }, clock.now())];
    if (latest.ok) return latest.value.map((figure) => toEntry(figure, latest.at));
    const output = latest.reason === "unanswered" ? "no answer in time" : "the check failed";
    return [toEntry({ status: "fail", output }, latest.at)];
  }

  return {
    add(name, check, { needed = false } = {}) {
      if (all.has(name)) throw new Error(`There is a health check "${name}" already`);
      const sampler = createSampler({ clock, everyMs, probe: async () => [await check()].flat() });
      all.set(name, { sampler, needed });
      return () => {
        sampler.close();
        all.delete(name);
      };
    },
    read() {
      const seen = [...all].map(([name, { sampler }]) => [name, entriesOf(sampler)] as const);
      return Object.fromEntries(seen.filter(([, entries]) => entries.length > 0));
    },
    failing: () =>
      [...all]
        .filter(([, { sampler, needed }]) => needed && entriesOf(sampler).some(({ status }) => status === "fail"))
        .map(([name]) => name),
    close() {
      for (const { sampler } of all.values()) sampler.close();
      all.clear();
    },
  };
}
