import { ErrorReply } from "redis";
import type { HostPort } from "../config/kinds.ts";
import type { Config } from "../config/load.ts";
import { withLimit } from "../kernel/limit.ts";
import { channelIn } from "./channels.ts";
import { type Client, openConnection } from "./connection.ts";
import { discoveryFor } from "./discovery.ts";
import { describeLoss, traceOf } from "./failure.ts";
import { type Info, parseInfo } from "./signs.ts";
import { type Access, addressOf, type RedisConfig, type Topology, topologyOf } from "./topology.ts";

/** What an operator should know of one server that takes writes, as it was seen. */
export interface RedisServerSeen {
  readonly address: string;
  readonly info: Info;
  /** Of several pings, in milliseconds, quickest first. */
  readonly pings: readonly number[];
  /** Its clock less this machine's, and how far that may be off. */
  readonly clock: { readonly offsetMs: number; readonly errorMs: number };
  /** What the chat needs and its user is refused. */
  readonly lacks: readonly string[];
  /** What its user may do although the chat never does it. */
  readonly excess: readonly string[];
}

export interface RedisSeen {
  readonly kind: "single" | "sentinel" | "cluster";
  readonly servers: readonly RedisServerSeen[];
  readonly sentinels?: { readonly named: number; readonly answering: number };
  /** Why it could not be looked at. */
  readonly failure?: string;
}

const connectMs = 3_000;
const wholeMs = 20_000;
const pingCount = 20;
const key = "cache:sluice:doctor";
const tagged = "{cache:sluice:doctor}:side";

/** Each as harmless as it can be, on keys and channels that nobody uses. */
const needed = (sessions: string): readonly (readonly [right: string, ...command: string[]])[] => [
  ["write its keys (SET)", "SET", key, "1", "PX", "10000"],
  ["read its keys (GET)", "GET", key],
  [`read sessions (GET ${sessions}…)`, "GET", `${sessions}sluice-doctor`],
  ["write hashes (HSET)", "HSET", tagged, "field", "1"],
  ["let keys expire (PEXPIRE)", "PEXPIRE", tagged, "10000"],
  ["run scripts (EVAL)", "EVAL", "return 1", "1", key],
  ["run known scripts (EVALSHA)", "EVALSHA", "0".repeat(40), "1", key],
  ["remove its keys (DEL)", "DEL", key],
  ["remove its keys ({cache:…})", "DEL", tagged],
  ["look through its keys (SCAN)", "SCAN", "0", "MATCH", "cache:sluice:doctor", "COUNT", "1"],
  ["speak to other instances (PUBLISH updates:…)", "PUBLISH", "updates:doctor", ""],
  ["see who listens (PUBSUB NUMSUB)", "PUBSUB", "NUMSUB", "updates:doctor"],
];
const needless: readonly (readonly [what: string, ...command: string[]])[] = [
  ["read Redis's configuration (CONFIG)", "CONFIG", "GET", "maxmemory"],
  ["see who is connected (CLIENT LIST)", "CLIENT", "LIST", "TYPE", "pubsub"],
  ["read keys that are not the chat's", "GET", "sluice-doctor-elsewhere"],
];

/** A refusal for want of rights; any other error says that the right is there. */
function denied(error: unknown): boolean {
  if (error instanceof ErrorReply) return /^NOPERM|has no permissions|can't run this command/i.test(error.message);
  throw error;
}

async function allowed(send: () => Promise<unknown>): Promise<boolean> {
  try {
    await send();
    return true;
  } catch (error) {
    return !denied(error);
  }
}

async function rights(client: Client, sessions: string): Promise<Pick<RedisServerSeen, "lacks" | "excess">> {
  const lacks: string[] = [];
  const excess: string[] = [];
  for (const [right, ...command] of needed(sessions))
    if (!(await allowed(() => client.sendCommand(command)))) lacks.push(right);
  for (const [what, ...command] of needless) if (await allowed(() => client.sendCommand(command))) excess.push(what);
  return { lacks, excess };
}

async function listening(client: Client, database: number): Promise<string[]> {
  const lacks: string[] = [];
  const hear = () => {};
  if (!(await allowed(() => client.subscribe(channelIn(database, "updates:doctor"), hear))))
    lacks.push("hear other instances (SUBSCRIBE)");
  // A pattern must stand among the rights word by word.
  const sockets = `${channelIn(database, "socket.io")}#/#*`;
  if (!(await allowed(() => client.pSubscribe(sockets, hear))))
    lacks.push(`hear other sockets (PSUBSCRIBE ${sockets})`);
  return lacks;
}

async function pingsOf(client: Client): Promise<{ pings: number[]; clock: RedisServerSeen["clock"] }> {
  const pings: number[] = [];
  let best = { offsetMs: 0, errorMs: Number.POSITIVE_INFINITY };
  for (let round = 0; round < pingCount; round += 1) {
    const [asked, since] = [Date.now(), performance.now()];
    const [seconds = "0", micros = "0"] = await client.sendCommand<string[]>(["TIME"]);
    const took = performance.now() - since;
    pings.push(took);
    const offsetMs = Number(seconds) * 1_000 + Number(micros) / 1_000 - (asked + took / 2);
    if (took / 2 < best.errorMs) best = { offsetMs, errorMs: took / 2 };
  }
  return { pings: pings.sort((one, other) => one - other), clock: best };
}

async function using<T>(
  address: HostPort,
  access: Access,
  signal: AbortSignal,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const connection = await openConnection(address, access, { timeoutMs: connectMs, signal, name: "sluice-doctor" });
  // A server that freezes meanwhile answers nothing: what waits for it ends with the connection.
  const end = () => connection.destroy();
  signal.addEventListener("abort", end, { once: true });
  try {
    return await work(connection.client);
  } finally {
    signal.removeEventListener("abort", end);
    connection.destroy();
  }
}

async function lookAt(
  address: HostPort,
  access: Access,
  sessions: string,
  signal: AbortSignal,
): Promise<RedisServerSeen> {
  const seen = await using(address, access, signal, async (client) => ({
    info: parseInfo(await client.sendCommand<string>(["INFO"])),
    ...(await pingsOf(client)),
    ...(await rights(client, sessions)),
  }));
  const deaf = await using(address, access, signal, (client) => listening(client, access.database));
  return { address: addressOf(address), ...seen, lacks: [...seen.lacks, ...deaf] };
}

async function sentinelsOf(topology: Topology, signal: AbortSignal): Promise<Pick<RedisSeen, "sentinels">> {
  if (topology.kind !== "sentinel") return {};
  const asked = topology.sentinels.map((address) =>
    using(address, topology.sentinelAccess, signal, (client) => client.sendCommand(["PING"])),
  );
  const answers = await Promise.allSettled(asked);
  const answering = answers.filter(({ status }) => status === "fulfilled").length;
  return { sentinels: { named: asked.length, answering } };
}

/** What the server wrote is for an operator as well. */
function explain(error: unknown): string {
  const written = error instanceof ErrorReply ? traceOf(error)?.message : undefined;
  return written === undefined ? describeLoss(error) : `${describeLoss(error)}: ${written}`;
}

/** Looks at every server that takes writes, over connections of its own; undefined when no Redis is configured. */
export async function inspectRedis(
  config: RedisConfig & Pick<Config, "SESSION_PREFIX">,
  parent: AbortSignal,
): Promise<RedisSeen | undefined> {
  const topology = topologyOf(config);
  if (topology.kind === "none") return undefined;
  const { kind, access } = topology;
  const discovery = discoveryFor(topology, connectMs);
  try {
    return await withLimit(wholeMs, parent, async (signal) => {
      const sentinels = await sentinelsOf(topology, signal);
      try {
        const shards = await discovery.find(signal);
        const looks = shards.map(({ address }) => lookAt(address, access, config.SESSION_PREFIX, signal));
        const servers = await Promise.all(looks);
        return { kind, servers, ...sentinels };
      } catch (error) {
        return { kind, servers: [], ...sentinels, failure: explain(error) };
      }
    });
  } finally {
    discovery.close();
  }
}
