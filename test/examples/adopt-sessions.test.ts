import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { atDesk } from "../support/desk.ts";
import { type Example, startExample } from "../support/example.ts";
import { root } from "../support/files.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const folder = "examples/adopt-sessions";
const linesOf = (name: string) =>
  readFileSync(join(root, folder, name), "utf8")
    .trimEnd()
    .split("\n");

/** The length of the longest common subsequence. */
function common(one: string[], other: string[]): number {
  let row = new Array<number>(other.length + 1).fill(0);
  for (const line of one) {
    const next = [0];
    for (const [at, text] of other.entries())
      next.push(line === text ? (row[at] ?? 0) + 1 : Math.max(row[at + 1] ?? 0, next[at] ?? 0));
    row = next;
  }
  return row.at(-1) ?? 0;
}

describe("an app with connect-mongo that takes the store instead", () => {
  const mongo = mongoUrl("adopt-sessions");
  let redis: RedisServer;
  const running = new Set<Example>();

  async function start(name: "before" | "after"): Promise<Example> {
    const patient = { REDIS_URL: redis.url, REDIS_DEADLINE: "2s", REDIS_WATCHDOG: "5s" };
    const app = await startExample(`adopt-sessions/${name}.ts`, {
      ...{ MONGODB_URL: mongo, SESSION_SECRET: "a secret" },
      ...patient,
    });
    running.add(app);
    return app;
  }

  /** Visits, and answers how many visits the app remembers. */
  async function visit(app: Example, visitor: { cookie: string }): Promise<number> {
    const answer = await fetch(app.url, { headers: { cookie: visitor.cookie } });
    const [set] = answer.headers.getSetCookie();
    if (set) visitor.cookie = set.split(";", 1)[0] ?? "";
    return ((await answer.json()) as { visits: number }).visits;
  }

  const sluice = (...args: string[]) => atDesk([...args, "--json"], { MONGODB_URL: mongo, REDIS_URL: redis.url });

  async function dialTo(percent: number): Promise<void> {
    // On a busy machine something may stand in the way for a moment.
    let last = "";
    await until(
      async () => {
        const { code, text } = await sluice("dial", "set", String(percent), "--reason", "a test");
        last = text;
        return code === 0;
      },
      { timeoutMs: 20_000, describe: () => last },
    );
    await until(async () => (await sluice("status")).code === 0);
  }

  async function hits(): Promise<number> {
    return Number(/keyspace_hits:(\d+)/.exec(String(await redis.ask("INFO", "stats")))?.[1]);
  }

  beforeAll(async () => {
    redis = await startRedisServer();
  });
  afterEach(async () => {
    for (const app of running) await app.stop();
    running.clear();
  });
  afterAll(async () => {
    await redis.close();
    await dropDatabase(mongo);
  });

  it("changes no more than 15 lines", () => {
    const [before, after] = [linesOf("before.ts"), linesOf("after.ts")];
    const same = common(before, after);
    expect(before.length + after.length - 2 * same).toBeGreaterThan(0);
    expect(Math.max(before.length, after.length) - same).toBeLessThanOrEqual(15);
  });

  it("loses nobody on the way up, and back in the app of before", { timeout: 120_000 }, async () => {
    const visitors = Array.from({ length: 40 }, () => ({ cookie: "" }));
    const all = async (app: Example) => new Set(await Promise.all(visitors.map((visitor) => visit(app, visitor))));
    const before = await start("before");
    expect(await all(before)).toEqual(new Set([1]));

    const after = await start("after");
    let visits = 1;
    for (const percent of [0, 50, 100]) {
      await dialTo(percent);
      visits += 1;
      expect(await all(after), `at ${percent} %`).toEqual(new Set([visits]));
    }
    // The copies are there now, and answer.
    await until(async () => (await sluice("status")).json.instances[0].reading === "redis");
    const wrong: unknown[] = [];
    await until(async () => {
      const known = await hits();
      visits += 1;
      const seen = [...(await all(after))];
      if (seen.join() !== `${visits}`) wrong.push(seen);
      return (await hits()) - known >= 30;
    });
    expect(wrong).toEqual([]);

    const [leaving, ...staying] = visitors;
    const cookie = leaving?.cookie ?? "";
    expect((await fetch(`${after.url}/logout`, { method: "POST", headers: { cookie } })).status).toBe(200);
    expect(await visit(before, { cookie })).toBe(1);
    expect(await visit(after, { cookie })).toBe(1);
    await after.stop();
    visits += 1;
    const back = await Promise.all(staying.map((visitor) => visit(before, visitor)));
    expect(new Set(back)).toEqual(new Set([visits]));
  });
});
