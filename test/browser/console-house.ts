import mongoose from "mongoose";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { createBrowser } from "../support/http.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";
import type { Visitor, VisitorOptions } from "./visitor.ts";
import { openVisits } from "./visits.ts";

export const tokens = { full: "a token that changes things", read: "a token that only looks" };

interface Line {
  _id: number;
  who: string;
  why: string;
  act?: { what: string; outcome: string | null };
}

/** Servers with their Redis, and what their databases hold, past everything that is tested. */
export interface ConsoleHouse {
  chat: Chat;
  redis: RedisServer;
  mongo: string;
  /** Opens the console with a token. */
  open(token?: string, options?: VisitorOptions): Promise<Visitor>;
  /** The settings document, and the newest line of the history. */
  stored(): Promise<{ settings: Record<string, unknown>; line: Line | undefined }>;
  /** What MongoDB has of a session. */
  session(id: string): Promise<object | null>;
  /** So many people come. */
  sessions(count: number): Promise<void>;
  /** Starts a server again where the killed one was. */
  rebuild(): Promise<void>;
}

const secrets = { JWT_SECRET: "j".repeat(48), SESSION_SECRET: "s".repeat(48) };

export function openConsoleHouse(name: string): ConsoleHouse {
  let client: mongoose.mongo.MongoClient;
  const start = (env: Record<string, string> = {}) =>
    startChat({
      env: {
        MONGODB_URL: house.mongo,
        REDIS_URL: house.redis.url,
        OPS_TOKEN: tokens.full,
        OPS_READ_TOKEN: tokens.read,
        SERVER_ID: "one",
        // A busy machine is slow, which is not what is tested here.
        SESSION_STEP_DOWN: "off",
        REDIS_DEADLINE: "2s",
        REDIS_REQUEST_BUDGET: "4s",
        REDIS_WATCHDOG: "5s",
        ...secrets,
        ...env,
      },
    });

  const house: ConsoleHouse = {
    chat: undefined as unknown as Chat,
    redis: undefined as unknown as RedisServer,
    mongo: "",
    async open(token = tokens.full, options = {}) {
      const visitor = await visit(`${house.chat.url}/ops#token=${encodeURIComponent(token)}`, options);
      await visitor.page.getByText("live", { exact: true }).waitFor();
      return visitor;
    },
    async stored() {
      const settings = await client.db().collection<{ _id: string }>("sluice_settings").findOne({ _id: "settings" });
      const [line] = await client.db().collection<Line>("sluice_history").find().sort({ at: -1 }).limit(1).toArray();
      return { settings: { ...settings }, line };
    },
    session: (id) => client.db().collection<{ _id: string }>("sessions").findOne({ _id: id }),
    async sessions(count) {
      const people = Array.from({ length: count }, () => createBrowser(house.chat.url));
      const mark = Date.now().toString(36).slice(-5);
      for (const [at, person] of people.entries()) {
        const { status } = await person.register(`guest ${mark} ${at}`);
        expect(status).toBe(201);
      }
    },
    async rebuild() {
      house.chat = await start({ PORT: new URL(house.chat.url).port });
    },
  };

  beforeAll(async () => {
    house.mongo = mongoUrl(`console-${name}`);
    house.redis = await startRedisServer();
    client = await new mongoose.mongo.MongoClient(house.mongo).connect();
    house.chat = await start();
  });
  afterAll(async () => {
    await house.chat?.stop();
    await house.redis?.close();
    await client?.close();
    if (house.mongo) await dropDatabase(house.mongo);
  });
  const visit = openVisits();
  return house;
}

/** Gives the reason that the dialog asks for, and waits until it is done. */
export async function confirmWith(page: Page, button: string, reason: string): Promise<void> {
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel(/^Why\?/).fill(reason);
  await dialog.getByRole("button", { name: button, exact: true }).click();
  await dialog.waitFor({ state: "hidden", timeout: 30_000 });
}

export const shows = (page: Page, selector: string, words: string | RegExp) =>
  until(
    async () => {
      const text = (await page.locator(selector).textContent()) ?? "";
      return typeof words === "string" ? text.includes(words) : words.test(text);
    },
    { timeoutMs: 30_000, describe: `${selector} to show ${words}` },
  );
