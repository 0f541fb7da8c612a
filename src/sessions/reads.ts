import type { SessionData } from "express-session";
import type { Bases } from "./bases.ts";
import { type ReadCopy, readCopy, writeCopy } from "./copy.ts";
import type { Floors } from "./floors.ts";
import type { Parts } from "./parts.ts";
import type { SessionDocument } from "./stores/documents.ts";
import type { FallbackReason } from "./types.ts";
import { type Version, versionOf } from "./version.ts";

/** A session as MongoDB has it. */
export interface Found {
  readonly document: SessionDocument;
  readonly version: Version;
  readonly hash: string;
}

export interface Reads {
  /** From Redis when the dial and all that is known allow it. */
  get(id: string): Promise<SessionData | null>;
  found(id: string): Promise<Found | null>;
  /** Copies the session to Redis as MongoDB has it, unless somebody writes it meanwhile; answers what MongoDB has. */
  copied(id: string): Promise<Found | null>;
}

export interface ReadOptions {
  parts: Parts;
  bases: Bases;
  floors: Floors;
  /** Off the request path; `close` waits for it. */
  aside(work: Promise<unknown>): void;
  /** Told of every session read from MongoDB in shadow mode. */
  compare(id: string, found: Found | null): void;
}

export function createReads({ parts, bases, floors, aside, compare }: ReadOptions): Reads {
  const { bucket, codec, copies, dial, documents, events, trust, versions, clock, ttlSeconds } = parts;
  let leases = 0;

  async function found(id: string): Promise<Found | null> {
    const document = await documents.read(id);
    if (!document) return null;
    const hash = codec.hashOf(document.session);
    return { document, hash, version: versionOf(document, hash) };
  }

  /** Never older than what was seen here: an answer that was under way meanwhile is asked for again. */
  async function judged(id: string): Promise<Found | null> {
    const first = await found(id);
    if (!first) return null;
    if (floors.allows(id, first.version)) {
      floors.raise(id, first.version);
      return first;
    }
    const second = await found(id);
    if (second) floors.set(id, second.version);
    return second;
  }

  const expiresOf = ({ expires }: SessionDocument) => expires?.getTime() ?? clock.now() + ttlSeconds * 1_000;

  async function fill(id: string, token: string, epoch: number, { document, version }: Found): Promise<void> {
    const portable = await codec.portableOf(document.session);
    const expires = expiresOf(document);
    const lifeMs = expires - clock.now();
    if (!portable || lifeMs <= 0) return;
    await copies.fill(id, token, writeCopy(portable.json, { expires, epoch, version, dated: portable.dated }), lifeMs);
  }

  async function copied(id: string): Promise<Found | null> {
    leases += 1;
    const token = `${versions.instance}${leases.toString(36)}`;
    const { value: epoch } = trust.epoch;
    const lease = await copies.lease(id, token);
    const now = await judged(id);
    if (now && lease.ok && lease.value) aside(fill(id, token, epoch, now));
    return now;
  }

  async function session(id: string, now: Found | null): Promise<SessionData | null> {
    if (!now) return null;
    const { document, version, hash } = now;
    const data = await codec.decode(document.session);
    const unwritten = document.v === undefined ? { unwritten: { hash } } : {};
    bases.set(data, { id, version, expires: expiresOf(document), ...unwritten });
    return data;
  }

  async function mongo(id: string, op: "hit" | "miss", read: (id: string) => Promise<Found | null>) {
    const begun = performance.now();
    try {
      const now = await read(id);
      const data = await session(id, now);
      const result = now ? op : "missing";
      events.emit("operation", { op: "get", store: "mongo", result, seconds: (performance.now() - begun) / 1_000 });
      return data;
    } catch (error) {
      events.emit("operation", {
        op: "get",
        store: "mongo",
        result: "error",
        seconds: (performance.now() - begun) / 1_000,
      });
      throw error;
    }
  }

  function fallback(id: string, reason: FallbackReason): Promise<SessionData | null> {
    events.emit("fallback", { reason });
    return mongo(id, "hit", judged);
  }

  /** What may be said of the copy now that it is here. */
  async function weigh(id: string, copy: ReadCopy): Promise<FallbackReason | "old" | undefined> {
    if (copy.epoch > trust.epoch.value) {
      await trust.epoch.refresh();
      // MongoDB knows less than a copy: it was restored from a backup, and no copy can be judged any more.
      if (copy.epoch > trust.epoch.value) trust.epoch.renew("the epoch went back", "now");
    }
    const doubt = trust.doubt();
    if (doubt) return doubt;
    if (copy.epoch !== trust.epoch.value) return "old";
    return floors.allows(id, copy.version) ? undefined : "older";
  }

  async function redis(id: string): Promise<SessionData | null> {
    const begun = performance.now();
    const answer = await copies.get(id);
    if (!answer.ok) return fallback(id, answer.reason === "deadline" ? "deadline" : "redis");
    if (answer.value === null) return mongo(id, "miss", copied);
    const copy = readCopy(answer.value);
    if (!copy) return fallback(id, "foreign");
    const verdict = await weigh(id, copy);
    if (verdict === "old") return mongo(id, "miss", copied);
    if (verdict) return fallback(id, verdict);
    let data: SessionData;
    try {
      data = await codec.fromCopy(copy);
    } catch {
      return fallback(id, "unreadable");
    }
    floors.raise(id, copy.version);
    bases.set(data, { id, version: copy.version, expires: copy.expires });
    events.emit("operation", {
      op: "get",
      store: "redis",
      result: "hit",
      seconds: (performance.now() - begun) / 1_000,
    });
    return data;
  }

  return {
    found,
    copied,
    async get(id) {
      const { mode, percent } = dial.current;
      if (mode === "serve" && bucket.holds(id, percent)) {
        const doubt = trust.doubt();
        return doubt ? fallback(id, doubt) : redis(id);
      }
      if (mode !== "shadow") return mongo(id, "hit", judged);
      return mongo(id, "hit", async (one) => {
        const now = await judged(one);
        compare(one, now);
        return now;
      });
    },
  };
}
