import { setTimeout as pause } from "node:timers/promises";
import { openJudge } from "../judge/judge.ts";
import { createClient } from "../sessions/client.ts";
import type { Person } from "../sessions/people.ts";

/** What the readers saw for a while. */
export interface Seen {
  requests: number;
  /** Answers of 500 and above, and none at all. */
  errors: number;
  /** Asked to log in again. */
  lost: number;
  slowestMs: number;
  /** Answers that were compared with MongoDB, and those that MongoDB could not have given. */
  checked: number;
  stale: number;
  /** From memory or from Redis. */
  hits: number;
  /** The others, by what was asked for and who answered. */
  misses: Record<string, number>;
}

interface Options {
  urls: readonly string[];
  mongoUrl: string;
  people: readonly Person[];
  rooms: readonly string[];
  /** What was written so long ago must be told. */
  boundMs: number;
}

const workers = 8;
const restMs = 5;
export const nothingSeen = (): Seen => ({
  requests: 0,
  errors: 0,
  lost: 0,
  slowestMs: 0,
  checked: 0,
  stale: 0,
  hits: 0,
  misses: {},
});

/** People who read lists and histories at every server; each answer is compared with what MongoDB had. */
export async function startReaders({ urls, mongoUrl, people, rooms, boundMs }: Options) {
  const client = createClient();
  const judge = await openJudge(mongoUrl, { everyMs: 200, boundMs });
  const examples: string[] = [];
  let seen = nothingSeen();
  let stopped = false;
  let turn = 0;

  async function read(): Promise<void> {
    // What is asked for in one phase and answered in the next one is told of with the first.
    const mine = seen;
    turn += 1;
    const url = urls[turn % urls.length] ?? "";
    const person = people[turn % people.length];
    const room = `/api/channels/${rooms[turn % rooms.length]}/messages`;
    const path = ["/api/users", "/api/channels", room][Math.floor(Math.random() * 3)] ?? "";
    const [asked, since] = [Date.now(), performance.now()];
    const { status, body, source } = await client.ask(url + path, { token: person?.token ?? "" });
    mine.requests += 1;
    mine.slowestMs = Math.max(mine.slowestMs, performance.now() - since);
    const kind = `${path.split("/").at(-1)} ${source}`;
    if (source === "l1" || source === "redis") mine.hits += 1;
    else mine.misses[kind] = (mine.misses[kind] ?? 0) + 1;
    if (status === 0 || status >= 500) {
      mine.errors += 1;
      if (examples.length < 10) examples.push(`${path}: ${status} ${JSON.stringify(body).slice(0, 200)}`);
      return;
    }
    if (status === 401) mine.lost += 1;
    if (status !== 200) return;
    const verdict = await judge.look(path, JSON.stringify(body), asked);
    if (verdict === "unknown") return;
    mine.checked += 1;
    if (verdict === "right") return;
    mine.stale += 1;
    if (examples.length < 10)
      examples.push(`${path} from ${source} at server ${urls.indexOf(url) + 1}: ${verdict.fault}`);
  }
  async function work(): Promise<void> {
    while (!stopped) {
      await read();
      await pause(restMs);
    }
  }
  const working = Promise.all(Array.from({ length: workers }, work));

  /** Where it comes from, when that is no cache. */
  async function missed(url: string, path: string): Promise<string | undefined> {
    const { source } = await client.ask(url + path, { token: people[0]?.token ?? "" });
    if (source === "l1" || source === "redis") return undefined;
    return `${path} at server ${urls.indexOf(url) + 1} (${source})`;
  }

  return {
    examples,
    /** What is read here and would not come from a cache now. */
    async unserved(): Promise<string[]> {
      const paths = ["/api/users", "/api/channels", ...rooms.map((room) => `/api/channels/${room}/messages`)];
      const asked = urls.flatMap((url) => paths.map((path) => missed(url, path)));
      return (await Promise.all(asked)).filter((one) => one !== undefined);
    },
    /** What is asked for from now on is told of there. */
    look(into: Seen): Seen {
      seen = into;
      return seen;
    },
    async stop(): Promise<void> {
      stopped = true;
      await working;
      await judge.close();
      client.close();
    },
  };
}
