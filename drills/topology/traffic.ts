import { setTimeout as pause } from "node:timers/promises";
import { createBrowser } from "../../test/support/http.ts";
import { createEar, credentialsOf, type Ear, open } from "../../test/support/sockets.ts";
import { until } from "../../test/support/until.ts";
import { type Client, createClient } from "../sessions/client.ts";

/** What a browser keeps of somebody. */
export interface Papers {
  readonly nickname: string;
  readonly cookie: string;
  readonly token: string;
}

/** Somebody who is logged in all along, but for the moment between a logout and the next login. */
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
  /** Answers to somebody who had logged out. */
  revived: number;
  /** Lists without a channel that was made, or with one that was removed, long ago. */
  stale: number;
  slowestMs: number;
}

export interface TrafficOptions {
  urls: readonly string[];
  people: number;
  /** Requests a second. */
  rate: number;
  /** Of the requests, logins over a session, and logouts with a new login. */
  logins?: number;
  logouts?: number;
}

const password = "correct horse";
const workers = 16;
/** A list may be a second old, and a busy machine takes its time. */
const boundMs = 2_500;
const mostFormers = 100;
/** A token that was looked up a moment ago is known; with a query the session itself is read. */
const withSession = "/api/users?of=drill";
/** A logout at one server is known at the others after so long. */
const graceMs = 1_500;
const nothing = (): Seen => ({ requests: 0, errors: 0, lost: 0, revived: 0, stale: 0, slowestMs: 0 });
const cookieOf = (cookies: readonly string[]) => cookies[0]?.split(";", 1)[0] ?? "";

/** The id in a signed cookie. */
export const sidOf = ({ cookie }: Pick<Papers, "cookie">) =>
  decodeURIComponent(cookie.split("=")[1] ?? "")
    .slice(2)
    .split(".")[0] ?? "";

/** A socket of theirs at that server. */
export async function openEar(url: string, { cookie, token }: Papers): Promise<Ear> {
  const browser = createBrowser(url);
  Object.assign(browser, { cookie, token });
  const ear = createEar(url, credentialsOf(browser));
  const answer = await open(ear);
  if (answer !== "connected") throw new Error(`a socket was refused: ${answer}`);
  return ear;
}

/** People who read, log in again and log out at all servers, without a pause; who has logged out goes on asking, too. */
export async function startTraffic({ urls, people: count, rate, logins = 0, logouts = 0 }: TrafficOptions) {
  const client = createClient();
  let seen = nothing();
  const examples: string[] = [];
  const formers: (Papers & { readonly at: number })[] = [];
  const out = () => formers.filter(({ at }) => performance.now() > at + graceMs);
  /** When a channel was made or removed last. */
  const channels = new Map<string, { there: boolean; at: number }>();
  let [stopped, held, underWay] = [false, false, 0];
  let turn = 0;
  const oneOf = () => urls[turn++ % urls.length] ?? "";
  const note = (what: "errors" | "lost" | "revived" | "stale", words: string) => {
    seen[what] += 1;
    if (examples.length < 20) examples.push(`${what}: ${words}`);
  };

  async function ask(url: string, path: string, what: Parameters<Client["ask"]>[1]) {
    const since = performance.now();
    const reply = await client.ask(url + path, what);
    seen.requests += 1;
    seen.slowestMs = Math.max(seen.slowestMs, performance.now() - since);
    if (reply.status === 0 || reply.status >= 500)
      note("errors", `${path} ${reply.status} ${JSON.stringify(reply.body).slice(0, 200)}`);
    return reply;
  }

  async function register(nickname: string): Promise<Person> {
    const body = { nickname, email: `${nickname}@example.org`, password };
    const reply = await ask(oneOf(), "/api/register", { method: "POST", body });
    if (reply.status !== 201) throw new Error(`${nickname} could not register: ${reply.status}`);
    return { nickname, cookie: cookieOf(reply.cookies), token: reply.body.token, busy: false };
  }

  async function reads(url: string, person: Papers, path = "/api/users"): Promise<void> {
    const { nickname, cookie, token } = person;
    const { status, body } = await ask(url, path, { cookie, token });
    if (status === 401) note("lost", `${nickname} is logged out: ${JSON.stringify(body)}`);
  }

  /** Somebody who has logged out is somebody else's now. */
  async function knocks(url: string, { nickname, cookie, token }: Papers): Promise<void> {
    const { status } = await ask(url, "/api/users", { cookie, token });
    if (status === 200) note("revived", `${nickname} had logged out, and is in again`);
  }

  async function lists(url: string, { cookie, token }: Papers) {
    const since = performance.now();
    const reply = await ask(url, "/api/channels", { cookie, token });
    if (reply.status !== 200) return reply;
    const ids = new Set((reply.body as { id: string }[]).map(({ id }) => id));
    for (const [id, { there, at }] of channels)
      if (since > at + boundMs && ids.has(id) !== there)
        note("stale", `${id} is ${there ? "missing" : "there still"} after ${(since - at).toFixed(0)} ms`);
    return reply;
  }

  /** Writes a session; answers its id, or undefined. */
  async function writes(url: string, person: Person): Promise<string | undefined> {
    const body = { identifier: person.nickname, password };
    const reply = await ask(url, "/api/login", { method: "POST", cookie: person.cookie, body });
    if (reply.status !== 200) return undefined;
    person.cookie = cookieOf(reply.cookies);
    person.token = reply.body.token;
    return sidOf(person);
  }

  async function leaves(url: string, person: Person): Promise<void> {
    const { nickname, cookie, token } = person;
    const { status } = await ask(url, "/api/logout", { method: "POST", cookie, token });
    if (status === 401) note("lost", `${nickname} was logged out before`);
    if (status === 200) formers.unshift({ nickname, cookie, token, at: performance.now() });
    formers.splice(mostFormers);
    Object.assign(person, { cookie: "", token: "" });
    await writes(url, person);
  }

  const people: Person[] = [];
  // A registration at a time: passwords are slow, and a server refuses what it cannot get through in time.
  for (let n = 0; n < count; n += 1) people.push(await register(`person-${n}`));
  // Those who look whether writes go through, and those who talk, are nobody else's.
  const writers = people.splice(0, urls.length);
  const talkers: Papers[] = people.splice(0, urls.length);

  async function acts(person: Person): Promise<void> {
    const dice = Math.random();
    const known = out();
    const former = known[Math.floor(Math.random() * known.length)];
    if (person.token === "" || dice < logins) await writes(oneOf(), person);
    else if (dice < logins + logouts) await leaves(oneOf(), person);
    else if (dice > 0.8 && former) await knocks(oneOf(), former);
    else if (dice > 0.6) await lists(oneOf(), person);
    else await reads(oneOf(), person);
  }

  let next = performance.now();
  async function work(): Promise<void> {
    while (!stopped) {
      if (held || next > performance.now()) {
        await pause(5);
        continue;
      }
      next = Math.max(next, performance.now() - 200) + 1_000 / rate;
      const person = people[Math.floor(Math.random() * people.length)];
      if (!person || person.busy) continue;
      person.busy = true;
      underWay += 1;
      await acts(person);
      underWay -= 1;
      person.busy = false;
    }
  }
  const working = Promise.all(Array.from({ length: workers }, work));

  return {
    examples,
    formers: formers as readonly Papers[],
    talkers: talkers as readonly Papers[],
    everybody: (): readonly Papers[] => [...people, ...writers, ...talkers],
    /** A login at that server; answers the id of the new session. */
    writeAt: (index: number) => writes(urls[index] ?? "", writers[index] as Person),
    /** One of those who use the chat logs out, and in again; the papers of before stay in use. */
    async logOut(): Promise<void> {
      const person = await until(() => people.find(({ busy, token }) => !busy && token !== ""), { everyMs: 5 });
      person.busy = true;
      await leaves(oneOf(), person);
      person.busy = false;
    },
    async makeChannel(name: string): Promise<void> {
      const { cookie = "", token = "" } = talkers[0] ?? {};
      const body = { name, type: "text" };
      const reply = await ask(oneOf(), "/api/channels", { method: "POST", cookie, token, body });
      if (reply.status === 201) channels.set(reply.body.id, { there: true, at: performance.now() });
    },
    /** By somebody who does not go through a server. */
    removed: (id: string) => void channels.set(id, { there: false, at: performance.now() }),
    /** The channel that was made first of those that are there. */
    oldest: () => [...channels].find(([, { there }]) => there)?.[0],
    /** Everybody waits, and nothing is under way. */
    async hold(): Promise<void> {
      held = true;
      await until(() => underWay === 0, { timeoutMs: 60_000, everyMs: 5, describe: "the last answers" });
    },
    goOn(): void {
      held = false;
    },
    /** Of so many reads of the list of channels one after the other. */
    async fromCaches(times: number): Promise<number> {
      const person = talkers[0] as Papers;
      let hits = 0;
      for (let n = 0; n < times; n += 1)
        hits += /^(l1|redis)$/.test((await lists(oneOf(), person)).source ?? "") ? 1 : 0;
      return hits / times;
    },
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
    /** Everybody, at every server; answers how many. */
    async audit(): Promise<number> {
      const all = [...people, ...writers, ...talkers].filter(({ token }) => token !== "");
      for (const person of all) for (const url of urls) await reads(url, person, withSession);
      return all.length;
    },
    async auditFormers(): Promise<void> {
      for (const former of out()) for (const url of urls) await knocks(url, former);
    },
    status: async (url: string, { cookie, token }: Papers) => (await ask(url, "/api/users", { cookie, token })).status,
    list: async (url: string, path: string) => {
      const { cookie = "", token = "" } = talkers[0] ?? {};
      return (await ask(url, path, { cookie, token })).body as unknown;
    },
    close: () => client.close(),
  };
}

export type Traffic = Awaited<ReturnType<typeof startTraffic>>;
