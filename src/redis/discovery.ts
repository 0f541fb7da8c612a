import { setMaxListeners } from "node:events";
import type { HostPort } from "../config/kinds.ts";
import { withLimit } from "../kernel/limit.ts";
import { pause } from "../kernel/pause.ts";
import { type Client, type Connection, openConnection } from "./connection.ts";
import { describeLoss, LinkError } from "./failure.ts";
import { type Access, addressOf, type Topology } from "./topology.ts";

/** A server that takes writes, and the slots it serves: all of them but in a cluster. */
export interface Shard {
  readonly address: HostPort;
  readonly slots: readonly (readonly [from: number, to: number])[];
}

/** Finds out where the masters are now. */
export interface Discovery {
  /** Rejects when nobody can tell. */
  find(signal: AbortSignal): Promise<Shard[]>;
  /** Asks again while connected; undefined when there is nothing to ask, or nobody answers. */
  recheck(via: readonly Client[], signal: AbortSignal): Promise<Shard[] | undefined>;
  /** Lets go of every connection; the next question opens others. */
  close(): void;
}

const EVERY_SLOT = [[0, 16_383]] as const;

/** Asks one server one question over a connection of its own. */
function askOnce<T>(
  address: HostPort,
  access: Access,
  timeoutMs: number,
  parent: AbortSignal,
  question: (client: Client) => Promise<T>,
): Promise<T> {
  return withLimit(timeoutMs, parent, async (signal) => {
    const connection = await openConnection(address, access, { timeoutMs, signal });
    signal.addEventListener("abort", () => connection.destroy(), { once: true });
    try {
      return await question(connection.client);
    } finally {
      connection.destroy();
    }
  });
}

function fixed(address: HostPort): Discovery {
  return {
    find: async () => [{ address, slots: EVERY_SLOT }],
    recheck: async () => undefined,
    close() {},
  };
}

const unknownMaster = Symbol("unknown master");

interface Vote {
  address: HostPort;
  epoch: number;
}

async function vote(client: Client, master: string): Promise<Vote> {
  const [address, details] = await Promise.all([
    client.sendCommand<string[] | null>(["SENTINEL", "GET-MASTER-ADDR-BY-NAME", master]),
    client.sendCommand<Record<string, string> | string[]>(["SENTINEL", "MASTER", master]).catch(() => ({})),
  ]);
  const [host, port] = address ?? [];
  if (!host || !port) throw new LinkError(`the sentinels do not know the master "${master}"`, { cause: unknownMaster });
  const fields: Record<string, string | undefined> = Array.isArray(details) ? {} : details;
  const epoch = Array.isArray(details) ? details[details.indexOf("config-epoch") + 1] : fields["config-epoch"];
  return { address: { host, port: Number(port) }, epoch: Number(epoch ?? 0) };
}

type SentinelTopology = Extract<Topology, { kind: "sentinel" }>;

/** Asks every sentinel; the newest configuration epoch wins, so one that was cut off cannot send us back. */
function viaSentinels({ master, sentinels, sentinelAccess }: SentinelTopology, timeoutMs: number): Discovery {
  let watched: Connection | undefined;
  let turn = -1;
  let epoch = 0;

  async function watch(signal: AbortSignal): Promise<Connection> {
    if (watched) return watched;
    turn += 1;
    const address = sentinels[turn % sentinels.length] as HostPort;
    const connection = await openConnection(address, sentinelAccess, { timeoutMs, signal });
    if (signal.aborted) {
      connection.destroy();
      throw new LinkError("the attempt was given up");
    }
    connection.onLost(() => {
      if (watched === connection) watched = undefined;
    });
    watched = connection;
    return connection;
  }

  function forget(): void {
    watched?.destroy();
    watched = undefined;
  }

  return {
    find: (parent) =>
      withLimit(timeoutMs * 2, parent, async (signal) => {
        const stragglers = new AbortController();
        signal.addEventListener("abort", () => stragglers.abort(), { once: true });
        const asked = sentinels.map((address) =>
          askOnce(address, sentinelAccess, timeoutMs, stragglers.signal, (client) => vote(client, master)),
        );
        const votes = await enough(asked);
        stragglers.abort();
        const newest = votes.sort((a, b) => b.epoch - a.epoch)[0];
        if (!newest) throw await whyNone(asked);
        epoch = newest.epoch;
        return [{ address: newest.address, slots: EVERY_SLOT }];
      }),
    recheck: (_via, parent) =>
      withLimit(timeoutMs, parent, async (signal) => {
        signal.addEventListener("abort", forget, { once: true });
        try {
          const seen = await vote((await watch(signal)).client, master);
          // One that was cut off from the others still names the former master.
          if (seen.epoch >= epoch) return [{ address: seen.address, slots: EVERY_SLOT }];
          forget();
          return undefined;
        } catch {
          forget();
          return undefined;
        }
      }),
    close: forget,
  };
}

/** They know no such master, or none of them can be reached. */
async function whyNone(asked: Promise<unknown>[]): Promise<LinkError> {
  const reasons = (await Promise.allSettled(asked)).map((one) => (one.status === "rejected" ? one.reason : undefined));
  const telling = reasons.find((reason) => reason instanceof LinkError && reason.cause === unknownMaster);
  const each = [...new Set(reasons.map(describeLoss))].join("; ");
  return telling ?? new LinkError(`none of the sentinels answers: ${each}`, { cause: reasons[0] });
}

const STRAGGLERS_MS = 100;
const TURNS = 5;

/** What has answered shortly after the first one did; a frozen sentinel must not hold up the others. */
async function enough<T>(asked: Promise<T>[]): Promise<T[]> {
  const answers: T[] = [];
  const all = Promise.allSettled(asked.map((one) => one.then((answer) => answers.push(answer))));
  const over = new AbortController();
  // In turns: a process that stood still must let in what came meanwhile, or it would believe the first one alone.
  const shortly = Promise.any(asked).then(
    async () => {
      for (let turn = 0; turn < TURNS; turn += 1) await pause(STRAGGLERS_MS / TURNS, over.signal);
    },
    () => all,
  );
  await Promise.race([all, shortly]);
  over.abort();
  return answers;
}

type SlotRange = [from: number, to: number, master: [host: string | null, port: number], ...replicas: unknown[]];

async function slotsOf(client: Client, asked: HostPort): Promise<{ shards: Shard[]; nodes: HostPort[] }> {
  const ranges = await client.sendCommand<SlotRange[]>(["CLUSTER", "SLOTS"]);
  const nodes = new Map<string, HostPort>();
  const shards = new Map<string, { address: HostPort; slots: [number, number][] }>();
  for (const [from, to, ...owners] of ranges) {
    owners.forEach((owner, rank) => {
      const [host, port] = owner as [string | null, number];
      // A server that does not know its own name means: the one you asked.
      const address = { host: host || asked.host, port };
      nodes.set(addressOf(address), address);
      if (rank > 0) return;
      const shard = shards.get(addressOf(address)) ?? { address, slots: [] };
      shard.slots.push([from, to]);
      shards.set(addressOf(address), shard);
    });
  }
  return { shards: [...shards.values()], nodes: [...nodes.values()] };
}

const covered = (shards: readonly Shard[]) =>
  shards.reduce((sum, { slots }) => sum + slots.reduce((part, [from, to]) => part + to - from + 1, 0), 0);

const uncovered = Symbol("slots that nobody serves");

/** The next node is asked although the one before has not answered yet: it may be frozen. */
const NEXT_AFTER_MS = 50;

/** Asks the nodes of a cluster in turn, beginning with another one each time; the first that can tell is believed. */
function viaCluster(seeds: HostPort[], access: Access, timeoutMs: number): Discovery {
  let nodes = seeds;
  let turn = 0;

  const learn = (found: HostPort[]) => {
    const known = new Set(seeds.map(addressOf));
    nodes = [...seeds, ...found.filter((node) => !known.has(addressOf(node)))];
  };

  async function ask(address: HostPort, afterMs: number, signal: AbortSignal) {
    await pause(afterMs, signal);
    const found = await askOnce(address, access, timeoutMs / 2, signal, (client) => slotsOf(client, address));
    if (covered(found.shards) === 16_384) return found;
    throw new LinkError("not every slot of the cluster is served", { cause: uncovered });
  }

  return {
    async find(parent) {
      turn += 1;
      const own = new AbortController();
      // With eleven nodes Node would suspect a leak.
      setMaxListeners(0, own.signal);
      const abort = () => own.abort();
      parent.addEventListener("abort", abort, { once: true });
      const inTurn = nodes.map((_, index) => nodes[(turn + index) % nodes.length] as HostPort);
      try {
        const found = await Promise.any(
          inTurn.map((address, index) => ask(address, index * NEXT_AFTER_MS, own.signal)),
        );
        learn(found.nodes);
        return found.shards;
      } catch (error) {
        const causes: unknown[] = error instanceof AggregateError ? error.errors : [error];
        throw causes.find((cause) => cause instanceof LinkError && cause.cause === uncovered) ?? causes[0];
      } finally {
        abort();
        parent.removeEventListener("abort", abort);
      }
    },
    async recheck(via) {
      turn += 1;
      const client = via[turn % via.length];
      const asked = client?.options.socket as HostPort | undefined;
      if (!client || !asked) return undefined;
      const found = await slotsOf(client, asked).catch(() => undefined);
      if (!found || covered(found.shards) < 16_384) return undefined;
      learn(found.nodes);
      return found.shards;
    },
    close() {},
  };
}

export function discoveryFor(topology: Exclude<Topology, { kind: "none" }>, timeoutMs: number): Discovery {
  if (topology.kind === "single") return fixed(topology.address);
  if (topology.kind === "sentinel") return viaSentinels(topology, timeoutMs);
  return viaCluster(topology.seeds, topology.access, timeoutMs);
}
