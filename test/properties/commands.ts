import fc from "fast-check";
import type { SessionMode } from "../../src/sessions/types.ts";

/** What an instance is asked to do for a session; `s` is one of a few places, each of which names one session at a time. */
export type Op =
  | { do: "get" | "touch" | "destroy" | "regenerate" | "born" | "copy"; at: string; s: number }
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
  | { do: "redis is emptied" | "redis is remembered" };

export type Outage = "redis is down" | "redis is frozen" | "redis is full" | "mongodb is down";

export type Simple = Op | StockOp | Turn;
export type Command =
  | Simple
  | { do: "during"; outage: Outage; commands: Simple[] }
  /** The op is stopped where its `leg`-th call would go out, something else is done, and it goes on. */
  | { do: "between"; op: Op; leg: number; commands: Simple[]; outage?: Outage }
  /** All at once, one call to a server at a time, in this order. */
  | { do: "together"; ops: Op[]; order: number[] };

export const places = 6;
/** Sessions in the last places live so long that they can end while a run looks on. */
export const shortPlaces = 2;

const at = fc.constantFrom("A", "B");
const everywhere = fc.constantFrom("A", "B", "all", "all");
const s = fc.nat({ max: places - 1 });

const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant("get" as const), at, s }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("set" as const),
      at,
      s,
      how: fc.constantFrom("read before", "read before", "read before", "made up"),
    }) as fc.Arbitrary<Op>,
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("touch" as const), at, s }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom("destroy" as const, "regenerate" as const, "copy" as const), at, s }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("born" as const), at, s }) },
);

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
  { weight: 5, arbitrary: op },
  { weight: 2, arbitrary: stock },
  { weight: 1, arbitrary: gentle },
);
const leg = fc.integer({ min: 2, max: 4 });

export const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 150, arbitrary: op },
  { weight: 25, arbitrary: stock },
  { weight: 8, arbitrary: gentle },
  { weight: 1, arbitrary: rough },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("during" as const),
      outage,
      commands: fc.array(simple, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 14,
    arbitrary: fc.record({
      do: fc.constant("between" as const),
      op,
      leg,
      commands: fc.array(simple, { minLength: 1, maxLength: 2 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("between" as const),
      op,
      leg,
      commands: fc.array(rough, { minLength: 1, maxLength: 1 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("between" as const),
      op,
      leg,
      commands: fc.array(simple, { maxLength: 1 }),
      outage,
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant("together" as const),
      ops: fc.array(op, { minLength: 2, maxLength: 3 }),
      order: fc.array(fc.nat({ max: 5 }), { minLength: 4, maxLength: 12 }),
    }),
  },
);

/** One line that a reader can replay in the mind. */
export function words(command: Command): string {
  switch (command.do) {
    case "during":
      return `while ${command.outage}: ${command.commands.map(words).join("; ")}`;
    case "between": {
      const meanwhile = [...(command.outage ? [command.outage] : []), ...command.commands.map(words)].join("; ");
      return `${words(command.op)}, and before its call ${command.leg}: ${meanwhile}`;
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
