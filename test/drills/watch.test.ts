import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { stateAt, watchRedis } from "../../drills/support/watch.ts";
import { until } from "../support/until.ts";

/** Two servers that say of Redis what they are told to, or nothing at all. */
const says: Record<string, string | undefined> = {};
let asked: Record<string, number> = {};
const server = createServer(({ url = "" }, answer) => {
  const name = url.split("/")[1] ?? "";
  asked[name] = (asked[name] ?? 0) + 1;
  const state = says[name];
  if (state === undefined) return void answer.destroy();
  answer.end(JSON.stringify({ checks: { "redis:state": [{ observedValue: state }] } }));
});
let urls: string[] = [];
beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  urls = ["one", "two"].map((name) => `http://127.0.0.1:${port}/${name}`);
});
afterAll(() => void server.close());

const everybodySays = (state: string | undefined) => Object.assign(says, { one: state, two: state });
const seen = async () => {
  asked = {};
  await until(() => (asked.one ?? 0) > 1 && (asked.two ?? 0) > 1);
};

function begin() {
  everybodySays("up");
  return watchRedis(urls, 200);
}

it("a server has recovered when it says so after it had said otherwise", async () => {
  const watch = begin();
  everybodySays("down");
  await seen();
  watch.mended();
  await pause(20);
  everybodySays("up");
  const { detectMs, recoverMs } = await watch.end(10_000);
  expect(detectMs).toBeGreaterThan(0);
  expect(recoverMs).toBeGreaterThanOrEqual(20);
});

it("a server that noticed nothing has not recovered from it, and is not waited for for ever", async () => {
  const watch = begin();
  says.one = "down";
  await seen();
  watch.mended();
  says.one = "up";
  expect(await watch.end(10_000)).toEqual({ detectMs: undefined, recoverMs: undefined });
});

it("a server that notices after it was mended is still watched", async () => {
  const watch = watchRedis(urls, 5_000);
  everybodySays("up");
  await seen();
  watch.mended();
  await seen();
  everybodySays("recovering");
  await seen();
  everybodySays("up");
  const { detectMs, recoverMs } = await watch.end(10_000);
  expect(detectMs).toBeGreaterThan(0);
  expect(recoverMs).toBeGreaterThan(0);
});

it("no answer is no word about Redis", async () => {
  const watch = begin();
  everybodySays(undefined);
  expect(await stateAt(urls[0] ?? "")).toBeUndefined();
  await seen();
  watch.mended();
  everybodySays("up");
  expect(await watch.end(10_000)).toEqual({ detectMs: undefined, recoverMs: undefined });
});
