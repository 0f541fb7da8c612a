/** Something that was done to a session, as seen from the outside alone. */
export interface Act {
  /** What was written; null: the session was ended. */
  readonly value: string | null;
  readonly by: string;
  readonly from: number;
  /** When it was acknowledged. Infinity: nobody knows whether it happened, or when it will. */
  to: number;
  /** Acknowledged, and nothing can have stood in its way. */
  sure: boolean;
}

export interface Answer {
  readonly by: string;
  readonly from: number;
  readonly to: number;
  readonly value: string | null;
}

const nothing: Act = { value: null, by: "", from: -1, to: -1, sure: true };

/** A Map of what was done to each session. `lagMs`: what is known where it was done, the others know so much later. */
export function createOracle(lagMs: number) {
  const acts = new Map<string, Act[]>();
  const shown = new Map<string, { to: number; sources: Act[] }[]>();
  const of = (sid: string) => acts.get(sid) ?? [nothing];
  /** Whether the act was over for somebody who asks as `by`. */
  const known = (act: Act, by: string, from: number) => act.to <= from - (act.by === by ? 0 : lagMs);

  return {
    of,
    known,
    begin(sid: string, by: string, value: string | null, from: number): Act {
      const act = { value, by, from, to: Number.POSITIVE_INFINITY, sure: false };
      acts.set(sid, [...of(sid), act]);
      return act;
    },
    /** It did not happen, and never will. */
    forget(sid: string, act: Act): void {
      acts.set(
        sid,
        of(sid).filter((one) => one !== act),
      );
    },
    /** Why the answer is wrong, if it is. `over`: the session's time may be up. */
    judge(sid: string, { value, by, from, to }: Answer, over: boolean): string | undefined {
      const overtaken = (act: Act) => of(sid).some((one) => one.sure && one.from > act.to && known(one, by, from));
      const right = of(sid).filter((act) => act.from <= to && !overtaken(act));
      const sources = right.filter((act) => act.value === value);
      if (over && value === null) return undefined;
      if (sources.length === 0) return `${value}, where ${right.map((act) => act.value).join(" or ")} is right`;
      const before = (shown.get(by + sid) ?? []).filter((other) => other.to <= from);
      const later = (one: Act, other: Act) => one === other || one.to >= other.from;
      const older = before.some((other) => !sources.some((one) => other.sources.some((seen) => later(one, seen))));
      shown.set(by + sid, [...(shown.get(by + sid) ?? []).slice(-5), { to, sources }]);
      return older ? `${value}, after something newer had been shown there` : undefined;
    },
  };
}

export type Oracle = ReturnType<typeof createOracle>;
