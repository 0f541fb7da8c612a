import { createPresence } from "../../../src/realtime/presence/create.ts";
import { createSets } from "../../../src/realtime/presence/sets.ts";
import type { Presence } from "../../../src/realtime/presence.ts";
import { openDoor } from "../../support/door.ts";
import { startProxy, type TcpProxy } from "../../support/proxy.ts";

/** A tenth of what an operator has. */
const times = { graceMs: 400, beatMs: 400, leaseMs: 1_200 };

export interface Told {
  kind: "online" | "offline";
  userId: string;
  by: string;
}

/** Presence as one server process has it, on a way to Redis of its own. */
export interface Instance {
  readonly name: string;
  readonly presence: Presence;
  readonly proxy: TcpProxy;
  readonly up: boolean;
  /** As kill -9 does: nothing is said any more, and nothing heard. */
  crash(): Promise<void>;
}

/** `skewMs`: how wrong the clock of its machine is. */
export async function startInstance(name: string, port: number, told: Told[], skewMs: number): Promise<Instance> {
  const proxy = await startProxy(port);
  const url = `redis://127.0.0.1:${proxy.port}`;
  const patience = { REDIS_DEADLINE: "400ms", REDIS_WATCHDOG: "600ms" };
  // The way back must be short beside a lease, as it is with what an operator has.
  const wayBack = { REDIS_BACKOFF_MAX: "100ms", REDIS_CONNECT_TIMEOUT: "500ms" };
  const opened = openDoor({ REDIS_URL: url, ...patience, ...wayBack });
  const sets = createSets({ door: opened.door, times, ttl: { onlineSeconds: 30, membersSeconds: 120 } });
  const clock = { now: () => Date.now() + skewMs };
  const presence = createPresence({ sets, graceMs: times.graceMs, leaseMs: times.leaseMs, clock });
  let dead = false;
  for (const kind of ["online", "offline"] as const)
    presence.events.on(kind, ({ userId }) => {
      if (!dead) told.push({ kind, userId, by: name });
    });
  await opened.is("up");
  return {
    name,
    presence,
    proxy,
    get up() {
      return opened.door.state === "up";
    },
    async crash() {
      dead = true;
      presence.suspend();
      sets.end();
      await opened.close();
      await proxy.close();
    },
  };
}
