import { randomUUID } from "node:crypto";
import { withoutBudget } from "../../kernel/budget.ts";
import type { RedisDoor, Script } from "../../redis/types.ts";
import { createLeasedSet } from "./leased-set.ts";
import type { LeaseTimes } from "./leases.ts";
import type { LeasedSet, Link, SetOptions } from "./types.ts";

const onlineKey = "cache:users:online";
const heavyMs = 2_000;
const most = 1_000;

export interface SharedStats {
  /** Instances that are known to live, this one included. */
  instances: number;
  /** Shared sets that this instance has somebody in. */
  sets: number;
  /** Redis knows what is here, and can be asked. */
  shared: boolean;
  /** How often everything of a set was said again, and how many dead servers were reaped from one. */
  asserted: number;
  reaped: number;
}

/** The sets that this instance shares with the others, and what happens to all of them. */
export interface Sets {
  online(options: Omit<SetOptions, "ttlSeconds" | "profiled">): LeasedSet;
  /** Of a channel; it ends when it is closed and nobody is in it. */
  open(key: string, options: Omit<SetOptions, "ttlSeconds" | "profiled">): LeasedSet;
  close(key: string): void;
  /** Which of them Redis says are online; undefined when it cannot be asked. */
  whoIsOnline(ids: readonly string[]): Promise<Set<string> | undefined>;
  /** True for one of all instances, for so many leases. */
  claim(name: string, leases?: number): Promise<boolean>;
  /** What is known of the others is all there is to know. */
  readonly complete: boolean;
  /** Calls it when what is known is complete: at once without others, else one lease after Redis has come. */
  onComplete(listener: () => void): void;
  stats(): SharedStats;
  /** True when this is the last instance; otherwise the others will reap what is left here. */
  leave(): Promise<boolean>;
  end(): void;
}

export interface SetsOptions {
  /** Absent: this is the only instance. */
  door?: RedisDoor;
  /** Asked while Redis is out: whether there is no other instance. */
  alone?: () => Promise<boolean>;
  times: LeaseTimes;
  ttl: { onlineSeconds: number; membersSeconds: number };
}

export function createSets({ door, alone, times, ttl }: SetsOptions): Sets {
  const sets = new Map<string, LeasedSet>();
  const tally = { asserted: 0, reaped: 0 };
  const me = randomUUID();
  const listeners = new Set<() => void>();
  let online: LeasedSet | undefined;
  let upSince = 0;
  let said: boolean | undefined;
  let complete = false;
  let completing: NodeJS.Timeout | undefined;
  let ended = false;

  const up = () => door?.state === "up" && !ended;
  const channel = door?.channel("updates:presence") ?? "";
  const noNeighbours = () => (online?.neighbours.length ?? 0) === 0 && said !== false;

  const link: Link = {
    me,
    shared: door !== undefined,
    channel,
    times,
    up,
    upSince: () => upSince,
    certain: () => door === undefined || door.state === "disabled" || noNeighbours(),
    async run<T>(script: Script, keys: string[], args: string[], heavy = false) {
      const options = heavy ? { lane: "heavy" as const, deadlineMs: heavyMs } : {};
      const answer = await withoutBudget(() => door?.script<T>(script, keys, args, options));
      return answer?.ok ? answer.value : undefined;
    },
    tally,
  };

  function completeIn(ms: number): void {
    clearTimeout(completing);
    completing = setTimeout(() => {
      complete = true;
      for (const listener of listeners) listener();
    }, ms).unref();
  }

  function onUp(): void {
    upSince = performance.now();
    for (const set of sets.values()) set.recover();
    completeIn(times.leaseMs + times.beatMs);
  }

  function onOut(): void {
    clearTimeout(completing);
    complete = false;
    for (const set of sets.values()) set.lose();
    void askWhetherAlone();
  }

  /** Without Redis the other instances are known from elsewhere; while there are none, this one knows everything. */
  async function askWhetherAlone(): Promise<void> {
    if (!alone || up() || ended) return;
    const before = said;
    said = await alone().catch(() => said);
    if (up() || ended || said === before) return;
    for (const set of sets.values()) set.lose();
    if (said && noNeighbours()) completeIn(0);
  }

  const timer = door
    ? setInterval(() => {
        if (!up()) return void askWhetherAlone();
        for (const set of sets.values()) set.beat();
      }, times.beatMs).unref()
    : undefined;

  function hear(text: string): void {
    const [base, server, rev, came, went] = JSON.parse(text) as [string, string, string, unknown, unknown];
    // Lua has one empty table for lists and records.
    const list = (part: unknown) => (part === undefined ? undefined : Array.isArray(part) ? (part as string[]) : []);
    sets.get(base)?.hear(server, rev, list(came), list(went));
  }

  const leave = door ? [door.events.on("state", ({ to }) => (to === "up" ? onUp() : onOut()))] : [];
  const subscription = door?.subscribe(channel, hear);
  subscription?.onLive((live) => {
    if (live) for (const set of sets.values()) set.beat();
  });
  if (!door) completeIn(0);
  else if (up()) onUp();
  else void askWhetherAlone();

  function create(key: string, options: SetOptions): LeasedSet {
    const set = createLeasedSet(key, link, options);
    sets.set(key, set);
    return set;
  }

  return {
    online(options) {
      online = create(onlineKey, { ...options, profiled: false, ttlSeconds: ttl.onlineSeconds });
      if (up()) online.recover();
      return online;
    },
    open(key, options) {
      const known = sets.get(key);
      known?.keep();
      return known ?? create(key, { ...options, profiled: true, ttlSeconds: ttl.membersSeconds });
    },
    close: (key) => sets.get(key)?.retire(() => void sets.delete(key)),
    async whoIsOnline(ids) {
      const found = new Set<string>();
      if (door?.state !== "up") return undefined;
      for (let from = 0; from < ids.length; from += most) {
        const part = ids.slice(from, from + most);
        const answer = await withoutBudget(() =>
          door.call("presence.who", async (redis) => redis.smIsMember(onlineKey, part)),
        );
        if (!answer.ok) return undefined;
        for (const [at, is] of answer.value.entries()) if (Number(is) === 1) found.add(part[at] ?? "");
      }
      return found;
    },
    async claim(name, leases = 1) {
      if (door?.state !== "up") return true;
      const key = `{${onlineKey}}:${name}`;
      const answer = await door.call("presence.claim", (redis) =>
        redis.set(key, me, { condition: "NX", expiration: { type: "PX", value: leases * times.leaseMs } }),
      );
      // Done twice is better than not at all.
      return !answer.ok || answer.value !== null;
    },
    get complete() {
      return complete;
    },
    onComplete: (listener) => void listeners.add(listener),
    stats: () => ({
      instances: (online?.neighbours.length ?? 0) + 1,
      sets: sets.size,
      shared: up(),
      ...tally,
    }),
    async leave() {
      clearInterval(timer);
      clearTimeout(completing);
      if (!up()) return link.certain();
      await online?.settle();
      if (online && online.neighbours.length > 0) {
        await Promise.all([...sets.values()].map((set) => set.leave()));
        return false;
      }
      await Promise.all([...sets.values()].filter((set) => set !== online).map((set) => set.leave()));
      await online?.settle(true);
      return true;
    },
    end() {
      ended = true;
      clearInterval(timer);
      clearTimeout(completing);
      for (const end of leave) end();
      void subscription?.close();
    },
  };
}
