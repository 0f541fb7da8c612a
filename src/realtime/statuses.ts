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
  /** Servers run beside this one that presence knows nothing of: who is online there is nobody we know of. */
  oldServers: () => boolean;
  leaseMs: number;
  clock: Clock;
  log: Log;
}

const retryMs = 1_000;
/** What nobody tells of is looked for this often, in leases: once a minute. */
const settledEvery = 5;

export function createStatuses({ users, presence, oldServers, leaseMs, clock, log }: Options): Statuses {
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

  let owed = false;
  let settling: Promise<void> | undefined;

  /** Ends what was stored and not taken back: by a process that died before it could, or by a write that came late. */
  async function settle(): Promise<void> {
    for (let failed = false; !stop.signal.aborted; ) {
      try {
        const marked = await users.markedOnline();
        const online = await presence.amongOnline(marked);
        // What Redis has lost is said again at the next beat.
        const known = new Set(presence.online());
        const left = marked.filter((id) => !online.has(id) && !known.has(id));
        for (const id of left) batch.put(id, {});
        if (left.length > 0) log.info({ count: left.length }, "Users that nobody is connected for are offline now");
        return;
      } catch (error) {
        if (!failed)
          log.warn({ err: messageOf(error) }, "Users who are marked online cannot be looked through: trying again");
        failed = true;
        await pause(retryMs, undefined, { signal: stop.signal }).catch(() => undefined);
      }
    }
  }

  async function settleOwed(): Promise<void> {
    if (!(await presence.claim("settle"))) return;
    owed = false;
    await settle();
  }

  async function settleAgain(): Promise<void> {
    // For less than the time between two looks, so that whoever has looked looks next.
    if (await presence.claim("settle-again", settledEvery - 1)) await settle();
  }

  function begin(work: () => Promise<void>): void {
    settling ??= work().finally(() => {
      settling = undefined;
    });
  }

  let leases = 0;
  let reaped = 0;
  const timer = setInterval(() => {
    leases += 1;
    const before = reaped;
    ({ reaped } = presence.stats());
    // Looked for again and again, those of the old servers would be written offline again and again.
    if (oldServers()) return;
    owed ||= reaped !== before;
    if (!presence.complete) return;
    if (owed) begin(settleOwed);
    else if (leases % settledEvery === 0) begin(settleAgain);
  }, leaseMs).unref();

  const off = [
    presence.events.on("complete", () => {
      // Who has the claim may die with it, so this stays owed until it is our own.
      owed = !oldServers();
      begin(settleOwed);
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
      clearInterval(timer);
      await settling;
      for (const end of off) end();
      await batch.close();
    },
  };
}
