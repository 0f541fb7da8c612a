import { setTimeout as pause } from "node:timers/promises";
import { createClient } from "../sessions/client.ts";

/** Somebody who is logged in all along. */
interface Person {
  readonly nickname: string;
  cookie: string;
  token: string;
  busy: boolean;
}

/** What was seen since the last look. */
export interface Seen {
  requests: number;
  /** Answers of 500 and above, and none at all. */
  errors: number;
  /** Sessions that were to be there and were not. */
  lost: number;
  slowestMs: number;
}

const password = "correct horse";
const workers = 16;
const nothing = (): Seen => ({ requests: 0, errors: 0, lost: 0, slowestMs: 0 });
const cookieOf = (cookies: readonly string[]) => cookies[0]?.split(";", 1)[0] ?? "";

/** The id in a signed cookie. */
const sidOf = (cookie: string) =>
  decodeURIComponent(cookie.split("=")[1] ?? "")
    .slice(2)
    .split(".")[0] ?? "";

/** People who read and log in again at all servers, without a pause. */
export async function startTraffic(urls: readonly string[], count: number, rate: number) {
  const client = createClient();
  let seen = nothing();
  const examples: string[] = [];
  let stopped = false;
  let turn = 0;
  const oneOf = () => urls[turn++ % urls.length] ?? "";

  async function ask(url: string, path: string, what: Parameters<typeof client.ask>[1]) {
    const since = performance.now();
    const reply = await client.ask(url + path, what);
    seen.requests += 1;
    seen.slowestMs = Math.max(seen.slowestMs, performance.now() - since);
    if (reply.status === 0 || reply.status >= 500) {
      seen.errors += 1;
      if (examples.length < 10) examples.push(`${path}: ${reply.status} ${JSON.stringify(reply.body).slice(0, 200)}`);
    }
    return reply;
  }

  async function register(n: number): Promise<Person> {
    const nickname = `person-${n}`;
    const body = { nickname, email: `${nickname}@example.org`, password };
    const reply = await ask(oneOf(), "/api/register", { method: "POST", body });
    if (reply.status !== 201) throw new Error(`${nickname} could not register: ${reply.status}`);
    return { nickname, cookie: cookieOf(reply.cookies), token: reply.body.token, busy: false };
  }

  async function reads(url: string, person: Person): Promise<void> {
    const { cookie, token } = person;
    const reply = await ask(url, "/api/users", { cookie, token });
    if (reply.status !== 401) return;
    seen.lost += 1;
    examples.push(`${person.nickname} is logged out: ${JSON.stringify(reply.body)}`);
  }

  /** Writes a session; answers its id, or undefined. */
  async function writes(url: string, person: Person): Promise<string | undefined> {
    const body = { identifier: person.nickname, password };
    const reply = await ask(url, "/api/login", { method: "POST", cookie: person.cookie, body });
    if (reply.status !== 200) return undefined;
    person.cookie = cookieOf(reply.cookies);
    person.token = reply.body.token;
    return sidOf(person.cookie);
  }

  const people: Person[] = [];
  // A registration at a time: passwords are slow, and a server refuses what it cannot get through in time.
  for (let n = 0; n < count; n += 1) people.push(await register(n));
  // Those who look whether writes go through are nobody else's.
  const writers = people.splice(0, urls.length);

  let next = performance.now();
  async function work(): Promise<void> {
    while (!stopped) {
      if (next > performance.now()) {
        await pause(5);
        continue;
      }
      next = Math.max(next, performance.now() - 200) + 1_000 / rate;
      const person = people[Math.floor(Math.random() * people.length)];
      if (!person || person.busy) continue;
      person.busy = true;
      if (Math.random() < 0.1) await writes(oneOf(), person);
      else await reads(oneOf(), person);
      person.busy = false;
    }
  }
  const working = Promise.all(Array.from({ length: workers }, work));

  return {
    examples,
    /** A login at that server; answers the id of the new session. */
    writeAt: (index: number) => writes(urls[index] ?? "", writers[index] as Person),
    /** What was seen since the last call. */
    look(): Seen {
      const before = seen;
      seen = nothing();
      return before;
    },
    async stop() {
      stopped = true;
      await working;
    },
    /** Everybody, at every server. */
    async audit(): Promise<number> {
      for (const person of [...people, ...writers]) for (const url of urls) await reads(url, person);
      return people.length + writers.length;
    },
    close: () => client.close(),
  };
}

export type Traffic = Awaited<ReturnType<typeof startTraffic>>;
