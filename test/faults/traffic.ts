import type { Chat } from "../support/chat.ts";
import { type Answer, type Browser, createBrowser } from "../support/http.ts";
import { createTown, type Ear, type Town } from "../support/sockets.ts";
import { stopwatch } from "../support/stopwatch.ts";
import { until } from "../support/until.ts";

/** What the traffic of one stretch of time was like. */
export interface Tally {
  requests: number;
  /** Milliseconds of the slowest answer of each kind, and of the slowest that the chat on MongoDB alone gave. */
  slowest: Record<string, { here: number; there: number }>;
  /** Answers 5xx, and everything else but the one that is due. */
  failures: string[];
}

export interface Traffic {
  /** Answers since the beginning. */
  readonly requests: number;
  /** What was since the last call. */
  take(): Tally;
  stop(): Promise<void>;
}

/** A person at one chat, who asks for one thing after the other. */
interface Visitor {
  browser: Browser;
  ear: Ear;
  town: Town;
}

const none = (): Tally => ({ requests: 0, slowest: {}, failures: [] });
let serial = 0;

async function visit(chat: Chat, nickname: string): Promise<Visitor> {
  const town = createTown(chat.url);
  const person = await town.person(nickname);
  const ear = await person.tab();
  await ear.join(await town.channel(person));
  return { browser: person.browser, ear, town };
}

const expected = (answer: Answer, status: number): string | undefined =>
  answer.status === status ? undefined : `${answer.status} ${JSON.stringify(answer.body).slice(0, 200)}`;

type Errand = (visitor: Visitor, chat: Chat, turn: number) => Promise<string | undefined>;

async function newcomer(chat: Chat, nickname: string, then: (browser: Browser) => Promise<string | undefined>) {
  const browser = createBrowser(chat.url);
  return expected(await browser.register(nickname), 201) ?? then(browser);
}

/** Each answers undefined, or what was wrong. */
const errands: Record<string, Errand> = {
  register: (_visitor, chat, turn) => newcomer(chat, `new-${turn}-${new URL(chat.url).port}`, async () => undefined),
  login: async ({ browser }, chat) => {
    const { nickname } = JSON.parse(Buffer.from(browser.token.split(".")[1] ?? "", "base64url").toString());
    return expected(await createBrowser(chat.url).login(nickname), 200);
  },
  channels: async ({ browser }) => expected(await browser.get("/api/channels"), 200),
  async message({ ear }, _chat, turn) {
    const text = `message ${turn}`;
    ear.forget();
    ear.emit("message", { text });
    await until(() => ear.heard.some(({ event, payload }) => event === "message" && payload.text === text), {
      everyMs: 2,
      timeoutMs: 5_000,
      describe: () => ear.heard,
    });
    return ear.socket.connected ? undefined : "the socket was cut";
  },
};

/**
 * People at the chat and at another one that has MongoDB alone, who ask both for the same at the same moment: what the
 * one takes longer than the other is Redis's doing, however busy the machine is.
 */
export async function startTraffic(chat: Chat, plain: Chat): Promise<Traffic> {
  const name = `guest-${++serial}`;
  const [here, there] = await Promise.all([visit(chat, name), visit(plain, `${name}-plain`)]);
  let tally = none();
  let answers = 0;
  let going = true;

  async function timed(errand: Errand, visitor: Visitor, at: Chat, turn: number) {
    const elapsed = stopwatch();
    const wrong = await errand(visitor, at, turn).catch((error: unknown) => String(error));
    return { wrong, took: elapsed() };
  }

  async function repeat(kind: string, errand: Errand): Promise<void> {
    while (going) {
      const turn = ++serial;
      const [mine, other] = await Promise.all([timed(errand, here, chat, turn), timed(errand, there, plain, turn)]);
      tally.requests += 1;
      answers += 1;
      const { here: before = 0, there: beforeThere = 0 } = tally.slowest[kind] ?? {};
      tally.slowest[kind] = { here: Math.max(before, mine.took), there: Math.max(beforeThere, other.took) };
      if (mine.wrong) tally.failures.push(`${kind}: ${mine.wrong}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  const done = Promise.all(Object.entries(errands).map(([kind, errand]) => repeat(kind, errand)));
  await until(() => tally.requests > 60, { describe: "the first answers", timeoutMs: 30_000 });
  tally = none();
  return {
    get requests() {
      return answers;
    },
    take() {
      const taken = tally;
      tally = none();
      return taken;
    },
    async stop() {
      going = false;
      await done;
      here.town.leave();
      there.town.leave();
    },
  };
}
