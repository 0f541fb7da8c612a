import type { ChangeStreamDocument, Db, Document } from "mongodb";
import type { Log } from "../kernel/log.ts";
import { isServerError, isUnavailable } from "../mongo/errors.ts";
import { type WatchCollection, type Watcher, watchCollection } from "../mongo/watch.ts";
import type { Declaration, Followed } from "./declaration.ts";
import { fleetTokens } from "./stream-tokens.ts";
import type { Trust } from "./trust.ts";
import type { Writes } from "./writes.ts";

/** The second path: what anybody does to the collection in MongoDB is done to the cache, too, whoever it was. */
export interface Follower {
  readonly watcher: Watcher;
  /** Why what others wrote may be missing; undefined when it is not, or when nothing can tell of it. */
  readonly behind: string | undefined;
  close(): Promise<void>;
}

export interface FollowerOptions<Entry, Slice> {
  db: Db;
  watch?: WatchCollection | undefined;
  declaration: Declaration<Entry, Slice>;
  writes: Writes<Entry>;
  trust: Trust;
  gone: (id: string) => Promise<void>;
  /** The versions that Redis has of these; undefined when it cannot be told now. */
  versions: (key: string, ids: readonly string[]) => Promise<ReadonlyMap<string, number> | "missing" | undefined>;
  on: () => boolean;
  log: Log;
}

/** What comes is gathered for so long. */
const gatherMs = 50;
/** A server is given so long to put into Redis what it has written. */
const settleMs = 300;
const mostAtOnce = 500;
const mostAdopted = 200;
/** A fill may be under way; later than this it is no use asking again. */
const looks = 10;
const sayAgainMs = 60_000;

interface Expected {
  readonly version: number;
  readonly exact: boolean;
  readonly due: number;
  readonly looks: number;
  /** What it was changed to meanwhile: looked for afterwards, or what changes all the time would never be looked at. */
  readonly next?: Expected;
  /** What Redis had at the last look, where that was more than anything told of. */
  readonly ahead?: number;
}

export function createFollower<Entry, Slice>(options: FollowerOptions<Entry, Slice>): Follower | undefined {
  const { declaration, writes, trust, versions, on, log, watch = watchCollection } = options;
  const { follow } = declaration;
  if (!follow) return undefined;
  const pushes = new Map<string, Map<string, Entry>>();
  const expected = new Map<string, Map<string, Expected>>();
  const adopting = new Map<string, Map<string, true>>();
  const dropping = new Map<string, string>();
  let working: Promise<void> | undefined;
  let known = false;
  let said = Number.NEGATIVE_INFINITY;

  function group<T>(of: Map<string, Map<string, T>>, key: string): Map<string, T> {
    const found = of.get(key) ?? new Map<string, T>();
    of.set(key, found);
    return found;
  }

  /** What comes later may tell of an earlier time. */
  function gather(into: Map<string, Entry>, entry: Entry): void {
    const known = into.get(declaration.id(entry));
    if (known && declaration.version(known) > declaration.version(entry)) return;
    into.set(declaration.id(entry), entry);
  }

  async function take(followed: Followed<Entry>): Promise<void> {
    if ("gone" in followed) {
      for (const entries of pushes.values()) entries.delete(followed.gone);
      return options.gone(followed.gone);
    }
    if ("everything" in followed) return trust.renew(followed.everything, "now");
    const { key } = followed;
    if ("drop" in followed) {
      // What it was before does not count any more.
      pushes.delete(key);
      expected.delete(key);
      adopting.delete(key);
      dropping.set(key, followed.drop);
    } else if ("entries" in followed) {
      if (!dropping.has(key)) for (const entry of followed.entries) gather(group(pushes, key), entry);
    } else if ("adopt" in followed) {
      if (!dropping.has(key)) group(adopting, key).set(followed.adopt, true);
    } else if (!dropping.has(key)) {
      const { id, version, exact = false } = followed;
      const newest = { version, exact, due: performance.now() + settleMs, looks: 0 };
      const all = group(expected, key);
      const before = all.get(id);
      all.set(id, before ? { ...before, next: newest } : newest);
    }
  }

  async function pushAll(key: string, entries: Map<string, Entry>): Promise<void> {
    const fresh = [...entries]
      .filter(([id, entry]) => !writes.settled(key, id, declaration.version(entry)))
      .map(([, entry]) => entry);
    for (let at = 0; at < fresh.length; at += mostAtOnce)
      await writes.push(key, fresh.slice(at, at + mostAtOnce), false);
  }

  /** Where many were changed at once, all are read again sooner than one by one. */
  async function adoptAll(key: string, ids: readonly string[]): Promise<void> {
    const adopt = ids.length <= mostAdopted ? follow?.adopt : undefined;
    const entries = await adopt?.(key, ids).catch(() => undefined);
    if (!entries) return writes.drop(key, "it was changed past every server", false);
    const kept = new Set(entries.map(declaration.id));
    const out = ids.filter((id) => !kept.has(id));
    const there = out.length > 0 ? await versions(key, out) : "missing";
    // Undefined: a fill is under way, or Redis gives no answer; what is no entry any more may be there as one.
    if (there !== "missing" && there?.size !== 0) return writes.drop(key, "what is no entry any more", false);
    await writes.push(key, entries, false);
  }

  /** Redis has none of these: what is an entry goes in. Where they cannot be read alone, all are read again. */
  async function addAll(key: string, ids: readonly string[]): Promise<void> {
    const { byIds, loadSlice } = declaration;
    const loaded = byIds && loadSlice?.(key, byIds(ids)).catch(() => undefined);
    const entries = await loaded;
    if (entries) await writes.push(key, entries, false);
    else await writes.drop(key, "a write has not reached Redis", false);
  }

  /** Those whose time has come; the first to come stand first. */
  function takeDue(all: Map<string, Expected>, now: number): [id: string, one: Expected][] {
    const due: [string, Expected][] = [];
    for (const [id, one] of all) {
      if (one.due > now || due.length === mostAtOnce) break;
      due.push([id, one]);
    }
    for (const [id, { next }] of due) {
      all.delete(id);
      if (next) all.set(id, next);
    }
    return due;
  }

  async function verifyAll(key: string, all: Map<string, Expected>, now: number): Promise<void> {
    for (let due = takeDue(all, now); due.length > 0; due = takeDue(all, now)) await verify(key, all, due);
  }

  /** Whoever wrote has put it into Redis by now, or has died before. */
  async function verify(
    key: string,
    all: Map<string, Expected>,
    due: readonly [id: string, one: Expected][],
  ): Promise<void> {
    const now = performance.now();
    const open = due.filter(([id, { version, exact }]) => exact || !writes.settled(key, id, version));
    if (open.length === 0) return;
    const ids = open.map(([id]) => id);
    const there = await versions(key, ids);
    if (there === "missing") return;
    if (there === undefined) {
      for (const [id, { next: _, ...one }] of open) {
        const next = all.get(id);
        if (one.looks < looks)
          all.set(id, { ...one, due: now + settleMs, looks: one.looks + 1, ...(next ? { next } : {}) });
      }
      return;
    }
    let wrong = false;
    const absent: string[] = [];
    for (const [id, { version, exact, ahead }] of open) {
      const found = there.get(id);
      const next = all.get(id);
      if (found === undefined) absent.push(id);
      else if (found < version || (exact && !next && found !== version)) wrong = true;
      // What it was changed to meanwhile may be there already, or something between, and is told of soon: seen twice, it is wrong.
      else if (exact && next && found > (next.next ?? next).version) {
        if (found === ahead) wrong = true;
        else all.set(id, { ...next, ahead: found });
      }
    }
    if (wrong) await writes.drop(key, "a write has not reached Redis", false);
    else if (absent.length > 0) await addAll(key, absent);
  }

  async function work(): Promise<void> {
    const now = performance.now();
    const drops = [...dropping];
    dropping.clear();
    await Promise.all(drops.map(([key, why]) => writes.drop(key, why, false)));
    const gathered = [...pushes];
    pushes.clear();
    await Promise.all(gathered.map(([key, entries]) => pushAll(key, entries)));
    const adopted = [...adopting];
    adopting.clear();
    await Promise.all(adopted.map(([key, ids]) => adoptAll(key, [...ids.keys()])));
    await Promise.all([...expected].map(([key, all]) => verifyAll(key, all, now)));
    for (const [key, all] of expected) if (all.size === 0) expected.delete(key);
  }

  function gathered(): number {
    let sum = 0;
    for (const groups of [pushes, adopting, expected]) for (const { size } of groups.values()) sum += size;
    return sum;
  }

  /** One odd document must not hold up all that comes after it. */
  async function read(change: ChangeStreamDocument<Document>): Promise<Followed<Entry> | undefined> {
    try {
      return await follow?.read(change);
    } catch (error) {
      if (isUnavailable(error) || isServerError(error)) throw error;
      const now = performance.now();
      const { operationType } = change;
      const where = { cache: declaration.name, collection: follow?.collection, operationType };
      const what = "A change in MongoDB cannot be read, so all that is cached is filled anew";
      if (now - said >= sayAgainMs) {
        said = now;
        log.warn({ err: error, ...where }, what);
      }
      return { everything: `${declaration.name}: a change in MongoDB cannot be read` };
    }
  }

  const timer = setInterval(() => {
    if (working || dropping.size + pushes.size + adopting.size + expected.size === 0) return;
    working = work()
      .catch((error: unknown) => log.error({ err: error, cache: declaration.name }, "A cache could not follow"))
      .finally(() => {
        working = undefined;
      });
  }, gatherMs);
  timer.unref();

  const collection = options.db.collection<Document>(follow.collection);
  const watcher = watch<Document>({
    collection,
    ...(follow.pipeline ? { pipeline: follow.pipeline } : {}),
    async onChange(change: ChangeStreamDocument<Document>) {
      if (!on()) return;
      const followed = await read(change);
      if (followed) await take(followed);
      // Without end what is gathered would fill the memory.
      while (working && gathered() > mostAtOnce * 4) await working;
    },
    onLive(live, reason) {
      const first = !known;
      known ||= live || reason === "no replica set";
      // Nothing is known of the time before: what others did then may be missing in Redis.
      if ((live && reason === "afresh") || (first && reason === "no replica set"))
        trust.renew(`${declaration.name}: changes are followed from now on`, "useful");
    },
    resume: fleetTokens(options.db, `${follow.collection} for ${declaration.name}`),
    log,
  });

  return {
    watcher,
    get behind() {
      return watcher.live || watcher.reason === "no replica set" ? undefined : "stream";
    },
    async close() {
      clearInterval(timer);
      await watcher.close();
      await working;
    },
  };
}
