import { gated, type Run } from "../support/gate.ts";
import { type Command, type Op, type Outage, type Simple, words } from "./commands.ts";
import type { Play, Tally } from "./play.ts";
import type { World } from "./world.ts";

const lateMs = 150;
const moment = () => new Promise((resolve) => setImmediate(resolve));
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const nameOf = (one: Simple) =>
  one.do === "redis restarts" ? `redis restarts ${one.how}` : one.do === "copy" ? "backfill step" : one.do;

/** Writes of one session on one instance wait for each other. */
const queues = (op: Op, other: Simple) =>
  !["get", "cold get", "copy"].includes(op.do) && "at" in other && "s" in other && other.s === op.s;

/** A place where operations stop until they are let go on. */
function createStop(holds: (run: Run) => boolean) {
  const waiting: { run: Run; go: () => void }[] = [];
  let open = false;
  let onArrival = () => {};
  const arrived = new Promise<void>((resolve) => {
    onArrival = resolve;
  });
  return {
    waiting,
    arrived,
    enter(run: Run): Promise<void> {
      if (open || !holds(run)) return Promise.resolve();
      onArrival();
      return new Promise<void>((go) => waiting.push({ run, go }));
    },
    open(): void {
      open = true;
      for (const { go } of waiting.splice(0)) go();
    },
  };
}

/** Commands in which several things happen at once, or while a server is out. */
export function createInterleave(world: World, play: Play, tally: Tally) {
  function fell(what: string): void {
    tally.between[what] = (tally.between[what] ?? 0) + 1;
  }

  async function begin(outage: Outage): Promise<() => Promise<void>> {
    if (outage === "mongodb is down") {
      world.mongoDown();
      return async () => world.mongoUp();
    }
    if (outage === "redis is frozen") {
      world.redis.freeze();
      return async () => world.redis.thaw();
    }
    if (outage === "redis is full") {
      await world.redis.fill();
      return () => world.redis.relieve();
    }
    tally.restarts += 1;
    const back = await world.redis.snapshot();
    await world.redis.kill();
    return back;
  }

  const useless = (outage: Outage | undefined, one: Simple) =>
    outage !== undefined && (one.do === "all is well" || (outage.startsWith("redis") && one.do.startsWith("redis")));

  async function during({ outage, commands }: Command & { do: "during" }): Promise<void> {
    const restore = await begin(outage);
    try {
      for (const one of commands) if (!useless(outage, one)) await play.simply(one);
    } finally {
      await restore();
    }
  }

  async function between({ op, leg, late, outage, commands }: Command & { do: "between" }): Promise<void> {
    const stop = createStop((run) => run.legs + 1 >= leg);
    const { run, done } = gated(words(op), stop.enter, () => play.operate(op));
    const finished = done.then(moment).then(moment);
    finished.catch(() => {});
    await Promise.race([stop.arrived, finished.catch(() => {})]);
    const after: Promise<void>[] = [];
    let restore = async () => {};
    try {
      const held = () => stop.waiting.length > 0 && run.legs > 0;
      if (outage) {
        restore = await begin(outage);
        if (held()) fell(outage);
      }
      for (const one of commands) {
        if (useless(outage, one)) continue;
        if (held()) fell(nameOf(one));
        const doing = play.simply(one);
        if (queues(op, one)) after.push(doing);
        else await doing;
      }
      if (late && held()) await pause(lateMs);
    } finally {
      stop.open();
      const died = commands.some((one) => one.do === "crash" && world.at(one.at) === world.at(op.at));
      // A process that died never answers.
      if (!died) await done.finally(restore);
      else await restore();
      await Promise.all(after);
    }
  }

  /** One call to a server at a time, by whoever's turn it is. */
  async function together({ ops, order }: Command & { do: "together" }): Promise<void> {
    const stop = createStop(() => true);
    let left = ops.length;
    const runs = ops.map((op) => {
      const one = gated(words(op), stop.enter, () => play.operate(op));
      const ended = one.done.finally(() => {
        left -= 1;
      });
      ended.catch(() => {});
      return { op, run: one.run, ended };
    });
    for (let step = 0, idle = 0; left > 0 || idle < 3; ) {
      await moment();
      if (runs.some(({ run }) => run.active > 0)) {
        await pause(1);
        continue;
      }
      const turn = (order[step % order.length] ?? 0) % Math.max(stop.waiting.length, 1);
      const [next] = stop.waiting.splice(turn, 1);
      if (!next) {
        if (left === 0) idle += 1;
        else await pause(2);
        continue;
      }
      step += 1;
      idle = 0;
      const mine = runs.find(({ run }) => run === next.run);
      const others = stop.waiting.filter(({ run }) => run !== next.run && run.legs > 0);
      if (mine && others.length > 0) fell(`${nameOf(mine.op)} elsewhere`);
      next.go();
    }
    stop.open();
    await Promise.all(runs.map(({ ended }) => ended));
  }

  let done = 0;
  const concerned = (command: Command): number[] => {
    if (command.do === "between") return [command.op.s];
    return command.do === "together" ? [...new Set(command.ops.map(({ s }) => s))] : [];
  };
  const isRough = ({ do: what }: Command) => /restarts|emptied|crash|kill switch|during/.test(what);

  return async function perform(command: Command): Promise<void> {
    try {
      if (command.do === "during") await during(command);
      else if (command.do === "between") await between(command);
      else if (command.do === "together") await together(command);
      else await play.simply(command);
      for (const s of concerned(command)) await play.probe(s);
      done += 1;
      if (done % 3 !== 0) for (const s of concerned(command)) await play.move(s);
      // Half of the time the next commands see the recovery, half of the time what comes after it.
      tally.rough += isRough(command) ? 1 : 0;
      if (isRough(command) && tally.rough % 2 === 0) await world.restored();
    } catch (error) {
      throw new Error(`${words(command)}: ${(error as Error).message}`, { cause: error });
    }
  };
}
