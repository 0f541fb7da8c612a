import { ErrorReply } from "redis";
import type { Client } from "./connection.ts";
import { LinkError } from "./failure.ts";
import { slotOf } from "./slot.ts";
import type { Commands } from "./types.ts";

/** What the door itself needs beside the commands it hands out. */
export type AllCommands = Commands & Pick<Client, "eval" | "evalSha">;

/** A cluster as a lane sees it: which connection serves a slot, and what a redirection teaches. */
export interface Routes {
  bySlot(slot: number): Client;
  byAddress(address: string): Client | undefined;
  all(): Client[];
  /** The server at `address` says it serves the slot from now on. */
  moved(slot: number, address: string): void;
  /** A server that is not connected was named. */
  stranger(address: string): void;
}

type Name = keyof AllCommands;
type Key = string | Buffer;
type Send = (client: Client) => Promise<unknown>;

const lists = new Set<Name>(["del", "unlink", "exists", "mGet"]);
const anywhere = new Set<Name>(["publish", "ping", "time", "info"]);
const byFirstKey = [
  ..."get set expire pExpire pTTL getEx incr hGet hSet hDel hGetAll hVals hmGet hLen hIncrBy".split(" "),
  ..."sAdd sRem sMembers sIsMember sCard smIsMember zAdd zRem zRange zRangeWithScores zScore zCard".split(" "),
  ..."lPush rPush lRange lTrim lLen".split(" "),
] as Name[];

const REDIRECTIONS = 5;

function invoke(client: Client, name: Name, args: unknown[]): Promise<unknown> {
  const method = client[name] as (...args: unknown[]) => Promise<unknown>;
  return method.apply(client, args);
}

/** Sends to the server of the slot and follows it when the slot has moved or is moving. */
async function follow(routes: Routes, slot: number, send: Send): Promise<unknown> {
  let client = routes.bySlot(slot);
  for (let hop = 0; ; hop += 1) {
    try {
      return await send(client);
    } catch (error) {
      const [, kind, to = ""] = /^(MOVED|ASK) \d+ (\S+)/.exec(error instanceof ErrorReply ? error.message : "") ?? [];
      if (!kind || hop === REDIRECTIONS) throw error;
      const next = routes.byAddress(to);
      if (!next) {
        routes.stranger(to);
        throw new LinkError("the cluster has changed; its new server is not connected yet", { cause: error });
      }
      if (kind === "MOVED") routes.moved(slot, to);
      client = next;
      // Sent in the same turn as the command, so nothing comes between the two on the wire.
      if (kind === "ASK") client.sendCommand(["ASKING"]).catch(() => {});
    }
  }
}

async function split(routes: Routes, name: Name, keys: Key[]): Promise<unknown> {
  const groups = new Map<number, number[]>();
  keys.forEach((key, index) => {
    const slot = slotOf(key);
    const group = groups.get(slot);
    if (group) group.push(index);
    else groups.set(slot, [index]);
  });
  const parts = await Promise.all(
    [...groups].map(async ([slot, indexes]) => ({
      indexes,
      answer: await follow(routes, slot, (client) => invoke(client, name, [indexes.map((index) => keys[index])])),
    })),
  );
  if (name !== "mGet") return parts.reduce((sum, { answer }) => sum + Number(answer), 0);
  const values: unknown[] = new Array(keys.length).fill(null);
  for (const { indexes, answer } of parts)
    (answer as unknown[]).forEach((value, at) => {
      values[indexes[at] ?? 0] = value;
    });
  return values;
}

/** One SCAN over all servers: the cursor says which server it is at. */
async function scan(routes: Routes, cursor: string, options: unknown): Promise<{ cursor: string; keys: unknown[] }> {
  const [server = "0", inner = "0"] = String(cursor).split(":");
  const clients = routes.all();
  const at = Number(server);
  const client = clients[at];
  if (!client) return { cursor: "0", keys: [] };
  const page = (await invoke(client, "scan", [inner, options])) as { cursor: string; keys: unknown[] };
  if (String(page.cursor) !== "0") return { cursor: `${at}:${page.cursor}`, keys: page.keys };
  return { cursor: at + 1 < clients.length ? `${at + 1}:0` : "0", keys: page.keys };
}

async function subscribers(routes: Routes, channels: Key[]): Promise<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const counts of await Promise.all(routes.all().map((client) => client.pubSubNumSub(channels.map(String)))))
    for (const [channel, count] of Object.entries(counts)) sums[channel] = (sums[channel] ?? 0) + Number(count);
  return sums;
}

/** The commands over a cluster: each goes to the server of its key. */
export function routedCommands(routes: Routes): AllCommands {
  const any = () => routes.all()[Math.floor(Math.random() * routes.all().length)] ?? routes.bySlot(0);
  const asList = (keys: Key | Key[]) => (Array.isArray(keys) ? keys : [keys]);
  const table: Partial<Record<Name, (...args: never[]) => Promise<unknown>>> = {
    scan: (cursor: string, options: unknown) => scan(routes, cursor, options),
    pubSubNumSub: (channels: Key | Key[]) => subscribers(routes, asList(channels ?? [])),
  };
  for (const name of byFirstKey)
    table[name] = (key: Key, ...rest: unknown[]) =>
      follow(routes, slotOf(key), (client) => invoke(client, name, [key, ...rest]));
  for (const name of lists) table[name] = (keys: Key | Key[]) => split(routes, name, asList(keys));
  for (const name of anywhere) table[name] = (...args: unknown[]) => invoke(any(), name, args);
  for (const name of ["eval", "evalSha"] as const)
    table[name] = (lua: string, options: { keys?: Key[] }) =>
      follow(routes, slotOf(options.keys?.[0] ?? ""), (client) => invoke(client, name, [lua, options]));
  return table as unknown as AllCommands;
}
