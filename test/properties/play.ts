import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { SessionData, Store } from "express-session";
import { type Stored, sessionOf } from "../support/store-calls.ts";
import { type Op, places, type Simple, type StockOp, shortPlaces, type Turn } from "./commands.ts";
import { type Act, createOracle } from "./oracle.ts";
import { type Held, lagMs, type Member, operationMs, type World } from "./world.ts";

const dayMs = 86_400_000;
export const shortMs = 4_000;
const hungMs = operationMs + 2_000;
const frozenMs = 300;

export interface Tally {
  commands: number;
  /** How often each fault fell between two legs of an operation. */
  between: Record<string, number>;
  rough: number;
  /** Of Redis, or of an instance. */
  restarts: number;
}

export interface Life {
  readonly lifeMs: number;
  /** When it was renewed last for certain, by the clock on the wall: it runs out also while this process sleeps. */
  sure: number;
  /** When it may have been renewed last. */
  latest: number;
}

const plain = (session: unknown) => JSON.parse(JSON.stringify(session)) as Stored;

/** Does single commands on the world, and throws when an answer is wrong. */
export function createPlay(world: World, prefix: string, tally: Tally) {
  const oracle = createOracle(lagMs);
  const contents = new Map<string, Stored>();
  const lives = new Map<string, Life>();
  const slots = Array.from({ length: places }, (_, s) => `${prefix}-s${s}-0`);
  const everUsed = new Set(slots);
  let written = 0;
  let moved = 0;
  let skewed = false;

  const lifeOf = (s: number) => (s >= places - shortPlaces ? shortMs : dayMs);
  function nextValue(): string {
    written += 1;
    return `w${written}`;
  }
  const wrong = (what: string): never => {
    throw new Error(what);
  };

  function asked<T>(what: string, call: (done: (error: unknown, value?: T) => void) => void): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      let answers = 0;
      const begun = world.now();
      const timer = setInterval(() => {
        if (world.now() - begun < hungMs) return;
        clearInterval(timer);
        reject(new Error(`${what} was not answered within ${hungMs} ms`));
      }, 100);
      call((error, value) => {
        answers += 1;
        clearInterval(timer);
        if (answers > 1) world.doubled.push(what);
        if (error) reject(error instanceof Error ? error : new Error(String(error)));
        else resolve(value);
      });
    });
  }

  /** An error is right only while MongoDB is out; then nobody knows what came of it. */
  async function attempted<T>(what: string, from: number, work: Promise<T>): Promise<{ value: T } | undefined> {
    try {
      return { value: await work };
    } catch (error) {
      if (!world.mongoTroubled(from)) wrong(`${what} failed although MongoDB is well: ${String(error)}`);
      if (/was not answered/.test(String(error))) wrong(String(error));
      return undefined;
    }
  }

  /** Answers by what it can be said afterwards that it was so. */
  function renewing(sid: string, lifeMs: number): () => void {
    const [latest, sure] = [world.now(), performance.now()];
    const life = lives.get(sid) ?? { lifeMs, sure, latest };
    life.latest = Math.max(life.latest, latest);
    lives.set(sid, life);
    return () => {
      life.sure = Math.max(life.sure, sure);
      life.latest = Math.max(life.latest, latest);
    };
  }

  /** Whether it may be over by time, and whether it must be. */
  function over(sid: string, from: number): { may: boolean; must: boolean } {
    const life = lives.get(sid);
    if (!life || life.lifeMs === dayMs) return { may: false, must: false };
    return {
      may: skewed || performance.now() - life.sure >= 0.9 * life.lifeMs,
      must: !skewed && from - life.latest > 1.1 * life.lifeMs + 1_000,
    };
  }

  function judged(sid: string, by: string, from: number, to: number, session: Stored | null): void {
    const value = session ? (session.value as string) : null;
    const time = over(sid, from);
    if (session && time.must) wrong(`${by} was shown ${sid}, whose time is up`);
    const verdict = oracle.judge(sid, { by, from, to, value }, time.may);
    if (verdict) wrong(`${by} was shown of ${sid}: ${verdict}`);
    if (session && !isDeepStrictEqual(plain(session), contents.get(value ?? "")))
      wrong(`${by} was shown ${JSON.stringify(session)} where ${JSON.stringify(contents.get(value ?? ""))} was set`);
    if (session && !isDeepStrictEqual(Reflect.ownKeys(session).sort(), Object.keys(session).sort()))
      wrong(`${by} was shown hidden keys: ${Reflect.ownKeys(session).map(String).join()}`);
  }

  /** What became of a write that was acknowledged, seen from the outside. */
  function fate(sid: string, act: Act, by: string, base: Held | undefined, s: number): "sure" | "maybe" | "none" {
    const others = oracle.of(sid).filter((one) => one !== act);
    if (!base) return "sure";
    const unseen = others.filter((one) => !oracle.known(one, by, base.from) && one.value !== base.value);
    const ends = unseen.filter((one) => one.value === null);
    const ended = ends.find((end) => end.sure && end.from > base.to && end.to <= act.from);
    const again = ended && others.some((one) => one.value !== null && one.to > ended.from);
    if (ended && !again) return "none";
    if (ends.length > 0 || (skewed && unseen.length > 0) || lifeOf(s) === shortMs) return "maybe";
    return "sure";
  }

  function settleFate(sid: string, act: Act, what: "sure" | "maybe" | "none"): void {
    act.to = world.now();
    act.sure = what === "sure";
    if (what === "none") oracle.forget(sid, act);
  }

  async function save(member: Member, s: number, sid: string, session: Stored, base: Held | undefined): Promise<void> {
    const value = nextValue();
    session.value = value;
    contents.set(value, plain(session));
    const act = oracle.begin(sid, member.name, value, world.now());
    const renewed = renewing(sid, lifeOf(s));
    const set = asked<void>(`set ${sid}`, (done) => member.store.set(sid, session, done));
    if (!(await attempted(`${member.name} set ${sid}`, act.from, set))) return;
    const what = fate(sid, act, member.name, base, s);
    settleFate(sid, act, what);
    if (what === "sure") renewed();
    const known =
      what === "sure" ? { from: act.from, to: act.to } : base ? { from: base.from, to: base.to } : undefined;
    if (known) member.held.set(sid, { session, ...known, value });
  }

  async function end(member: Member, sid: string, call: (done: (error: unknown) => void) => void): Promise<void> {
    const act = oracle.begin(sid, member.name, null, world.now());
    if (await attempted(`${member.name} destroy ${sid}`, act.from, asked(`destroy ${sid}`, call)))
      settleFate(sid, act, "sure");
  }

  function freshSid(s: number): string {
    const sid = `${prefix}-s${s}-${everUsed.size}`;
    everUsed.add(sid);
    slots[s] = sid;
    return sid;
  }

  function born(member: Member, sid: string, s: number): Stored {
    const req = { wanted: sid, headers: {} } as unknown as { session: SessionData; sessionID: string };
    (member.store as unknown as { generate(req: unknown): void }).generate(req);
    req.session.cookie.maxAge = lifeOf(s);
    return req.session as Stored;
  }

  function renewedCookie(session: Stored, s: number): Stored {
    session.cookie.expires = new Date(Date.now() + lifeOf(s)).toISOString() as unknown as Date;
    return session;
  }

  async function operate(op: Op): Promise<void> {
    tally.commands += 1;
    const member = world.at(op.at);
    const { store, held, name } = member;
    const sid = slots[op.s] ?? "";
    switch (op.do) {
      case "get":
      case "cold get": {
        // As when Redis had to make room. While it is frozen that comes later, and who is held meanwhile must not wait for it.
        if (op.do === "cold get")
          await Promise.race([world.redis.ask("DEL", `session:${sid}`).catch(() => {}), pause(frozenMs)]);
        const from = world.now();
        const got = await attempted(
          `${name} get ${sid}`,
          from,
          asked<SessionData | null>(`get ${sid}`, (d) => store.get(sid, d)),
        );
        if (!got || member.life.dead) return;
        const to = world.now();
        const session = (got.value ?? null) as Stored | null;
        judged(sid, name, from, to, session);
        if (session) held.set(sid, { session, from, to, value: session.value as string });
        else held.delete(sid);
        return;
      }
      case "set": {
        const base = op.how === "read before" ? held.get(sid) : undefined;
        const session = base ? renewedCookie(base.session, op.s) : sessionOf(lifeOf(op.s));
        // Two requests never share one object.
        held.delete(sid);
        return save(member, op.s, sid, session, base);
      }
      case "born": {
        const fresh = freshSid(op.s);
        return save(member, op.s, fresh, born(member, fresh, op.s), undefined);
      }
      case "touch": {
        const from = world.now();
        const session = renewedCookie(held.get(sid)?.session ?? sessionOf(lifeOf(op.s)), op.s);
        const alive = oracle.of(sid).every((act) => act.value !== null || act.to < 0);
        const renewed = renewing(sid, lifeOf(op.s));
        const touch = asked<void>(`touch ${sid}`, (done) => store.touch(sid, session, done));
        const touched = await attempted(`${name} touch ${sid}`, from, touch);
        if (touched && alive && held.has(sid) && !over(sid, from).may) renewed();
        return;
      }
      case "destroy":
        held.delete(sid);
        return end(member, sid, (done) => store.destroy(sid, done));
      case "regenerate": {
        held.delete(sid);
        const fresh = freshSid(op.s);
        const req = { wanted: fresh, headers: {}, sessionID: sid } as unknown as Parameters<Store["regenerate"]>[0];
        await end(member, sid, (done) => store.regenerate(req, done));
        const session = (req as { session?: SessionData }).session;
        if (!session) return wrong("regenerate made no session");
        session.cookie.maxAge = lifeOf(op.s);
        return save(member, op.s, fresh, session as Stored, undefined);
      }
      case "copy": {
        await attempted(`${name} copies ${sid}`, world.now(), store.parts.copy(sid));
      }
    }
  }

  /** An old server knows nothing of versions; what it writes back after one of ours has ended it must end again. */
  async function stock(op: StockOp): Promise<void> {
    tally.commands += 1;
    const sid = slots[op.s] ?? "";
    const session = sessionOf(lifeOf(op.s));
    if (op.do === "stock touch") {
      renewing(sid, lifeOf(op.s));
      await asked(`stock touch ${sid}`, (done) => world.stock.touch?.(sid, session, done as () => void)).catch(
        () => {},
      );
      return;
    }
    const value = op.do === "stock set" ? nextValue() : null;
    if (value !== null) contents.set(value, plain(Object.assign(session, { value })));
    const before = [...oracle.of(sid)];
    const act = oracle.begin(sid, "stock", value, world.now());
    if (value === null) {
      await asked(`stock destroy ${sid}`, (done) => world.stock.destroy(sid, done));
      return settleFate(sid, act, "sure");
    }
    renewing(sid, lifeOf(op.s));
    await asked(`stock set ${sid}`, (done) => world.stock.set(sid, session, done));
    const ends = before.filter((one) => one.value === null && one.to > 0);
    if (!ends.some((one) => one.by !== "stock")) return settleFate(sid, act, "sure");
    const lastEnd = Math.max(...ends.map((one) => one.to));
    const since = before.filter((one) => one.value !== null && one.to > Math.min(lastEnd, act.from));
    if (lastEnd > act.from) return settleFate(sid, act, "maybe");
    const alive = since.some((one) => one.sure && one.by !== "stock" && one.from > lastEnd);
    settleFate(sid, act, alive && lifeOf(op.s) === dayMs ? "sure" : since.length > 0 ? "maybe" : "none");
  }

  async function turn(one: Turn): Promise<void> {
    tally.commands += 1;
    switch (one.do) {
      case "dial":
        return world.setDial(one.at, { percent: one.percent });
      case "mode":
        return world.setDial(one.at, { mode: one.mode });
      case "kill switch":
        await Promise.all(world.each(one.at).map(({ instance }) => instance.door.disable(one.on, "the test")));
        return;
      case "clock":
        skewed ||= one.ms !== 0;
        world.setClock(one.at, one.ms);
        return;
      case "crash":
        tally.restarts += 1;
        return world.crash(one.at);
      case "redis restarts":
        tally.restarts += 1;
        return world.redisStarts(one.how);
      case "redis is emptied":
        await world.redis.ask("FLUSHALL");
        return;
      case "redis is remembered":
        return world.remember();
      case "all is well":
        return world.heal();
    }
  }

  async function move(s: number): Promise<void> {
    moved += 1;
    const letters = [...world.members.keys()];
    await operate({ do: "born", at: letters[moved % letters.length] ?? "A", s });
    await operate({ do: "get", at: letters[(moved + 1) % letters.length] ?? "A", s });
  }

  function simply(one: Simple): Promise<void> {
    if (one.do.startsWith("stock")) return stock(one as StockOp);
    return "s" in one ? operate(one as Op) : turn(one as Turn);
  }

  return {
    simply,
    operate,
    over,
    asked,
    judge: oracle.judge,
    life: (sid: string) => lives.get(sid),
    get skewed() {
      return skewed;
    },
    sids: () => [...everUsed],

    /** Every place has a session, and Redis copies of all of them. */
    async begin(): Promise<void> {
      for (let s = 0; s < places; s += 1) await move(s);
      await world.remember();
    },
    /** Leaves the session as it is until the end, where it is looked at again; another one takes its place. */
    move,
    /** What everybody says of the session now, each to be judged. */
    async probe(s: number): Promise<void> {
      for (const letter of world.members.keys()) await operate({ do: "get", at: letter, s });
    },
  };
}

export type Play = ReturnType<typeof createPlay>;
