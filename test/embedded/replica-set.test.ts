import { afterEach, expect, test } from "vitest";
import { makePrimary } from "../../src/embedded/replica-set.ts";
import { startMongod } from "../support/mongod.ts";
import { startProxy } from "../support/proxy.ts";
import { until } from "../support/until.ts";
import { createCleanup, portOf } from "./support.ts";

const cleanup = createCleanup();
afterEach(() => cleanup.run());

test("a MongoDB that closes connections while it starts is waited for", async () => {
  const mongod = await startMongod();
  cleanup.add({ close: () => mongod.remove() });
  const proxy = cleanup.add(await startProxy(portOf(mongod.url)));
  proxy.set({ kind: "latency", ms: 300 });

  const made = makePrimary(proxy.port, AbortSignal.timeout(20_000));
  let answered = false;
  made.then(
    () => {
      answered = true;
    },
    () => undefined,
  );
  let cuts = 0;
  // On a busy machine a question may be answered before it is seen here.
  for (; cuts < 3; cuts++) {
    // The second connection is the one that asks; the first looks after the server.
    await until(() => answered || proxy.connections > 1, { everyMs: 5, describe: `a question to cut, after ${cuts}` });
    if (answered) break;
    proxy.reset();
    await until(() => proxy.connections === 0, { everyMs: 1 });
  }
  expect(cuts).toBeGreaterThan(0);
  await made;
});
