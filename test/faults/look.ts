import { readdirSync } from "node:fs";
import type { RedisState } from "../../src/redis/types.ts";
import type { Chat } from "../support/chat.ts";
import { createBrowser } from "../support/http.ts";
import { until } from "../support/until.ts";

/** What keeps a process busy; nothing of it may grow. */
export interface Held {
  descriptors: number;
  resources: number;
  megabytes: number;
}

/** The process as an operator sees it. */
export interface Look {
  state(): Promise<RedisState>;
  /** How often Redis was found out of order. */
  outages(): Promise<number>;
  /** Calls that Redis answered. */
  answered(): Promise<number>;
  held(): Promise<Held>;
  /** Until the requests of now are answered by Redis: reads and writes both. */
  used(): Promise<void>;
}

function sum(page: string, series: RegExp): number {
  return [...page.matchAll(new RegExp(`^${series.source} (\\S+)$`, "gm"))].reduce(
    (all, [, value]) => all + Number(value),
    0,
  );
}

export function lookAt(chat: Chat): Look {
  const browser = createBrowser(chat.url);
  const page = async () => String((await browser.get("/metrics")).body);
  const look: Look = {
    async state() {
      const { status, body } = await browser.get("/health/redis");
      if (status !== 200) throw new Error(`/health/redis answered ${status}`);
      return body.checks["redis:state"][0].observedValue;
    },
    outages: async () => sum(await page(), /chat_redis_state_changes_total\{to="(?:down|degraded)"\}/),
    answered: async () => sum(await page(), /chat_redis_commands_total\{name="limit\.count",result="ok"\}/),
    async held() {
      const text = await page();
      return {
        descriptors: readdirSync(`/proc/${chat.process.pid}/fd`).length,
        resources: sum(text, /nodejs_active_resources/),
        megabytes: Math.round(sum(text, /process_resident_memory_bytes/) / 2 ** 20),
      };
    },
    async used() {
      const isUp = async () => (await look.state()) === "up";
      await until(isUp);
      const before = await look.answered();
      await until(async () => (await look.answered()) > before && isUp());
    },
  };
  return look;
}
