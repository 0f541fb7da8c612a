import type { SessionData } from "express-session";
import { turnTime } from "../kernel/clock.ts";
import type { Answer } from "../redis/types.ts";
import { setBase } from "./bases.ts";
import { type ReadCopy, readCopy, writeCopy } from "./copy.ts";
import type { Floors } from "./floors.ts";
import type { Parts } from "./parts.ts";
import type { SessionDocument } from "./stores/documents.ts";
import type { FallbackReason, OperationResult } from "./types.ts";
import { type Version, versionOf } from "./version.ts";

/** A session as MongoDB has it. */
export interface Found {
  readonly document: SessionDocument;
  readonly version: Version;
  readonly hash: string;
}

type Asked = Answer<string | null>;

/** A read is `ask` and `hit` when all is well, so that it costs hardly more than Redis does; everything else is `get`. */
export interface Reads {
  /** One call to Redis, when the dial and all that is known allow it; else false. `begun`: of `performance.now()`. */
  ask(id: string, begun: number, onAnswer: (asked: Asked) => void): boolean;
  /** The session, when the answer can be shown as it is. */
  hit(id: string, asked: Asked, begun: number): SessionData | undefined;
  /** From wherever it must be; `asked`: what Redis said before. */
  get(id: string, asked?: Asked): Promise<SessionData | null>;
  found(id: string): Promise<Found | null>;
  /** Copies the session to Redis as MongoDB has it, unless somebody writes it meanwhile; answers what MongoDB has. */
  copied(id: string): Promise<{ found: Found | null; copying: Promise<boolean> }>;
}

export interface ReadOptions {
  parts: Parts;
  floors: Floors;
  /** Off the request path; `close` waits for it. */
  aside(work: Promise<unknown>): void;
  /** Told of every session read from MongoDB in shadow mode. */
  compare(id: string, found: Found | null): void;
}

export function createReads({ parts, floors, aside, compare }: ReadOptions): Reads {
  const { bucket, codec, copies, dial, documents, events, trust, versions, clock, ttlSeconds } = parts;
  let leases = 0;

  function note(store: "redis" | "mongo", result: OperationResult, begun: number, now = performance.now()): void {
    events.emit("operation", { op: "get", store, result, seconds: (now - begun) / 1_000 });
  }

  async function found(id: string): Promise<Found | null> {
    const document = await documents.read(id);
    if (!document) return null;
    const hash = codec.hashOf(document.session);
    return { document, hash, version: versionOf(document, hash) };
  }

  /** Never older than what was seen here: an answer that was under way meanwhile is asked for again. */
  async function judged(id: string): Promise<Found | null> {
    const first = await found(id);
    if (!first || floors.see(id, first.version)) return first;
    const second = await found(id);
    if (second) floors.set(id, second.version);
    return second;
  }

  const expiresOf = ({ expires }: SessionDocument) => expires?.getTime() ?? clock.now() + ttlSeconds * 1_000;

  async function fill(id: string, token: string, epoch: number, { document, version }: Found): Promise<boolean> {
    const portable = await codec.portableOf(document.session);
    const expires = expiresOf(document);
    const lifeMs = expires - clock.now();
    if (!portable || lifeMs <= 0) return false;
    const copy = writeCopy(portable.json, { expires, epoch, version, dated: portable.dated });
    const answer = await copies.fill(id, token, copy, lifeMs);
    return answer.ok && answer.value === "filled";
  }

  async function copied(id: string): Promise<{ found: Found | null; copying: Promise<boolean> }> {
    leases += 1;
    const token = `${versions.instance}${leases.toString(36)}`;
    const { value: epoch } = trust.epoch;
    const lease = await copies.lease(id, token);
    const now = await judged(id);
    const copying = now && lease.ok && lease.value ? fill(id, token, epoch, now) : Promise.resolve(false);
    aside(copying);
    return { found: now, copying };
  }

  async function session(id: string, { document, version, hash }: Found): Promise<SessionData> {
    const data = await codec.decode(document.session);
    const unwritten = document.v === undefined ? { unwritten: { hash } } : {};
    setBase(data, { id, version, expires: expiresOf(document), ...unwritten });
    return data;
  }

  async function mongo(id: string, op: "hit" | "miss", read: (id: string) => Promise<Found | null>) {
    const begun = performance.now();
    try {
      const now = await read(id);
      const data = now && (await session(id, now));
      note("mongo", data ? op : "missing", begun);
      return data;
    } catch (error) {
      note("mongo", "error", begun);
      throw error;
    }
  }

  const miss = (id: string) => mongo(id, "miss", async (one) => (await copied(one)).found);

  function fallback(id: string, reason: FallbackReason): Promise<SessionData | null> {
    events.emit("fallback", { reason });
    return mongo(id, "hit", judged);
  }

  function shown(id: string, copy: ReadCopy, data: SessionData): SessionData {
    copy.id = id;
    setBase(data, copy);
    return data;
  }

  async function fromRedis(id: string, answer: Asked, since: number): Promise<SessionData | null> {
    if (!answer.ok) return fallback(id, answer.reason === "deadline" ? "deadline" : "redis");
    if (answer.value === null) return miss(id);
    const copy = readCopy(answer.value);
    if (!copy) return fallback(id, "foreign");
    if (copy.epoch > trust.epoch.value) {
      await trust.epoch.refresh();
      // MongoDB knows less than a copy: it was restored from a backup, and no copy can be judged any more.
      if (copy.epoch > trust.epoch.value) trust.epoch.renew("the epoch went back", "now", copy.epoch);
    }
    const doubt = await trust.settled(since);
    if (doubt) return fallback(id, doubt);
    if (copy.epoch !== trust.epoch.value) return miss(id);
    if (!floors.allows(id, copy)) return fallback(id, "older");
    const begun = performance.now();
    try {
      const data = shown(id, copy, await codec.fromCopy(copy));
      note("redis", "hit", begun);
      return data;
    } catch {
      return fallback(id, "unreadable");
    }
  }

  async function fromBucket(id: string): Promise<SessionData | null> {
    const since = performance.now();
    const doubt = await trust.settled(since);
    return doubt ? fallback(id, doubt) : fromRedis(id, await copies.get(id), since);
  }

  const inBucket = (id: string) => dial.current.mode === "serve" && bucket.holds(id, dial.current.percent);

  return {
    found,
    copied,

    ask(id, begun, onAnswer) {
      if (!inBucket(id) || trust.doubt(begun) !== undefined) return false;
      copies.ask(id, onAnswer);
      return true;
    },

    hit(id, asked, begun) {
      if (!asked.ok || asked.value === null || codec.slow) return undefined;
      const copy = readCopy(asked.value);
      const now = turnTime();
      if (!copy?.isOf(trust.epoch.text) || trust.doubt(now) !== undefined) return undefined;
      if (!floors.allows(id, copy, now)) return undefined;
      try {
        const data = shown(id, copy, codec.fromCopy(copy) as SessionData);
        note("redis", "hit", begun, now);
        return data;
      } catch {
        return undefined;
      }
    },

    get(id, asked) {
      if (asked) return fromRedis(id, asked, performance.now());
      if (inBucket(id)) return fromBucket(id);
      if (dial.current.mode !== "shadow") return mongo(id, "hit", judged);
      return mongo(id, "hit", async (one) => {
        const now = await judged(one);
        compare(one, now);
        return now;
      });
    },
  };
}
