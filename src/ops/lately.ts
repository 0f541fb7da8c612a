/** Sums of the last moments; each look ends one of them. */
export interface Lately<Name extends string> {
  add(name: Name, amount?: number): void;
  /** Ends the moment, and answers it with the ones before: by itself, and all together. */
  look(): Readonly<Record<"now" | "all", Readonly<Record<Name, number>>>>;
}

// Checks are looked at twice a second; what is over is told for a few seconds more.
const looks = 20;

export function createLately<Name extends string>(...names: Name[]): Lately<Name> {
  const none = () => Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
  let moments: Record<Name, number>[] = [];
  let now = none();
  return {
    add(name, amount = 1) {
      now[name] += amount;
    },
    look() {
      moments = [...moments.slice(1 - looks), now];
      now = none();
      const all = none();
      for (const moment of moments) for (const name of names) all[name] += moment[name];
      return { now: moments.at(-1) ?? all, all };
    },
  };
}

/** What share is bad: of this moment, which tells it soonest, or of all of them, which tells of what is rare. */
export function worstShare<Name extends string>(
  moments: ReturnType<Lately<Name>["look"]>,
  bad: Name,
  all: readonly Name[],
  fewest: number,
): number {
  const shares = [moments.now, moments.all].map((moment) => {
    const sum = all.reduce((whole, name) => whole + moment[name], 0);
    return sum < fewest ? 0 : moment[bad] / sum;
  });
  return Math.max(...shares);
}
