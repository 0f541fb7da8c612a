import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { launchChromium } from "./chromium.ts";
import { createVisitor, type Visitor, type VisitorOptions } from "./visitor.ts";

export interface House {
  chat: Chat;
  mongo: string;
  visit(options?: VisitorOptions & { path?: string }): Promise<Visitor>;
  /** Starts a server again where the killed one was. */
  rebuild(): Promise<void>;
}

const secrets = { JWT_SECRET: "j".repeat(48), SESSION_SECRET: "s".repeat(48) };

/** The real server and a browser for one test file; after each test nobody may have heard a complaint. */
export function openHouse(name: string): House {
  let browser: Browser;
  let visitors: Visitor[] = [];

  const start = (env: Record<string, string> = {}) =>
    startChat({ env: { MONGODB_URL: house.mongo, DISABLE_REDIS: "true", ...secrets, ...env } });

  const house: House = {
    chat: undefined as unknown as Chat,
    mongo: "",
    async visit({ path = "/", ...options } = {}) {
      const visitor = await createVisitor(browser, house.chat.url + path, options);
      visitors.push(visitor);
      return visitor;
    },
    async rebuild() {
      house.chat = await start({ PORT: new URL(house.chat.url).port });
    },
  };

  beforeAll(async () => {
    house.mongo = mongoUrl(`browser-${name}`);
    [house.chat, browser] = await Promise.all([start(), launchChromium()]);
  });
  afterEach(async () => {
    const complaints = visitors.flatMap((visitor) => visitor.complaints);
    await Promise.all(visitors.map((visitor) => visitor.close()));
    visitors = [];
    expect(complaints).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await house.chat?.stop();
    if (house.mongo) await dropDatabase(house.mongo);
  });
  return house;
}
