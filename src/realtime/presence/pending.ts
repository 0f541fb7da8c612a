/** A change of what this instance has, until Redis has answered for it. */
export interface Op {
  readonly add: boolean;
  readonly profile: string;
  /** Tells whoever waits whether it was the first. */
  first?: ((first: boolean) => void) | undefined;
  /** Called when nobody has it any more; absent: nobody is to be told. */
  gone?: (() => void) | undefined;
  /** Others know that it was there, and not yet that it is gone. */
  told?: boolean;
  /** By `performance.now()`. */
  notBefore: number;
  /** How often nobody could say whether others have it. */
  unsure?: number;
}

export type Change = readonly [member: string, op: Op];

/** What this instance has in a set, and which of it Redis does not know yet. */
export interface Pending {
  /** How many Redis has of ours, by its last answer. */
  readonly held: number;
  /** Nobody is here, and nobody need be told. */
  readonly over: boolean;
  add(member: string, profile: string): Promise<boolean>;
  remove(member: string, gone?: () => void): void;
  due(): boolean;
  /** The next changes; the same ones again until they are acknowledged or asserted. */
  take(most: number): readonly Change[];
  /** True when anything is another now. */
  acknowledge(flags: string): boolean;
  /** All that Redis must be told whatever it knows; `had`: what it has of ours. */
  plan(had: readonly string[], reaped: boolean, lingerUntil: number): readonly Change[];
  /** The plan was carried out. `first`: nobody had them. Answers those who were told to be gone, and are back. */
  asserted(plan: readonly Change[], first: ReadonlySet<string>, reaped: boolean): string[];
  /** Answers by what is known here, as far as that may be; `member` alone, or all. `down`: all will be asserted again. */
  withoutRedis(down: boolean, member?: string): void;
}

interface Options {
  /** Without Redis `add` answers by what was known last, rather than wait. */
  guess: boolean;
  /** What is known without Redis is all there is to know. */
  certain: () => boolean;
  othersHave: (member: string) => boolean;
  /** Whoever could not say whether they have somebody says so within this: a beat. */
  longestMs: number;
}

/** Whether others have somebody could not be said: asked again with the first change or beat after this, then after twice as long, and so on. */
const unsureMs = 100;

export function createPending({ guess, certain, othersHave, longestMs }: Options): Pending {
  /** `told`: others know that it is there, from us or from another. */
  const here = new Map<string, { profile: string; told: boolean }>();
  const ops = new Map<string, Op>();
  const held = new Set<string>();
  let going: Change[] = [];
  let covered = new Set<Op>();
  let hadBefore: ReadonlySet<string> = new Set();

  const isDue = ({ notBefore }: Op) => notBefore <= performance.now();
  const goingOf = (member: string) => going.find(([one]) => one === member)?.[1];

  /** What was on its way waits again, unless something newer does, or did and was answered without Redis. */
  function giveBack(): void {
    for (const [member, op] of going) {
      if (!ops.has(member) && op.add === here.has(member)) ops.set(member, op);
      else op.first?.(false);
    }
    going = [];
  }

  function came(member: string, op: Op, first: boolean): void {
    const entry = here.get(member);
    const news = first && !entry?.told;
    if (entry) entry.told = true;
    const later = ops.get(member);
    if (later && !later.add) later.told = true;
    op.first?.(news);
    op.first = undefined;
  }

  function went(member: string, op: Op): void {
    const entry = here.get(member);
    if (entry) entry.told = false;
    op.told = false;
    // Whoever waits to hear that it came must hear that first.
    if (op.gone) queueMicrotask(op.gone);
    op.gone = undefined;
  }

  function answer(member: string, op: Op): void {
    const sure = certain();
    if (op.add && op.first && (sure || guess)) came(member, op, !othersHave(member));
    if (!op.add && op.gone && sure && !othersHave(member)) went(member, op);
  }

  return {
    get held() {
      return held.size;
    },
    get over() {
      return here.size === 0 && ops.size === 0 && going.length === 0;
    },
    add(member, profile) {
      const entry = here.get(member);
      if (entry?.profile === profile) return Promise.resolve(false);
      const op = ops.get(member);
      const told = entry?.told ?? op?.told ?? goingOf(member)?.told ?? false;
      here.set(member, { profile, told });
      op?.first?.(false);
      return new Promise((first) => ops.set(member, { add: true, profile, first, notBefore: 0 }));
    },
    remove(member, gone) {
      const entry = here.get(member);
      if (!entry) return;
      here.delete(member);
      ops.get(member)?.first?.(false);
      const { profile, told } = entry;
      const loud = gone && (told || goingOf(member)?.add);
      ops.set(member, { add: false, profile, gone: loud ? gone : undefined, told, notBefore: 0 });
    },
    due() {
      if (going.length > 0) return true;
      for (const op of ops.values()) if (isDue(op)) return true;
      return false;
    },
    take(most) {
      if (going.length > 0) return going;
      for (const [member, op] of ops) {
        if (going.length === most) break;
        if (!isDue(op)) continue;
        ops.delete(member);
        going.push([member, op]);
      }
      return going;
    },
    acknowledge(flags) {
      const done = going;
      going = [];
      for (const [at, [member, op]] of done.entries()) {
        if (op.add) {
          held.add(member);
          came(member, op, flags[at] === "1");
        } else if (flags[at] === "2") {
          const { unsure = 0 } = op;
          op.notBefore = performance.now() + Math.min(unsureMs * 2 ** unsure, longestMs);
          op.unsure = unsure + 1;
          if (!ops.has(member) && !here.has(member)) ops.set(member, op);
        } else {
          held.delete(member);
          if (flags[at] === "1") went(member, op);
        }
      }
      return /[^2]/.test(flags);
    },
    plan(had, reaped, lingerUntil) {
      giveBack();
      hadBefore = new Set(had);
      const plan = new Map<string, Op>();
      for (const member of had) plan.set(member, { add: false, profile: "", notBefore: 0 });
      for (const [member, op] of ops) {
        // Whoever reaped us has told that it is gone; and nobody was told that it came while that was not answered.
        if (!op.told || (reaped && !hadBefore.has(member))) op.gone = undefined;
        if (!op.gone) continue;
        op.notBefore ||= lingerUntil;
        plan.set(member, { add: true, profile: op.profile, notBefore: 0 });
      }
      for (const [member, { profile }] of here)
        plan.set(member, ops.get(member) ?? { add: true, profile, notBefore: 0 });
      covered = new Set([...ops.values()].filter((op) => !op.gone));
      return [...plan];
    },
    asserted(plan, first, reaped) {
      held.clear();
      for (const [member, op] of ops) if (covered.has(op)) ops.delete(member);
      const back: string[] = [];
      for (const [member, op] of plan) {
        if (!op.add) continue;
        held.add(member);
        if (reaped && first.has(member) && here.get(member)?.told) back.push(member);
        came(member, op, first.has(member));
      }
      return back;
    },
    withoutRedis(down, only) {
      for (const [member, op] of going) answer(member, op);
      const of = only === undefined ? ops.keys() : [only];
      for (const member of [...of]) {
        const op = ops.get(member);
        if (!op) continue;
        answer(member, op);
        if (down && !op.first && !op.gone) ops.delete(member);
      }
    },
  };
}
