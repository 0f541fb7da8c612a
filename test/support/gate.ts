import { AsyncLocalStorage } from "node:async_hooks";
import type { RedisDoor } from "../../src/redis/types.ts";
import type { Db } from "./session-store.ts";

/** An operation of a store, whose calls to the servers (its legs) go through a gate one by one. */
export interface Run {
  readonly name: string;
  /** Legs that have been begun. */
  legs: number;
  /** Under way at a server now. */
  active: number;
  readonly enter: (run: Run, leg: string) => Promise<void>;
}

const inside = new AsyncLocalStorage<Run>();
const never = new Promise<never>(() => {});

/** What a process is seen to do by its servers; once it is dead, it asks nothing and hears nothing any more. */
export interface Life {
  dead: boolean;
}

/** Runs `work` as an operation whose every leg waits for `enter`. */
export function gated<T>(name: string, enter: Run["enter"], work: () => Promise<T>): { run: Run; done: Promise<T> } {
  const run: Run = { name, legs: 0, active: 0, enter };
  return { run, done: inside.run(run, work) };
}

async function leg<T>(life: Life, name: string, call: () => Promise<T>): Promise<T> {
  const run = inside.getStore();
  if (run) {
    await run.enter(run, name);
    run.legs += 1;
    run.active += 1;
  }
  try {
    return life.dead ? await never : await call();
  } finally {
    if (run) run.active -= 1;
    if (life.dead) await never;
  }
}

function wrapped<T extends object>(target: T, replaced: (key: PropertyKey, value: unknown) => unknown): T {
  return new Proxy(target, {
    get(_, key) {
      const value: unknown = Reflect.get(target, key, target);
      const other = replaced(key, value);
      if (other !== undefined) return other;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** A call to MongoDB that is made where neither a door nor a database is handed in. */
export const gateLoad = leg;

export function gateDoor(door: RedisDoor, life: Life): RedisDoor {
  const call: RedisDoor["call"] = (name, ...rest) => leg(life, `redis ${name}`, () => door.call(name, ...rest));
  const ask: RedisDoor["ask"] = (name, command, options, onAnswer) => {
    void call(name, command, options).then(onAnswer);
  };
  const script: RedisDoor["script"] = (one, ...rest) => leg(life, `redis ${one.name}`, () => door.script(one, ...rest));
  const gates: Record<PropertyKey, unknown> = { call, ask, script };
  return wrapped(door, (key) => gates[key]);
}

const legs = new Set(["findOne", "updateOne", "deleteOne", "deleteMany", "bulkWrite"]);

/** The epoch is looked at by itself, and must not stand still with an operation. */
export function gateDb(db: Db, life: Life): Db {
  const collection = (name: string) => {
    const one = db.collection(name);
    return wrapped(one, (key, value) => {
      if (typeof value !== "function" || !legs.has(String(key))) return undefined;
      return (...args: unknown[]) => {
        const call = () => Promise.resolve(value.apply(one, args));
        if (name !== "sluice_epochs") return leg(life, `mongo ${String(key)}`, call);
        return life.dead ? never : call();
      };
    });
  };
  return wrapped(db, (key) => (key === "collection" ? collection : undefined));
}
