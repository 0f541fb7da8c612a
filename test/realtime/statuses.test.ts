import { afterEach, expect, it } from "vitest";
import { systemClock } from "../../src/kernel/clock.ts";
import { createEvents } from "../../src/kernel/events.ts";
import type { Presence, PresenceEvents } from "../../src/realtime/presence.ts";
import { createStatuses, type Statuses } from "../../src/realtime/statuses.ts";
import { createRecorder } from "../support/recorder.ts";
import { until } from "../support/until.ts";

const leaseMs = 20;
const opened: Statuses[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

/** Instances whose presence knows nobody, and the users in their MongoDB. */
function startChat(oldServers: () => boolean) {
  const online = new Set<string>();
  const claims = new Map<string, number>();
  let looks = 0;

  async function claim(name: string, leases = 1): Promise<boolean> {
    if ((claims.get(name) ?? 0) > performance.now()) return false;
    claims.set(name, performance.now() + leases * leaseMs);
    return true;
  }

  return {
    online,
    get looks() {
      return looks;
    },
    startInstance() {
      const events = createEvents<PresenceEvents>();
      const instance = { events, leases: 0, reaped: 0 };
      const presence = {
        ...{ events, claim, complete: true, online: () => [] },
        amongOnline: async () => new Set<string>(),
        stats() {
          instance.leases += 1;
          return { instances: 1, sets: 1, shared: true, asserted: 0, reaped: instance.reaped, online: 0 };
        },
      } as unknown as Presence;
      const users = {
        async markedOnline() {
          looks += 1;
          return [...online];
        },
        async setStatus(changes: readonly { id: string; status?: string }[]) {
          for (const { id, status } of changes) if (status === "offline") online.delete(id);
        },
      };
      const log = createRecorder();
      opened.push(createStatuses({ users, presence, oldServers, leaseMs, clock: systemClock, log }));
      return instance;
    },
  };
}

it("who is online at an old server stays so, whatever dies, until there are no old servers any more", async () => {
  let oldServers = true;
  const chat = startChat(() => oldServers);
  const one = chat.startInstance();
  chat.online.add("ann");
  one.reaped += 1;
  await until(() => one.leases > 12);
  expect([...chat.online]).toEqual(["ann"]);
  expect(chat.looks).toBe(0);
  oldServers = false;
  await until(() => chat.online.size === 0);
});

it("who is left online is looked for once each time that presence is complete, beside old servers", async () => {
  const chat = startChat(() => true);
  const [one, two] = [chat.startInstance(), chat.startInstance()];
  for (const { events } of [one, two]) events.emit("complete", undefined);
  await until(() => Math.min(one.leases, two.leases) > 12);
  expect(chat.looks).toBe(1);
});

it("of ten instances one looks for who is left online", async () => {
  const chat = startChat(() => false);
  const begun = performance.now();
  const instances: { leases: number }[] = [];
  for (let n = 0; n < 10; n += 1) {
    const instance = chat.startInstance();
    instances.push(instance);
    await until(() => instance.leases > 0, { everyMs: 1 });
  }
  await until(() => instances.every(({ leases }) => leases > 30));
  const leases = (performance.now() - begun) / leaseMs;
  expect(chat.looks).toBeGreaterThan(1);
  expect(chat.looks).toBeLessThanOrEqual(leases / 4 + 1);
});
