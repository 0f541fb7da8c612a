import { randomUUID } from "node:crypto";
import type { Client } from "./connection.ts";
import type { Shard } from "./discovery.ts";
import { type Failure, judge } from "./failure.ts";
import { type Info, parseInfo, type ServerSigns, signsFrom } from "./signs.ts";
import { slotOf } from "./slot.ts";

const CANARY = "cache:sluice:canary";

/** A canary that the shard serves: in a cluster each master has one of its own. */
export function canaryKeyFor({ slots }: Shard): string {
  const serves = (key: string) => slots.some(([from, to]) => slotOf(key) >= from && slotOf(key) <= to);
  if (serves(CANARY)) return CANARY;
  for (let n = 0; n < 100_000; n += 1) if (serves(`${CANARY}:{${n}}`)) return `${CANARY}:{${n}}`;
  return CANARY;
}

export interface Beat {
  readonly signs: Pick<ServerSigns, "canary" | "count" | "before">;
  /** Why the server takes no writes, when it takes none. */
  readonly refused?: Failure;
  readonly info?: Info;
  /** Of the PING, in seconds. */
  readonly responseTime?: number;
}

/** Plants the canary in data that has none; what else stands under its key gives way. */
async function plant(client: Client, key: string): Promise<void> {
  try {
    await client.hSetNX(key, "id", randomUUID());
  } catch (error) {
    const { verdict, answer } = judge(error, false);
    if (verdict === "readonly") return;
    if (!/^WRONGTYPE/.test(answer.error?.message ?? "")) throw error;
    await client.del(key);
    await client.hSetNX(key, "id", randomUUID());
  }
}

async function ping(client: Client): Promise<number> {
  const begun = performance.now();
  await client.ping();
  return (performance.now() - begun) / 1000;
}

/** One heartbeat in one round trip: writes to the canary and reads it; `full` asks for everything else, too. */
export async function beat(client: Client, key: string, full: boolean): Promise<Beat> {
  const [writing, reading, telling, pinging] = await Promise.allSettled([
    client.hIncrBy(key, "count", 1),
    client.hmGet(key, ["id", "count"]),
    full ? client.info() : undefined,
    full ? ping(client) : undefined,
  ]);
  if (reading.status === "rejected") throw reading.reason;
  if (telling.status === "rejected") throw telling.reason;
  if (pinging.status === "rejected") throw pinging.reason;
  const refused = writing.status === "rejected" ? judge(writing.reason, false) : undefined;
  if (refused && refused.verdict !== "readonly") throw refused.answer.error;
  const [id, counted] = reading.value;
  const count = Number(counted ?? 0);
  return {
    signs: { canary: id ?? null, count, before: refused ? count : count - 1 },
    ...(refused && { refused }),
    ...(telling.value !== undefined && { info: parseInfo(String(telling.value)) }),
    ...(pinging.value !== undefined && { responseTime: pinging.value }),
  };
}

/** The first heartbeat tells all: the server is new to us. */
export async function firstBeat(client: Client, key: string): Promise<{ beat: Beat; signs: ServerSigns }> {
  await plant(client, key);
  const first = await beat(client, key, true);
  return { beat: first, signs: signsFrom(key, first.info ?? {}, first.signs) };
}
