import { setTimeout as pause } from "node:timers/promises";
import type { Ask, Client, Reply } from "./client.ts";
import { newHandle, type Person, password, tokenFor } from "./people.ts";
import type { Stage } from "./stage.ts";
import type { createTally } from "./tally.ts";

export interface TrafficOptions {
  stage: Stage;
  people: Person[];
  client: Client;
  tally: ReturnType<typeof createTally>;
  /** Requests a second, judgements not counted. */
  rate: number;
  /** What was done on one server must be true on the others after so long. */
  graceMs: number;
  /** How many times as much is written and ended as people usually do. */
  eventful: number;
  random: () => number;
}

export interface Traffic {
  /** Looks at those whose sessions were written or ended last, on every server. */
  recheck(most: number): Promise<number>;
  /** Looks at everybody, and on the old server at whose session was written or ended. */
  audit(): Promise<number>;
  /** No new requests, and nothing left to judge. */
  stop(): Promise<void>;
}

const workers = 32;
const ran = (status: number) => status > 0 && status < 500;
const phaseOf = () => `${((performance.now() - started) / 1_000).toFixed(1)} s`;
const started = performance.now();

/** People at their browsers, and a judge who knows what each of them was told. */
export function startTraffic(options: TrafficOptions): Traffic {
  const { stage, people, client, tally, rate, graceMs, eventful, random } = options;
  const due: { at: number; judge: () => Promise<void> }[] = [];
  const below = (n: number) => Math.floor(random() * n);
  const urls = stage.servers.map(({ url }) => url);
  const isOpen = (url: string) => !stage.closed.has(url);
  const oneOf = () => {
    const open = urls.filter(isOpen);
    return open[below(open.length)] ?? "";
  };
  const nameOf = (url: string) => (url === stage.old.url ? "the old server" : `server ${urls.indexOf(url) + 1}`);
  let stopped = false;

  async function ask(url: string, path: string, what: Ask): Promise<Reply> {
    tally.requests += 1;
    const since = performance.now();
    const reply = await client.ask(url + path, what);
    tally.slowestMs = Math.max(tally.slowestMs, performance.now() - since);
    if (!ran(reply.status))
      tally.fault(
        "failed",
        `${what.method ?? "GET"} ${path.split("/", 3).join("/")} at ${nameOf(url)}: ${reply.status} ${JSON.stringify(reply.body)} at ${phaseOf()}`,
      );
    return reply;
  }
  const odd = (what: string, { status, body }: Reply) =>
    tally.fault("odd", `${what} was answered by ${status} ${JSON.stringify(body).slice(0, 200)}`);

  /** At a new server: is the session there, with the handle it was given last? */
  async function seesAlive(url: string, person: Person, what: string): Promise<void> {
    tally.reads += 1;
    const reply = await ask(url, "/api/channels", { cookie: person.cookie, token: person.token });
    if (reply.status === 401)
      tally.fault("loggedOut", `${person.nickname} at ${nameOf(url)}, ${what}, at ${phaseOf()}`);
    else if (ran(reply.status) && reply.status !== 200) odd(what, reply);
  }

  async function oldSeesAlive(person: Person, what: string): Promise<void> {
    tally.reads += 1;
    const reply = await ask(stage.old.url, "/me", { cookie: person.cookie });
    if (reply.status === 401) return tally.fault("loggedOut", `${person.nickname} at the old server, ${what}`);
    if (reply.status !== 200) return ran(reply.status) ? odd(what, reply) : undefined;
    const { userId, handle, csrfToken } = reply.body;
    if (userId !== person.userId || handle !== person.handle || csrfToken !== person.csrfToken)
      tally.fault("lost", `${person.nickname} at the old server, ${what}`);
  }

  /** Neither the cookie nor the token opens anything any more. */
  async function seesEnded(url: string, person: Person, what: string): Promise<void> {
    const reply = await ask(url, "/api/channels", { cookie: person.cookie, token: person.token });
    if (reply.status === 200) tally.fault("revived", `${person.nickname} at ${nameOf(url)}, ${what}, at ${phaseOf()}`);
    else if (ran(reply.status) && reply.status !== 401) odd(what, reply);
  }

  async function oldSeesEnded(cookie: string, who: string, what: string): Promise<void> {
    const reply = await ask(stage.old.url, "/me", { cookie });
    if (reply.status === 200) tally.fault("revived", `${who} at the old server, ${what}, at ${phaseOf()}`);
    else if (ran(reply.status) && reply.status !== 401) odd(what, reply);
  }

  /** A cookie whose session went over to another: nothing is left to log out. */
  async function seesCookieEnded(url: string, cookie: string, who: string, what: string): Promise<void> {
    const reply = await ask(url, "/api/logout_session", { method: "POST", cookie });
    if (reply.body?.sessionDestroyed === true) tally.fault("revived", `${who} at ${nameOf(url)}, ${what}`);
    else if (ran(reply.status) && reply.status !== 200) odd(what, reply);
  }

  /** Afterwards, when it must be true everywhere. */
  function later(person: Person, judge: () => Promise<void>, ms = graceMs): void {
    person.changedAt = performance.now();
    due.push({
      at: performance.now() + ms,
      async judge() {
        await judge();
        person.busy = false;
      },
    });
  }

  async function readOne(person: Person): Promise<void> {
    if (below(20) === 0) await oldSeesAlive(person, "reading");
    else await seesAlive(oneOf(), person, "reading");
    person.busy = false;
  }

  /** The session goes over to a new id, with its handle and its csrf token. */
  async function loginAgain(person: Person): Promise<void> {
    tally.loginsAgain += 1;
    const [url, former] = [oneOf(), person.cookie];
    const body = { identifier: person.email, password };
    const reply = await ask(url, "/api/login", { method: "POST", cookie: former, body });
    if (reply.status !== 200) {
      if (ran(reply.status)) odd("logging in again", reply);
      return later(person, async () => {});
    }
    if (reply.body.session.id !== person.handle)
      tally.fault("loggedOut", `${person.nickname} at ${nameOf(url)}, logging in again, at ${phaseOf()}`);
    person.cookie = reply.cookies[0]?.split(";", 1)[0] ?? "";
    person.handle = reply.body.session.id;
    person.token = reply.body.token;
    await seesAlive(url, person, "at once after logging in again");
    later(person, async () => {
      for (const one of urls) if (isOpen(one)) await seesAlive(one, person, "after logging in again elsewhere");
      await oldSeesAlive(person, "after logging in again");
      await oldSeesEnded(former, person.nickname, "the session before the login");
      await seesCookieEnded(oneOf(), former, person.nickname, "the session before the login");
    });
  }

  /** An old server changes what the session holds. */
  async function oldWrite(person: Person): Promise<void> {
    tally.oldWrites += 1;
    const [handle, before] = [newHandle(), person.token];
    const reply = await ask(stage.old.url, `/handle/${handle}`, { method: "POST", cookie: person.cookie });
    if (reply.status === 401) tally.fault("loggedOut", `${person.nickname} at the old server, writing`);
    if (reply.status !== 200) return later(person, async () => {});
    person.handle = handle;
    person.token = tokenFor(person, handle, stage.secrets.jwt);
    later(person, async () => {
      for (const url of urls) {
        if (!isOpen(url)) continue;
        await seesAlive(url, person, "after a write by the old server");
        const stale = await ask(url, "/api/channels", { token: before });
        if (stale.status === 200)
          tally.fault("lost", `${person.nickname} at ${nameOf(url)}, a write by the old server, at ${phaseOf()}`);
      }
      await oldSeesAlive(person, "after its own write");
    });
  }

  function ended(person: Person, what: string, ms = graceMs): void {
    person.alive = false;
    later(
      person,
      async () => {
        for (const url of urls) if (isOpen(url)) await seesEnded(url, person, what);
        await oldSeesEnded(person.cookie, person.nickname, what);
      },
      ms,
    );
  }

  async function logout(person: Person): Promise<void> {
    tally.logouts += 1;
    const url = oneOf();
    const { cookie, token } = person;
    const reply = await ask(url, "/api/logout", { method: "POST", cookie, token });
    if (reply.status === 401) tally.fault("loggedOut", `${person.nickname} at ${nameOf(url)}, logging out`);
    if (reply.status !== 200) return later(person, async () => {});
    await seesEnded(url, person, "at once after logging out");
    ended(person, "after logging out elsewhere");
  }

  async function oldLogout(person: Person): Promise<void> {
    tally.oldLogouts += 1;
    const reply = await ask(stage.old.url, "/logout", { method: "POST", cookie: person.cookie });
    if (reply.status === 401) tally.fault("loggedOut", `${person.nickname} at the old server, logging out`);
    if (reply.status !== 200) return later(person, async () => {});
    ended(person, "after logging out at the old server");
  }

  /** Logging out at a new server while an old one is about to write what it has read before. */
  async function race(person: Person): Promise<void> {
    tally.races += 1;
    const { cookie, token } = person;
    const writing = ask(stage.old.url, "/note/200", { method: "POST", cookie });
    await pause(50);
    const [, reply] = await Promise.all([writing, ask(oneOf(), "/api/logout", { method: "POST", cookie, token })]);
    if (reply.status !== 200) return later(person, async () => {});
    ended(person, "after an old server had written it back", graceMs + 500);
  }

  const acts: [share: number, act: (person: Person) => Promise<void>][] = [
    [1.0, loginAgain],
    [0.8, oldWrite],
    [0.4, logout],
    [0.4, oldLogout],
    [0.2, race],
  ];

  function pick(): Person | undefined {
    for (let tries = 0; tries < 50; tries += 1) {
      const person = people[below(people.length)];
      if (person?.alive && !person.busy) return person;
    }
    return undefined;
  }

  function actOf(): (person: Person) => Promise<void> {
    let dice = (random() * 100) / eventful;
    for (const [share, act] of acts) {
      dice -= share;
      if (dice < 0) return act;
    }
    return readOne;
  }

  let next = performance.now();
  async function work(): Promise<void> {
    while (!stopped || due.length > 0) {
      const now = performance.now();
      const ripe = due.findIndex(({ at }) => at <= now);
      if (ripe >= 0) {
        await due.splice(ripe, 1)[0]?.judge();
        continue;
      }
      if (stopped || next > now) {
        await pause(5);
        continue;
      }
      next = Math.max(next, now - 200) + 1_000 / rate;
      const person = pick();
      if (!person) continue;
      person.busy = true;
      await actOf()(person);
    }
  }
  const working = Promise.all(Array.from({ length: workers }, work));

  async function each(some: Person[], look: (person: Person) => Promise<void>): Promise<number> {
    let at = 0;
    let looked = 0;
    const looker = async () => {
      for (let person = some[at++]; person; person = some[at++]) {
        if (person.busy) continue;
        person.busy = true;
        await look(person);
        person.busy = false;
        looked += 1;
      }
    };
    await Promise.all(Array.from({ length: workers }, looker));
    return looked;
  }

  return {
    recheck: (most) =>
      each(
        people
          .filter(({ changedAt }) => changedAt > 0)
          .sort((one, other) => other.changedAt - one.changedAt)
          .slice(0, most),
        async (person) => {
          for (const url of urls)
            await (person.alive ? seesAlive(url, person, "in a recheck") : seesEnded(url, person, "in a recheck"));
        },
      ),
    audit: () =>
      each(people, async (person) => {
        if (person.alive) {
          await seesAlive(oneOf(), person, "in the audit");
          if (person.changedAt > 0) await oldSeesAlive(person, "in the audit");
        } else {
          await seesEnded(oneOf(), person, "in the audit");
          await oldSeesEnded(person.cookie, person.nickname, "in the audit");
        }
      }),
    async stop() {
      stopped = true;
      await working;
    },
  };
}
