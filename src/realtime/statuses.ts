import { setTimeout as pause } from "node:timers/promises";
import type { UserStatus, Users } from "../chat/services/types.ts";
import type { Clock } from "../kernel/clock.ts";
import { messageOf } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { createBatch } from "./batch.ts";
import type { Presence } from "./presence.ts";

interface Change {
  status: UserStatus;
  lastActive?: Date;
}

/** `status` and `lastActive` of users in MongoDB follow their presence, many in one write. */
export interface Statuses {
  /** Connected, or wrote something. */
  active(userId: string): void;
  /** A logout has written the status itself; nothing older may follow it. */
  forget(userId: string): void;
  close(): Promise<void>;
}

interface Options {
  users: Pick<Users, "setStatus" | "offlineExcept">;
  presence: Presence;
  /** The only instance: whoever is not here is offline. */
  alone: boolean;
  clock: Clock;
  log: Log;
}

const retryMs = 1_000;

export function createStatuses({ users, presence, alone, clock, log }: Options): Statuses {
  const stop = new AbortController();

  /** Ends what an earlier process left behind; no newer status may be written before that. */
  async function settle(): Promise<void> {
    for (let failed = false; alone && !stop.signal.aborted; ) {
      try {
        const count = await users.offlineExcept(presence.online());
        if (count > 0) log.info({ count }, "Users that nobody is connected for are offline now");
        return;
      } catch (error) {
        if (!failed) log.warn({ err: messageOf(error) }, "Users marked online by an earlier process: trying again");
        failed = true;
        await pause(retryMs, undefined, { signal: stop.signal }).catch(() => undefined);
      }
    }
  }

  const settled = settle();
  const batch = createBatch<Change>({
    name: "User status",
    merge: (older, newer) => ({ ...older, ...newer }),
    async write(entries) {
      await settled;
      await users.setStatus(entries.map(([id, change]) => ({ id, ...change })));
    },
    log,
  });

  presence.events.on("offline", ({ userId, lastSeen }) => {
    batch.put(userId, { status: "offline", ...(lastSeen ? { lastActive: lastSeen } : {}) });
  });

  return {
    active(userId) {
      batch.put(userId, { status: "online", lastActive: new Date(clock.now()) });
    },
    forget: batch.drop,
    async close() {
      stop.abort();
      await settled;
      if (alone) for (const id of presence.online()) batch.put(id, { status: "offline" });
      await batch.close();
    },
  };
}
