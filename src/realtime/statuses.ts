import { setTimeout as pause } from "node:timers/promises";
import type { Users } from "../chat/services/types.ts";
import type { Clock } from "../kernel/clock.ts";
import { messageOf } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { createBatch } from "./batch.ts";
import type { Presence } from "./presence.ts";

interface Change {
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
  users: Pick<Users, "setStatus" | "markedOnline">;
  presence: Presence;
  clock: Clock;
  log: Log;
}

const retryMs = 1_000;

export function createStatuses({ users, presence, clock, log }: Options): Statuses {
  const stop = new AbortController();

  const batch = createBatch<Change>({
    name: "User status",
    merge: (older, newer) => ({ ...older, ...newer }),
    async write(entries) {
      const ids = entries.map(([id]) => id);
      const online = await presence.amongOnline(ids);
      const statusOf = (id: string) => (online.has(id) ? ("online" as const) : ("offline" as const));
      await users.setStatus(entries.map(([id, change]) => ({ id, status: statusOf(id), ...change })));
      // Two instances may write of one user in either order; whoever writes last looks last, and sees what is true.
      const now = await presence.amongOnline(ids);
      for (const id of ids) if (now.has(id) !== online.has(id)) batch.put(id, {});
    },
    log,
  });

  /** Ends what a process left behind that nobody saw die. */
  async function settle(): Promise<void> {
    if (!(await presence.claim("settle"))) return;
    for (let failed = false; !stop.signal.aborted; ) {
      try {
        const marked = await users.markedOnline();
        const online = await presence.amongOnline(marked);
        const left = marked.filter((id) => !online.has(id));
        for (const id of left) batch.put(id, {});
        if (left.length > 0) log.info({ count: left.length }, "Users that nobody is connected for are offline now");
        return;
      } catch (error) {
        if (!failed) log.warn({ err: messageOf(error) }, "Users marked online by an earlier process: trying again");
        failed = true;
        await pause(retryMs, undefined, { signal: stop.signal }).catch(() => undefined);
      }
    }
  }

  let settling = Promise.resolve();
  const off = [
    presence.events.on("complete", () => {
      settling = settling.then(settle);
    }),
    presence.events.on("online", ({ userId }) => batch.put(userId, {})),
    presence.events.on("doubtful", ({ userIds }) => {
      for (const id of userIds) batch.put(id, {});
    }),
    presence.events.on("offline", ({ userId, lastSeen }) => {
      batch.put(userId, lastSeen ? { lastActive: lastSeen } : {});
    }),
  ];

  return {
    active(userId) {
      batch.put(userId, { lastActive: new Date(clock.now()) }, "later");
    },
    forget: batch.drop,
    async close() {
      stop.abort();
      await settling;
      for (const end of off) end();
      await batch.close();
    },
  };
}
