import { setMaxListeners } from "node:events";
import type { Deadlines } from "../kernel/deadline.ts";
import { type Beat, beat, canaryKeyFor, firstBeat } from "./beat.ts";
import { type Client, openConnection } from "./connection.ts";
import type { Discovery, Shard } from "./discovery.ts";
import { describeLoss, judge, LinkError } from "./failure.ts";
import { createHeavyLanes, type HeavyLanes } from "./heavy.ts";
import { fillSlots, type Lane, type LaneOptions, openLane } from "./lane.ts";
import { difference, type Info, type ServerSigns, signsFrom } from "./signs.ts";
import type { Subscriber } from "./subscriber.ts";
import { type Access, addressOf } from "./topology.ts";

/** Everything that is connected between one outage and the next. Whatever breaks ends all of it. */
export interface Attachment {
  readonly main: Lane;
  readonly heavy: HeavyLanes;
  readonly signs: readonly ServerSigns[];
  readonly infos: readonly Info[];
  /** Of the slowest server at the last PING, in seconds. */
  readonly responseTime: number;
  /** Why writes are refused, if they are. */
  readonly refused: string | undefined;
  readonly open: number;
  /** Asks every server for a sign of life and for its signs; a `full` one for everything. */
  beat(full: boolean): Promise<void>;
  end(why: string, error?: unknown): void;
}

export interface AttachOptions {
  kind: "single" | "sentinel" | "cluster";
  access: Access;
  discovery: Discovery;
  deadlines: Deadlines;
  subscriber: Subscriber;
  deadlineMs: number;
  patienceMs: number;
  connectMs: number;
  pool: number;
  /** Aborted when the attempt, or later all of it, must end. */
  signal: AbortSignal;
  /** Called at once, before anybody else can notice. */
  onEnd(why: string, error: unknown): void;
}

interface Server {
  readonly client: Client;
  signs: ServerSigns;
  info: Info;
  refused: string | undefined;
  responseTime: number;
}

const REPLICA = new Set(["slave", "replica"]);

/** Finds the servers, connects, and asks each of them for its signs; rejects within bounded time when anything is amiss. */
export async function attach(options: AttachOptions): Promise<Attachment> {
  const { discovery, deadlines, subscriber, connectMs, access, kind, signal } = options;
  const own = new AbortController();
  // With eleven masters Node would suspect a leak.
  setMaxListeners(0, own.signal);
  const opened: { destroy(): void }[] = [];
  let over = signal.aborted;
  let settled = false;

  function end(why: string, error?: unknown): void {
    if (over) return;
    over = true;
    signal.removeEventListener("abort", onAbort);
    if (settled) options.onEnd(why, error);
    own.abort();
    discovery.close();
    for (const one of opened) one.destroy();
  }
  const onAbort = () => end("it was closed");
  signal.addEventListener("abort", onAbort, { once: true });

  async function openAll(): Promise<Attachment> {
    const shards = await discovery.find(own.signal);
    const slots: (string | undefined)[] = [];
    if (kind === "cluster") fillSlots(slots, shards);
    const laneOptions: LaneOptions = {
      access,
      timeoutMs: connectMs,
      signal: own.signal,
      routed: kind === "cluster",
      deadlines,
      slots,
      onLost: (error) => end(describeLoss(error), error),
      onStranger: () => recheck(),
    };
    const main = await openLane(shards, {
      ...laneOptions,
      patienceMs: options.patienceMs,
      onStuck: () => end("a reply is overdue"),
    });
    opened.push(main);
    const servers = await meet(shards, main);
    await subscriber.attach(
      () => openConnection(anyOf(shards).address, access, { timeoutMs: connectMs, signal: own.signal }),
      own.signal,
    );
    const heavy = createHeavyLanes(
      options.pool,
      () => deadlines.line(),
      () => openLane(shards, { ...laneOptions, onLost: () => {} }),
    );
    opened.push(heavy);

    let asking = false;
    function recheck(): void {
      if (asking) return;
      asking = true;
      discovery
        .recheck(main.clients, own.signal)
        .then((now) => now && adopt(now))
        .catch(() => {})
        .finally(() => {
          asking = false;
        });
    }
    function adopt(now: readonly Shard[]): void {
      const names = (list: readonly Shard[]) =>
        list
          .map(({ address }) => addressOf(address))
          .sort()
          .join();
      if (names(now) !== names(shards)) end("another server is the master now");
      else if (kind === "cluster") fillSlots(slots, now);
    }

    function note(server: Server, seen: Beat): void {
      const runId = seen.info?.run_id ?? server.signs.runId;
      const demoted = kind !== "single" && REPLICA.has(seen.info?.role ?? "");
      const changed = difference(server.signs, { ...seen.signs, runId });
      if (changed || demoted) end(changed ?? "the server is no longer the master");
      server.refused = seen.refused?.words;
      server.signs = seen.info
        ? signsFrom(server.signs.canaryKey, seen.info, seen.signs)
        : { ...server.signs, ...seen.signs };
      server.info = seen.info ?? server.info;
      server.responseTime = seen.responseTime ?? server.responseTime;
    }

    async function ask(server: Server, full: boolean): Promise<void> {
      // In line with the others, so that the age of the oldest reply covers an idle connection, too.
      const wait = main.line.add(Number.POSITIVE_INFINITY, () => {});
      try {
        const seen = await beat(server.client, server.signs.canaryKey, full);
        if (!over) note(server, seen);
      } catch (error) {
        end(judge(error, false).words, error);
      } finally {
        main.line.done(wait);
      }
    }

    return {
      main,
      heavy,
      get signs() {
        return servers.map(({ signs }) => signs);
      },
      get infos() {
        return servers.map(({ info }) => info);
      },
      get responseTime() {
        return Math.max(...servers.map(({ responseTime }) => responseTime));
      },
      get refused() {
        return servers.find(({ refused }) => refused)?.refused;
      },
      get open() {
        return main.connections.length + heavy.open + (subscriber.connected ? 1 : 0);
      },
      async beat(full) {
        subscriber.beat();
        // The sentinels are asked each time: what is written to a demoted master is lost.
        if (full || kind === "sentinel") recheck();
        await Promise.all(servers.map((server) => ask(server, full)));
      },
      end,
    };
  }

  async function meet(shards: readonly Shard[], main: Lane): Promise<Server[]> {
    const asked = main.clients.map((client, index) => firstBeat(client, canaryKeyFor(shards[index] as Shard)));
    const late = () => new LinkError("the server answers too slowly");
    const met = await deadlines.within(options.deadlineMs, Promise.all(asked), late);
    return met.map(({ beat: first, signs }, index) => {
      if (kind !== "single" && signs.role !== "master") throw new LinkError("the server named is not a master");
      return {
        client: main.clients[index] as Client,
        signs,
        info: first.info ?? {},
        refused: first.refused?.words,
        responseTime: first.responseTime ?? 0,
      };
    });
  }

  try {
    if (over) throw new LinkError("the attempt was given up");
    const attachment = await openAll();
    if (over) throw new LinkError("the connection was lost at once");
    settled = true;
    return attachment;
  } catch (error) {
    end("");
    // What was opened after the end had come is known to nobody else.
    for (const one of opened) one.destroy();
    throw error;
  }
}

function anyOf<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)] as T;
}
