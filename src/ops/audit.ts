import type { Log } from "../kernel/log.ts";
import type { ActEntry, ChangeEntry, Settings, SettingsStore } from "../mongo/settings-types.ts";

export interface Audit {
  close(): Promise<void>;
}

export interface AuditOptions {
  settings: Pick<SettingsStore, "events" | "since">;
  log: Log;
}

const words = ({ from, to }: Pick<ChangeEntry, "from" | "to">): string => {
  const parts: string[] = [];
  if (to.redisDisabled !== undefined && to.redisDisabled !== from.redisDisabled)
    parts.push(`the kill switch is ${to.redisDisabled ? "on" : "off"}`);
  const [before, after] = [from.sessions, to.sessions];
  if (after && after.mode !== before?.mode) parts.push(`the sessions' mode is ${after.mode}`);
  if (after && after.percent !== before?.percent) parts.push(`the sessions' dial stands at ${after.percent} %`);
  if (after?.ramp && !before?.ramp) parts.push(`a ramp to ${after.ramp.to} % has begun`);
  if (before?.ramp && !after?.ramp) parts.push("the ramp has ended");
  if (after && after.oldServers !== before?.oldServers)
    parts.push(`old servers are taken to run beside this one: ${after.oldServers ? "yes" : "no"}`);
  for (const [name, on] of Object.entries(to.caches ?? {}))
    if (on !== from.caches?.[name]) parts.push(`the cache ${name} is switched ${on ? "on" : "off"}`);
  return parts.join(", ") || "nothing has changed";
};

/** One line in the log for each change of what operators may change, and for each beginning and end of what else they do. */
export function keepAudit({ settings, log }: AuditOptions): Audit {
  let writing: Promise<void> = Promise.resolve();

  async function write({ before, after }: { before: Settings; after: Settings }): Promise<void> {
    try {
      const made = await settings.since(before.revision);
      const lines = made.filter(({ revision }) => revision <= after.revision).reverse();
      for (const { at, revision, who, why, from, to } of lines)
        log.info({ audit: "settings", revision, who, why, at, from, to }, `By ${who}: ${words({ from, to })}`);
    } catch (error) {
      const { revision } = after;
      const change = words({ from: before, to: after });
      log.warn({ audit: "settings", revision, from: before, to: after, err: error }, `By somebody: ${change}`);
    }
  }

  const leaveChanges = settings.events.on("change", (change) => {
    writing = writing.then(() => write(change));
  });
  const leaveActs = settings.events.on("act", ({ at, who, why, act }: ActEntry) => {
    const came = act.ended ? act.outcome : "begun";
    log.info({ audit: "act", who, why, at, ...act }, `By ${who}: ${act.what}: ${came}`);
  });
  return {
    async close() {
      leaveChanges();
      leaveActs();
      await writing;
    },
  };
}
