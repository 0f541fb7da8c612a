import { afterAll, beforeAll } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import type { Visitor, VisitorOptions } from "./visitor.ts";
import { openVisits } from "./visits.ts";

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
  const start = (env: Record<string, string> = {}) =>
    startChat({ env: { MONGODB_URL: house.mongo, DISABLE_REDIS: "true", ...secrets, ...env } });

  const house: House = {
    chat: undefined as unknown as Chat,
    mongo: "",
    visit: ({ path = "/", ...options } = {}) => visit(house.chat.url + path, options),
    async rebuild() {
      house.chat = await start({ PORT: new URL(house.chat.url).port });
    },
  };

  beforeAll(async () => {
    house.mongo = mongoUrl(`browser-${name}`);
    house.chat = await start();
  });
  afterAll(async () => {
    await house.chat?.stop();
    if (house.mongo) await dropDatabase(house.mongo);
  });
  const visit = openVisits();
  return house;
}
