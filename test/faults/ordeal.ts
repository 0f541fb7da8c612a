import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RedisState } from "../../src/redis/types.ts";
import { type Chat, startChat } from "../support/chat.ts";
import { redisInEveryRequest } from "../support/contract-redis.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { long } from "../support/long.ts";
import { stopwatch } from "../support/stopwatch.ts";
import { until } from "../support/until.ts";
import { type Held, type Look, lookAt } from "./look.ts";
import { startTraffic, type Tally, type Traffic } from "./traffic.ts";
import type { Trouble } from "./troubles.ts";

/** The promises are 1 s, 2 s and 300 ms; the rest is for processes that a machine busy with other tests does not let run. */
const TOLD_WITHIN_MS = 1_000 + (long ? 500 : 3_000);
const BACK_WITHIN_MS = 2_000 + (long ? 1_000 : 3_000);
const LATER_BY_MS = 300 + (long ? 200 : 2_700);

/** Connections and timers of the requests that happen to be on their way. */
const IN_USE = 8;
/** A heap that has not been tidied up lately, and no more. */
const MEGABYTES = 150;
/** A trouble lasts for so many requests, or is over sooner and they are waited for. */
const REQUESTS = 12;

const ms = (time: number) => `${Math.round(time)} ms`;

interface Row {
  rounds: number;
  told: number;
  back: number;
  requests: number;
  failures: number;
  slowest: number;
  later: number;
}

/** How the kinds of requests went that went worst. */
function worst({ slowest }: Tally): Pick<Row, "slowest" | "later"> {
  const kinds = Object.values(slowest);
  return {
    slowest: Math.max(...kinds.map(({ here }) => here)),
    later: Math.max(...kinds.map(({ here, there }) => here - there)),
  };
}

const printed = ({ rounds, told, back, requests, slowest, later, failures }: Row) => ({
  rounds,
  "told after": ms(told),
  "back after": ms(back),
  requests,
  slowest: ms(slowest),
  "later than MongoDB alone": ms(later),
  "5xx or lost": failures,
});

/** What the chat printed of the requests that it could not answer. */
function whyNot(chat: Chat): string {
  const printed = chat.output().split("\n");
  return printed.filter((line) => /out of reach|"level":(50|60|"error"|"fatal")/.test(line)).join("\n");
}

export interface OrdealOptions {
  title: string;
  /** Starts Redis, in whatever condition, and answers where it is. */
  redis(): Promise<Record<string, string>>;
  /** Makes Redis well that was out when the chat was started. */
  begin?(): unknown;
  troubles: Trouble[];
  close(): Promise<unknown>;
}

/** One process of the shipped chat, in use all along, to which all of this happens in turn. */
export function ordeal({ title, redis, begin, troubles, close }: OrdealOptions): void {
  describe(title, () => {
    const url = mongoUrl(title);
    const rows = new Map<string, Row>();
    let chat: Chat;
    let plain: Chat;
    let traffic: Traffic;
    let look: Look;
    let before: Held | undefined;

    beforeAll(async () => {
      const env = { MONGODB_URL: url, ...redisInEveryRequest, ...(await redis()) };
      chat = await startChat({ env: { ...env, LOG_LEVEL: "debug" } });
      plain = await startChat({ env: { MONGODB_URL: url, ...redisInEveryRequest, DISABLE_REDIS: "true" } });
      look = lookAt(chat);
      traffic = await startTraffic(chat, plain);
    });
    afterAll(async () => {
      await traffic?.stop();
      await Promise.all([chat?.stop(), plain?.stop()]);
      await close();
      await dropDatabase(url);
      console.table(Object.fromEntries([...rows].map(([name, row]) => [name, printed(row)])));
    });

    function note(name: string, told: number, back: number): void {
      const { requests, failures, ...rest } = traffic.take();
      const { slowest, later } = worst({ requests, failures, ...rest });
      const row = rows.get(name) ?? { rounds: 0, told: 0, back: 0, requests: 0, failures: 0, slowest: 0, later: 0 };
      rows.set(name, {
        rounds: row.rounds + 1,
        told: Math.max(row.told, told),
        back: Math.max(row.back, back),
        requests: row.requests + requests,
        failures: row.failures + failures.length,
        slowest: Math.max(row.slowest, slowest),
        later: Math.max(row.later, later),
      });
      expect(failures, whyNot(chat)).toEqual([]);
      expect(requests).toBeGreaterThanOrEqual(REQUESTS);
      expect(later).toBeLessThan(LATER_BY_MS);
      expect(told).toBeLessThan(TOLD_WITHIN_MS);
      expect(back).toBeLessThan(BACK_WITHIN_MS);
    }

    async function told({ during }: Trouble, outages: number): Promise<void> {
      await until(async () => (during ? (await look.state()) === during : (await look.outages()) > outages), {
        describe: () => `/health/redis to say ${during ?? "that there was an outage"}`,
      });
    }

    async function answered(since: number): Promise<void> {
      await until(() => traffic.requests >= since + REQUESTS, { describe: () => `${REQUESTS} answers` });
    }

    async function lasts(during: RedisState): Promise<void> {
      await answered(traffic.requests);
      expect(await look.state()).toBe(during);
    }

    async function round(trouble: Trouble): Promise<void> {
      await look.used();
      before ??= await look.held();
      traffic.take();
      const answersBefore = traffic.requests;
      const outages = await look.outages();
      try {
        const sinceTrouble = stopwatch();
        const begun = trouble.begin();
        await Promise.all([told(trouble, outages), begun]);
        const toldAfter = sinceTrouble();
        if (trouble.during) await lasts(trouble.during);
        await trouble.end?.();
        const sinceWell = stopwatch();
        await look.used();
        const backAfter = sinceWell();
        await answered(answersBefore);
        note(trouble.name, toldAfter, backAfter);
      } finally {
        await trouble.tidy?.();
      }
    }

    if (begin)
      it("out when the chat is started: it serves all the same, and uses Redis as soon as it is there", async () => {
        expect(await look.state()).toBe("down");
        traffic.take();
        const answersBefore = traffic.requests;
        await begin();
        const sinceWell = stopwatch();
        await look.used();
        const backAfter = sinceWell();
        await answered(answersBefore);
        note("down at start", 0, backAfter);
      });

    it.each(troubles.filter(({ few }) => long || few !== 0))(
      "$name",
      async (trouble) => {
        for (let count = 0; count < (long ? trouble.rounds : (trouble.few ?? 1)); count += 1) await round(trouble);
      },
      long ? 900_000 : 60_000,
    );

    it("nothing is left of it: descriptors, sockets, timers, memory", async () => {
      await look.used();
      const { descriptors = 0, resources = 0, megabytes = 0 } = before ?? {};
      let now = await look.held();
      await until(
        async () => {
          now = await look.held();
          return now.descriptors <= descriptors + IN_USE && now.resources <= resources + IN_USE;
        },
        { describe: () => ({ before, now }) },
      );
      console.log(`held before: ${JSON.stringify(before)}, and after: ${JSON.stringify(now)}`);
      expect(now.megabytes).toBeLessThan(megabytes + MEGABYTES);
    });

    it("the process is the one that was started, and said nothing of an error that nobody awaited", () => {
      expect([chat.process.exitCode, chat.process.signalCode]).toEqual([null, null]);
      expect(chat.output()).not.toMatch(/unhandled|uncaught|listener.*threw|MaxListeners/i);
    });
  });
}
