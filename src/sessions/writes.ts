import type { SessionData } from "express-session";
import { isServerError, isUnavailable } from "../mongo/errors.ts";
import type { Answer } from "../redis/types.ts";
import { type Base, baseOf, isBorn, setBase } from "./bases.ts";
import type { Encoded } from "./codec.ts";
import { writeCopy } from "./copy.ts";
import type { Floors } from "./floors.ts";
import { createMending } from "./mending.ts";
import type { Parts } from "./parts.ts";
import { createTurns } from "./turns.ts";
import type { Operation, OperationResult } from "./types.ts";
import type { Version } from "./version.ts";

export interface Writes {
  /** What was done; undefined: nothing, as it had ended, or a newer write was there already. */
  set(id: string, session: SessionData): Promise<"create" | "update" | undefined>;
  /** false: there is no such session. */
  touch(id: string, session: SessionData): Promise<boolean>;
  destroy(id: string): Promise<void>;
  close(): void;
}

export interface WriteOptions {
  parts: Parts;
  floors: Floors;
  aside(work: Promise<unknown>): void;
}

const TENTH = 10;

/** A save under way: whether somebody else was seen to change or end the session meanwhile, and what became of it. */
interface Made {
  overtaken: boolean;
  done: "create" | "update" | undefined;
}

/** Refused by the server, or too large to be sent to it: nothing will come of it any more. */
const refused = (error: unknown): boolean =>
  error instanceof RangeError || (isServerError(error) && !isUnavailable(error));

export function createWrites({ parts, floors, aside }: WriteOptions): Writes {
  const { bucket, clock, codec, copies, deadlines, dial, documents, events, timing, trust } = parts;
  const { ttlSeconds, options } = parts;
  const touchAfterMs = (options.touchAfter ?? 0) * 1_000;
  const inTurn = createTurns(deadlines, parts.operationMs);

  function expiresOf({ cookie }: SessionData): number {
    const { expires } = cookie ?? {};
    return expires ? new Date(expires).getTime() || 0 : clock.now() + ttlSeconds * 1_000;
  }

  /** Those of which a first copy is being made. */
  const making = new Map<string, Made>();
  const overtake = ({ id }: { id: string }): void => {
    const made = making.get(id);
    if (made) made.overtaken = true;
  };
  const leave = [events.on("changed", overtake), events.on("endMoved", overtake), events.on("ended", overtake)];

  const inBucket = (id: string) => dial.current.mode === "serve" && bucket.holds(id, dial.current.percent);

  const mending = createMending({ copies, trust, timing, aside });

  /**
   * The Redis half: waited for when Redis answers for this session, else on its own. The first copy of a session might
   * still be written after it was taken away, so that only a new epoch helps.
   */
  async function leg(id: string, answer: Promise<Answer<unknown>>, born = false): Promise<void> {
    const settled = answer.then((known) => {
      if (known.ok) return;
      if (born) trust.legFailed(known);
      else mending.now(id);
    });
    if (inBucket(id)) await settled;
    else aside(settled);
  }

  async function timed(op: Operation, store: "mongo" | "redis", work: () => Promise<OperationResult>) {
    const begun = performance.now();
    let result: OperationResult = "error";
    try {
      result = await work();
      return result;
    } finally {
      events.emit("operation", { op, store, result, seconds: (performance.now() - begun) / 1_000 });
    }
  }

  function copyOf(encoded: Encoded, expires: number, epoch: number, version: Version): string | undefined {
    const { portable } = encoded;
    return portable ? writeCopy(portable.json, { expires, epoch, version, dated: portable.dated }) : undefined;
  }

  /** A copy that is there all the same would be shown until its time is up. */
  async function gone(id: string): Promise<void> {
    floors.bury(id);
    if (trust.writes()) await leg(id, copies.drop(id));
  }

  async function save(id: string, session: SessionData, made: Made): Promise<OperationResult> {
    const begun = performance.now();
    const redis = trust.writes();
    const { value: epoch } = trust.epoch;
    const encoded = await codec.encode(session);
    const expires = expiresOf(session);
    const base = baseOf(session, id);
    const content = { stored: encoded.stored, hash: encoded.hash, expires };
    const write = base ? documents.replace(id, content, base.version, redis) : documents.put(id, content, redis);
    const written = await write.catch((error: unknown) => {
      if (redis && !refused(error)) {
        floors.bury(id);
        mending.later(id);
      }
      throw error;
    });
    if (written.outcome === "gone") await gone(id);
    if (written.outcome !== "ok") return written.outcome;
    const { version } = written;
    made.done = written.born ? "create" : "update";
    setBase(session, { id, version, expires });
    floors.set(id, version);
    if (!redis) return "ok";
    const copy = made.overtaken ? undefined : copyOf(encoded, expires, epoch, version);
    const born = written.born && isBorn(session) && inBucket(id);
    if (copy) await leg(id, copies.put(id, copy, version, expires - clock.now(), born), born);
    else await leg(id, copies.drop(id));
    // Whoever changed or ended it meanwhile has dropped nothing, and the others do not look after a copy for ever.
    if (born && (made.overtaken || performance.now() - begun > timing.settle)) await leg(id, copies.drop(id));
    return "ok";
  }

  async function set(id: string, session: SessionData): Promise<Made["done"]> {
    const made: Made = { overtaken: false, done: undefined };
    if (isBorn(session)) making.set(id, made);
    try {
      await timed("set", "mongo", () => save(id, session, made));
      return made.done;
    } finally {
      making.delete(id);
    }
  }

  /** Whether MongoDB must know of the touch: it is never behind by more than a tenth of the life. */
  function isDue(base: Base | undefined, expires: number, lifeMs: number): boolean {
    if (!base || lifeMs <= 0) return true;
    const most = Math.min(lifeMs / TENTH, touchAfterMs || Number.POSITIVE_INFINITY);
    return Math.abs(expires - base.expires) >= most;
  }

  async function touchMongo(id: string, session: SessionData, base: Base | undefined, expires: number) {
    const known = await documents.touch(id, expires, base?.unwritten);
    if (!known) {
      await gone(id);
      return "gone";
    }
    if (base) setBase(session, { id, version: base.version, expires });
    // Later ends are learned by asking MongoDB when the copy is gone; earlier ones must be told.
    const earlier = !base || expires < base.expires;
    if (trust.writes() && (inBucket(id) || earlier))
      await leg(id, copies.touch(id, expires - clock.now(), base?.version, expires));
    return "ok";
  }

  async function touch(id: string, session: SessionData): Promise<boolean> {
    const expires = expiresOf(session);
    const lifeMs = expires - clock.now();
    const base = baseOf(session, id);
    const due = isDue(base, expires, lifeMs);
    const mongo = async () => (await timed("touch", "mongo", () => touchMongo(id, session, base, expires))) === "ok";
    // With a touchAfter MongoDB is not told of each touch, wherever the copy is, and where there is none.
    const seldom = () => touchAfterMs > 0 || mongo();
    if (due) return mongo();
    if (!inBucket(id) || (await trust.settled(performance.now()))) return seldom();
    let copied = false;
    await timed("touch", "redis", async () => {
      const answer = await copies.touch(id, lifeMs, base?.version);
      copied = answer.ok && answer.value;
      return answer.ok ? (copied ? "ok" : "miss") : "error";
    });
    return copied || seldom();
  }

  async function destroy(id: string): Promise<OperationResult> {
    const redis = trust.writes();
    floors.bury(id);
    // Without Redis, a copy of somebody else's making stays there, which an import would bring back.
    await documents.remove(id, !redis);
    floors.bury(id);
    events.emit("ended", { id });
    if (!redis) return "ok";
    const dropped = copies.drop(id);
    await leg(id, dropped);
    aside(dropped.then((known) => (known.ok ? undefined : documents.end([id], true))));
    return "ok";
  }

  return {
    set: (id, session) => inTurn(id, () => set(id, session)),
    touch: (id, session) => inTurn(id, () => touch(id, session)),
    async destroy(id) {
      await inTurn(id, () => timed("destroy", "mongo", () => destroy(id)));
    },
    close() {
      mending.close();
      for (const one of leave) one();
    },
  };
}
