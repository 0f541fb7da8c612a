import { randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import session, { type Store } from "express-session";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Browser, createBrowser } from "../support/http.ts";
import { callsOf, type StoreCalls, sessionOf } from "../support/store-calls.ts";
import { until } from "../support/until.ts";

export interface StoreUnderTest {
  store: Store;
  close(): Promise<void>;
}

/** Where known stores part from the contract, or where it leaves the choice to them. */
export interface Traits {
  /** A callback that throws is called a second time. */
  callsTwice?: boolean;
  /** `all` and `length` count sessions whose time is up. */
  countsExpired?: boolean;
  /** `touch` of a session that does not exist is an error. */
  touchNeedsSession?: boolean;
  /** A session lives up to so much longer than its cookie says. */
  lateMs?: number;
}

const day = 86_400_000;
const newSid = () => randomBytes(18).toString("base64url");
const oddSids = ["with space", "a:b", "a*b?[c]", "../../etc", "$where", "a.b", "ключ", "__proto__", "x".repeat(300)];
const oddContents: Record<string, Record<string, unknown>> = {
  "nested objects and arrays": { a: { b: [1, { c: null }, [true, "x"]] } },
  "no field but the cookie": {},
  "other scripts and emoji": { имя: "Ярослав 🦉", zero: "\u0000\u2028" },
  "numbers of every size": { n: [0, -1, 1.5, 2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER] },
  "100 kB": { text: "x".repeat(100_000) },
};

/** Runs `work` with the process's own handlers of uncaught exceptions put aside; answers what was thrown meanwhile. */
async function uncaughtDuring(work: () => Promise<void>): Promise<unknown[]> {
  const names = ["uncaughtException", "unhandledRejection"] as const;
  const thrown: unknown[] = [];
  const note = (error: unknown) => void thrown.push(error);
  const saved = names.map((name) => process.listeners(name as "uncaughtException"));
  for (const name of names) process.removeAllListeners(name).on(name as "uncaughtException", note);
  try {
    await work();
  } finally {
    names.forEach((name, index) => {
      process.removeListener(name, note);
      for (const listener of saved[index] ?? []) process.on(name as "uncaughtException", listener);
    });
  }
  return thrown;
}

/** express-session's documented store contract, to the letter, spoken directly and through express-session itself. */
export function sessionStoreContract(name: string, make: () => Promise<StoreUnderTest>, traits: Traits = {}): void {
  describe(`session store contract, ${name}`, () => {
    let under: StoreUnderTest;
    let store: Store;
    let calls: StoreCalls;
    let disconnects = 0;

    beforeAll(async () => {
      under = await make();
      store = under.store;
      calls = callsOf(store);
      store.on("disconnect", () => {
        disconnects += 1;
      });
    });
    afterAll(async () => {
      await under?.close();
      expect(disconnects).toBe(0);
    });

    describe("get, set, destroy", () => {
      it("is an event emitter", () => expect(store).toBeInstanceOf(EventEmitter));

      it("answers an unknown session with nothing, and no error", async () => {
        expect(await calls.get(newSid())).toBeNull();
      });

      it("answers what was set", async () => {
        const [sid, stored] = [newSid(), sessionOf(day, { user: "ann", count: 1 })];
        await calls.set(sid, stored);
        expect(await calls.get(sid)).toEqual(stored);
        expect(await calls.get(sid)).toEqual(stored);
      });

      it.each(Object.keys(oddContents))("keeps %s", async (what) => {
        const [sid, stored] = [newSid(), sessionOf(day, oddContents[what])];
        await calls.set(sid, stored);
        expect(await calls.get(sid)).toEqual(stored);
      });

      it.each(oddSids)("takes the session id %s", async (text) => {
        const sid = text.length > 100 ? text : `${text}${newSid()}`;
        await calls.set(sid, sessionOf(day, { text }));
        expect(await calls.get(sid)).toMatchObject({ text });
        await calls.destroy(sid);
        expect(await calls.get(sid)).toBeNull();
      });

      it("replaces the whole session", async () => {
        const sid = newSid();
        await calls.set(sid, sessionOf(day, { a: 1, b: { c: 2 } }));
        const second = sessionOf(day, { b: { d: 3 } });
        await calls.set(sid, second);
        expect(await calls.get(sid)).toEqual(second);
      });

      it("hands out copies", async () => {
        const sid = newSid();
        const mine = sessionOf(day, { list: [1] });
        await calls.set(sid, mine);
        mine.list = "changed after set";
        const first = await calls.get(sid);
        expect(first).toMatchObject({ list: [1] });
        const list = first?.list as number[] | undefined;
        list?.push(2);
        expect(await calls.get(sid)).toMatchObject({ list: [1] });
      });

      it("keeps a session whose cookie has no end", async () => {
        const sid = newSid();
        const stored = { cookie: { originalMaxAge: null, expires: null, path: "/" }, user: "ann" };
        await calls.set(sid, stored);
        expect(await calls.get(sid)).toEqual(stored);
      });

      it("keeps every one of many set at once", async () => {
        const sids = Array.from({ length: 60 }, newSid);
        await Promise.all(sids.map((sid, n) => calls.set(sid, sessionOf(day, { n }))));
        const answers = await Promise.all(sids.map((sid) => calls.get(sid)));
        expect(answers.map((answer) => answer?.n)).toEqual(sids.map((_, n) => n));
      });

      it("lets the last of several sets win", async () => {
        const sid = newSid();
        for (let n = 0; n < 20; n += 1) {
          await calls.set(sid, sessionOf(day, { n }));
          expect(await calls.get(sid)).toMatchObject({ n });
        }
      });

      it("forgets what was destroyed, and minds no second destroy", async () => {
        const sid = newSid();
        await calls.set(sid, sessionOf(day));
        await calls.destroy(sid);
        expect(await calls.get(sid)).toBeNull();
        await calls.destroy(sid);
        await calls.destroy(newSid());
      });

      it("works without callbacks", async () => {
        const sid = newSid();
        store.set(sid, sessionOf(day, { quiet: true }));
        await until(async () => (await calls.get(sid))?.quiet);
        store.touch?.(sid, sessionOf(day, { quiet: true }));
        store.destroy(sid);
        await until(async () => (await calls.get(sid)) === null);
      });
    });

    describe("expiry and touch", () => {
      const late = traits.lateMs ?? 0;

      it("answers no session that was set with its time already up", async () => {
        const sid = newSid();
        await calls.set(sid, sessionOf(-1_000));
        expect(await calls.get(sid)).toBeNull();
      });

      it("answers a session until its time is up, and not afterwards", async () => {
        const sid = newSid();
        const life = 1_200;
        const begun = Date.now();
        await calls.set(sid, sessionOf(life));
        const seen = await calls.get(sid);
        if (Date.now() - begun < life / 2) expect(seen).not.toBeNull();
        await until(async () => (await calls.get(sid)) === null, { timeoutMs: life + late + 3_000 });
        expect(Date.now() - begun).toBeGreaterThanOrEqual(life - 300);
      });

      it("lets a touched session live on, with its content as it was", async () => {
        const sid = newSid();
        const life = 1_000;
        let begun = 0;
        // A touch that a busy machine brings after the end proves nothing.
        await until(async () => {
          begun = Date.now();
          await calls.set(sid, sessionOf(life, { user: "ann" }));
          await calls.touch(sid, sessionOf(day, { user: "ann" }));
          return Date.now() - begun < life / 2;
        });
        await until(() => Date.now() - begun > life + late + 100);
        expect(await calls.get(sid)).toMatchObject({ user: "ann" });
      });

      it("lets a touch end a session earlier, too", async () => {
        const sid = newSid();
        await calls.set(sid, sessionOf(day, { user: "ann" }));
        await calls.touch(sid, sessionOf(300, { user: "ann" }));
        await until(async () => (await calls.get(sid)) === null, { timeoutMs: 300 + late + 3_000 });
      });

      it("changes nothing but the time by a touch", async () => {
        const sid = newSid();
        await calls.set(sid, sessionOf(day, { n: 1 }));
        await calls.touch(sid, sessionOf(day, { n: 2 }));
        expect(await calls.get(sid)).toMatchObject({ n: 1 });
      });

      it("makes no session by a touch", async () => {
        const sid = newSid();
        const touched = calls.touch(sid, sessionOf(day));
        if (traits.touchNeedsSession) await expect(touched).rejects.toThrow();
        else await touched;
        expect(await calls.get(sid)).toBeNull();
      });
    });

    describe("all, length, clear", () => {
      it("lists, counts and clears", async () => {
        await calls.clear();
        expect(await calls.length()).toBe(0);
        expect(await calls.all()).toEqual([]);
        const sids = [newSid(), newSid(), newSid()];
        for (const [n, sid] of sids.entries()) await calls.set(sid, sessionOf(day, { n }));
        expect(await calls.length()).toBe(3);
        expect((await calls.all()).map((one) => one.n).sort()).toEqual([0, 1, 2]);
        await calls.destroy(sids[1] ?? "");
        expect(await calls.length()).toBe(2);
        await calls.clear();
        expect(await calls.length()).toBe(0);
        for (const sid of sids) expect(await calls.get(sid)).toBeNull();
        await calls.clear();
      });

      it.skipIf(traits.countsExpired)("leaves out those whose time is up", async () => {
        await calls.clear();
        await calls.set(newSid(), sessionOf(-1_000, { n: 0 }));
        await calls.set(newSid(), sessionOf(day, { n: 1 }));
        expect((await calls.all()).map((one) => one.n)).toEqual([1]);
        expect(await calls.length()).toBe(1);
        await calls.clear();
      });
    });

    describe("callbacks", () => {
      it("are called once each", async () => {
        const sid = newSid();
        const counts: Record<string, number> = {};
        const count = (what: string) => () => {
          counts[what] = (counts[what] ?? 0) + 1;
        };
        store.set(sid, sessionOf(day), count("set"));
        await until(() => counts.set);
        store.get(sid, count("get"));
        store.get(newSid(), count("miss"));
        store.touch?.(sid, sessionOf(day), count("touch"));
        store.all?.(count("all"));
        store.length?.(count("length"));
        await until(() => counts.get && counts.miss && counts.touch && counts.all && counts.length);
        store.destroy(sid, count("destroy"));
        store.destroy(newSid(), count("nothing"));
        store.clear?.(count("clear"));
        await until(() => counts.destroy && counts.nothing && counts.clear);
        await calls.get(sid);
        expect(Object.values(counts)).toEqual(Object.values(counts).map(() => 1));
      });

      it.skipIf(traits.callsTwice)("are not called again when they throw", async () => {
        const sid = newSid();
        await calls.set(sid, sessionOf(day));
        let called = 0;
        const burst = () => {
          called += 1;
          throw new Error("a callback's own fault");
        };
        const thrown = await uncaughtDuring(async () => {
          const acts: ((done: () => void) => void)[] = [
            (done) => store.get(sid, done),
            (done) => store.touch?.(sid, sessionOf(day), done),
            (done) => store.set(sid, sessionOf(day), done),
            (done) => store.length?.(done),
            (done) => store.destroy(sid, done),
          ];
          for (const [index, act] of acts.entries()) {
            try {
              act(burst);
            } catch {
              // A store may call back at once; the fault is the callback's all the same.
            }
            await until(() => called > index);
          }
          await calls.get(sid);
          await new Promise((resolve) => setImmediate(resolve));
        });
        expect(called).toBe(5);
        for (const error of thrown) expect(String(error)).toMatch("a callback's own fault");
      });
    });

    describe("through express-session", () => {
      let server: Server;
      let url: string;

      beforeAll(async () => {
        const app = express();
        app.use(
          session({
            store,
            secret: "quite secret",
            resave: false,
            saveUninitialized: false,
            unset: "destroy",
            genid: () => `generated-${newSid()}`,
            cookie: { maxAge: day },
          }),
        );
        const open = (req: express.Request) => req.session as unknown as Record<string, unknown>;
        app.get("/keep/:value", (req, res) => {
          open(req).value = req.params.value;
          res.json({ sid: req.sessionID });
        });
        app.get("/read", (req, res) => {
          res.json({ sid: req.sessionID, value: open(req).value ?? null, keys: Object.keys(req.session).sort() });
        });
        app.get("/cookie", (req, res) => {
          const { expires, originalMaxAge } = req.session.cookie;
          res.json({
            isDate: expires instanceof Date,
            originalMaxAge,
            keys: Object.keys(JSON.parse(JSON.stringify(req.session.cookie))),
          });
        });
        app.get("/regenerate", (req, res, next) => {
          req.session.regenerate((error) => {
            if (error) return next(error);
            open(req).value = "fresh";
            res.json({ sid: req.sessionID });
          });
        });
        app.get("/reload", (req, res, next) => {
          open(req).value = "not saved";
          req.session.reload((error) => (error ? next(error) : res.json({ value: open(req).value })));
        });
        app.get("/save-twice", (req, res, next) => {
          open(req).value = "one";
          req.session.save((error) => {
            if (error) return next(error);
            open(req).value = "two";
            res.json({});
          });
        });
        app.get("/destroy", (req, res, next) => {
          req.session.destroy((error) => (error ? next(error) : res.json({})));
        });
        app.get("/unset", (req, res) => {
          (req as { session?: unknown }).session = null;
          res.json({});
        });
        await new Promise<void>((resolve) => {
          server = app.listen(0, "127.0.0.1", () => resolve());
        });
        url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      });
      afterAll(() => {
        server?.closeAllConnections();
        server?.close();
      });

      async function keeping(value: string): Promise<{ browser: Browser; sid: string }> {
        const browser = createBrowser(url);
        const { body } = await browser.get(`/keep/${value}`);
        expect(body.sid).toMatch(/^generated-/);
        return { browser, sid: body.sid };
      }

      it("keeps a session from request to request", async () => {
        const { browser, sid } = await keeping("ann");
        for (let n = 0; n < 3; n += 1)
          expect((await browser.get("/read")).body).toEqual({ sid, value: "ann", keys: ["cookie", "value"] });
        await browser.get("/keep/bob");
        expect((await browser.get("/read")).body.value).toBe("bob");
      });

      it("sends no cookie and saves nothing when nothing was changed", async () => {
        const { browser } = await keeping("ann");
        let saved = 0;
        const set = store.set;
        store.set = (...args: Parameters<Store["set"]>) => {
          saved += 1;
          set.apply(store, args);
        };
        try {
          const answer = await browser.get("/read");
          expect(answer.headers.getSetCookie()).toEqual([]);
          expect(saved).toBe(0);
        } finally {
          store.set = set;
        }
      });

      it("gives the cookie its dates back", async () => {
        const { browser } = await keeping("ann");
        const { body } = await browser.get("/cookie");
        // express-session works it out from the date that it has just set, some ms later.
        expect(body).toMatchObject({ isDate: true, originalMaxAge: expect.closeTo(day, -3) });
        expect(body.keys).toEqual(expect.arrayContaining(["expires", "httpOnly", "path"]));
      });

      it("starts a new session for a cookie whose session is gone", async () => {
        const { browser, sid } = await keeping("ann");
        await calls.destroy(sid);
        const { body } = await browser.get("/read");
        expect(body).toMatchObject({ value: null });
        expect(body.sid).not.toBe(sid);
      });

      it("regenerates under another id, and ends the old one", async () => {
        const { browser, sid } = await keeping("ann");
        const { body } = await browser.get("/regenerate");
        expect(body.sid).not.toBe(sid);
        expect((await browser.get("/read")).body).toMatchObject({ sid: body.sid, value: "fresh" });
        expect(await calls.get(sid)).toBeNull();
      });

      it("reloads what is stored", async () => {
        const { browser } = await keeping("ann");
        expect((await browser.get("/reload")).body).toEqual({ value: "ann" });
      });

      it("saves in the middle of a request and again at its end", async () => {
        const { browser } = await keeping("ann");
        await browser.get("/save-twice");
        expect((await browser.get("/read")).body.value).toBe("two");
        const fresh = createBrowser(url);
        await fresh.get("/save-twice");
        expect((await fresh.get("/read")).body.value).toBe("two");
      });

      it.each(["/destroy", "/unset"])("ends the session by %s", async (path) => {
        const { browser, sid } = await keeping("ann");
        await browser.get(path);
        expect(await calls.get(sid)).toBeNull();
        expect((await browser.get("/read")).body.value).toBeNull();
      });
    });
  });
}
