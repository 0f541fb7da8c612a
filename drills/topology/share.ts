import type { Chat } from "../../test/support/chat.ts";
import { figureOf } from "../../test/support/metrics.ts";
import { until } from "../../test/support/until.ts";
import { between, countReads, inBucket, shareOfRedis } from "../sessions/reads.ts";
import { stateAt } from "../support/watch.ts";
import type { Traffic } from "./traffic.ts";

type Servers = readonly Pick<Chat, "url">[];

const leastReads = 200;
const mostAudits = 20;
const patience = { timeoutMs: 30_000, everyMs: 50 };

async function everywhere(servers: Servers, holds: (url: string) => Promise<boolean>): Promise<boolean> {
  return (await Promise.all(servers.map(({ url }) => holds(url)))).every(Boolean);
}

export const redisIsUp = (servers: Servers): Promise<boolean> =>
  everywhere(servers, async (url) => (await stateAt(url)) === "up");

export const redisIsOut = (servers: Servers): Promise<boolean> =>
  everywhere(servers, async (url) => ![undefined, "up"].includes(await stateAt(url)));

/** What was written during a fault is settled, and Redis is believed again. */
const isBelieved = (servers: Servers) =>
  everywhere(servers, async (url) => (await figureOf(url, "chat_session_read_from_redis")) === 1);

/** Everybody reads everywhere while nobody writes: what of it Redis answers. */
export async function shareOfSessions(servers: Servers, traffic: Traffic): Promise<number> {
  await until(() => redisIsUp(servers), { ...patience, describe: "Redis to be up at all servers" });
  await until(() => isBelieved(servers), { ...patience, describe: "sessions to be read from Redis at all servers" });
  await traffic.hold();
  // A copy of before the fault is believed by nobody: the first read makes it anew.
  await traffic.audit();
  const before = await countReads(servers);
  let reads = between(before, before);
  for (let n = 0; inBucket(reads) < leastReads && n < mostAudits; n += 1) {
    await traffic.audit();
    reads = between(before, await countReads(servers));
  }
  await traffic.auditFormers();
  traffic.goOn();
  if (inBucket(reads) < leastReads)
    throw new Error(`${inBucket(reads)} reads only, of ${leastReads}, to tell what Redis answers`);
  return shareOfRedis(reads);
}
