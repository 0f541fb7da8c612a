import fc from "fast-check";
import type { SessionMode } from "../../src/sessions/types.ts";

/** What an instance is asked to do for a session; `s` is one of a few places, each of which names one session at a time. */
export type Op =
  | { do: "get" | "cold get" | "touch" | "destroy" | "regenerate" | "born" | "copy"; at: string; s: number }
  | { do: "set"; at: string; s: number; how: "read before" | "made up" };

/** Done by an old server beside. */
export type StockOp = { do: "stock set" | "stock touch" | "stock destroy"; s: number };

export type Turn =
  | { do: "dial"; at: string; percent: number }
  | { do: "mode"; at: string; mode: SessionMode }
  | { do: "kill switch"; at: string; on: boolean }
  | { do: "clock"; at: string; ms: number }
  | { do: "crash"; at: string }
  | { do: "redis restarts"; how: "with its data" | "empty" | "with older data" }
  | { do: "redis is emptied" | "redis is remembered" | "all is well" };

export type Outage = "redis is down" | "redis is frozen" | "redis is full" | "mongodb is down";

export type Simple = Op | StockOp | Turn;
export type Command =
  | Simple
  | { do: "during"; outage: Outage; commands: Simple[] }
  /** The op is stopped where its `leg`-th call would go out, something else is done, and it goes on, or goes on late. */
  | { do: "between"; op: Op; leg: number; late: boolean; commands: Simple[]; outage?: Outage }
  /** All at once, one call to a server at a time, in this order. */
  | { do: "together"; ops: Op[]; order: number[] };

export const places = 4;
/** Sessions in the last places live so long that they can end while a run looks on. */
export const shortPlaces = 1;

const at = fc.constantFrom("A", "B");
const everywhere = fc.constantFrom("A", "B", "all", "all");
const s = fc.nat({ max: places - 1 });

function ops(weights: Record<Exclude<Op["do"], "set"> | "set", number>): fc.Arbitrary<Op> {
  const how = fc.constantFrom("read before" as const, "read before" as const, "made up" as const);
  return fc.oneof(
    ...Object.entries(weights).map(([name, weight]) => ({
      weight,
      arbitrary: (name === "set"
        ? fc.record({ do: fc.constant(name), at, s, how })
        : fc.record({ do: fc.constant(name), at, s })) as fc.Arbitrary<Op>,
    })),
  );
}
const op = ops({ get: 10, "cold get": 2, set: 5, touch: 2, destroy: 1, regenerate: 1, born: 5, copy: 1 });
/** Those with several calls, and those that come in between. */
const slow = ops({ get: 2, "cold get": 6, set: 5, touch: 2, destroy: 3, regenerate: 1, born: 2, copy: 3 });
const quick = ops({ get: 2, "cold get": 1, set: 6, touch: 1, destroy: 3, regenerate: 2, born: 0, copy: 2 });

const stock: fc.Arbitrary<StockOp> = fc.record({
  do: fc.constantFrom("stock set", "stock set", "stock destroy", "stock touch"),
  s,
}) as fc.Arbitrary<StockOp>;

const gentle: fc.Arbitrary<Turn> = fc.oneof(
  fc.record({ do: fc.constant("dial" as const), at: everywhere, percent: fc.constantFrom(0, 50, 100, 100, 100) }),
  fc.record({
    do: fc.constant("mode" as const),
    at: everywhere,
    mode: fc.constantFrom<SessionMode>("off", "shadow", "serve", "serve", "serve", "serve"),
  }),
  fc.record({ do: fc.constant("clock" as const), at, ms: fc.constantFrom(0, 0, -20_000, 20_000) }),
  fc.record({ do: fc.constant("redis is remembered" as const) }),
);

const rough: fc.Arbitrary<Turn> = fc.oneof(
  fc.record({ do: fc.constant("kill switch" as const), at: everywhere, on: fc.boolean() }),
  fc.record({ do: fc.constant("crash" as const), at }),
  fc.record({
    do: fc.constant("redis restarts" as const),
    how: fc.constantFrom("with its data" as const, "empty" as const, "with older data" as const),
  }),
  fc.record({ do: fc.constant("redis is emptied" as const) }),
);

const outage = fc.constantFrom<Outage>("redis is down", "redis is frozen", "redis is full", "mongodb is down");
const simple = fc.oneof(
  { weight: 6, arbitrary: quick },
  { weight: 2, arbitrary: stock },
  { weight: 1, arbitrary: gentle },
);

/** What comes between touches the same session, as a rule: else nothing can go wrong. */
function between(inner: fc.Arbitrary<Simple[]>, outages?: fc.Arbitrary<Outage>): fc.Arbitrary<Command> {
  const parts = fc.record({
    op: slow,
    leg: fc.constantFrom(2, 2, 2, 3, 4, 4),
    late: fc.boolean(),
    elsewhere: fc.nat({ max: 5 }),
    commands: inner,
    ...(outages ? { outage: outages } : {}),
  });
  return parts.map(({ elsewhere, commands, ...rest }) => ({
    do: "between",
    ...rest,
    commands: elsewhere === 0 ? commands : commands.map((one) => ("s" in one ? { ...one, s: rest.op.s } : one)),
  })) as fc.Arbitrary<Command>;
}

const together = fc
  .record({
    ops: fc.array(slow, { minLength: 2, maxLength: 3 }),
    elsewhere: fc.nat({ max: 3 }),
    order: fc.array(fc.nat({ max: 5 }), { minLength: 4, maxLength: 12 }),
  })
  .map(({ ops: some, elsewhere, order }): Command => {
    const s = some[0]?.s ?? 0;
    return { do: "together", ops: elsewhere === 0 ? some : some.map((one) => ({ ...one, s })), order };
  });

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 120, arbitrary: op },
  { weight: 20, arbitrary: stock },
  { weight: 10, arbitrary: gentle },
  { weight: 1, arbitrary: rough },
  { weight: 14, arbitrary: fc.constant<Turn>({ do: "all is well" }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("during" as const),
      outage,
      commands: fc.array(simple, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 40, arbitrary: between(fc.array(simple, { minLength: 1, maxLength: 2 })) },
  { weight: 5, arbitrary: between(fc.array(rough, { minLength: 1, maxLength: 1 })) },
  { weight: 7, arbitrary: between(fc.array(simple, { maxLength: 1 }), outage) },
  { weight: 16, arbitrary: together },
);

/** Each puts one fault where it matters, for those that chance has left out. */
export function directed(fault: string, s: number): Command | undefined {
  const op: Op = { do: "destroy", at: "A", s };
  const so = { do: "between" as const, op, leg: 2, late: false };
  const [, how] = /^redis restarts (.*)$/.exec(fault) ?? [];
  if (how) return { ...so, commands: [{ do: "redis restarts", how: how as "empty" }] };
  if (/^(redis is (down|frozen|full)|mongodb is down)$/.test(fault))
    return { ...so, commands: [], outage: fault as Outage };
  const turns: Record<string, Simple> = {
    "redis is emptied": { do: "redis is emptied" },
    dial: { do: "dial", at: "all", percent: 0 },
    mode: { do: "mode", at: "all", mode: "shadow" },
    "kill switch": { do: "kill switch", at: "all", on: true },
    clock: { do: "clock", at: "A", ms: 20_000 },
    crash: { do: "crash", at: "A" },
    "stock set": { do: "stock set", s },
    "stock destroy": { do: "stock destroy", s },
    "backfill step": { do: "copy", at: "A", s },
    set: { do: "set", at: "B", s, how: "made up" },
    destroy: { do: "destroy", at: "B", s },
    regenerate: { do: "regenerate", at: "B", s },
  };
  const turn = turns[fault];
  return turn && { ...so, commands: [turn] };
}

/** A run: with two instances, or with one that nobody can put right. */
export const run = fc.record({
  alone: fc.constantFrom(true, false, false),
  commands: fc.array(command, { minLength: 1, maxLength: 90, size: "max" }),
});

/** One line that a reader can replay in the mind. */
export function words(command: Command): string {
  switch (command.do) {
    case "during":
      return `while ${command.outage}: ${command.commands.map(words).join("; ")}`;
    case "between": {
      const meanwhile = [...(command.outage ? [command.outage] : []), ...command.commands.map(words)].join("; ");
      return `${words(command.op)}, and before its call ${command.leg}${command.late ? ", which comes late" : ""}: ${meanwhile}`;
    }
    case "together":
      return `at once, in the order ${command.order.join("")}: ${command.ops.map(words).join("; ")}`;
    case "set":
      return `${command.at} sets s${command.s} (${command.how})`;
    case "dial":
      return `the dial of ${command.at} goes to ${command.percent}`;
    case "mode":
      return `the mode of ${command.at} becomes ${command.mode}`;
    case "kill switch":
      return `the kill switch of ${command.at} goes ${command.on ? "on" : "off"}`;
    case "clock":
      return `the clock of ${command.at} is ${command.ms} ms off`;
    case "crash":
      return `${command.at} crashes, and another process takes its place`;
    case "redis restarts":
      return `redis restarts ${command.how}`;
    default:
      if (!("s" in command)) return command.do;
      return "at" in command ? `${command.at}: ${command.do} s${command.s}` : `${command.do} s${command.s}`;
  }
}
