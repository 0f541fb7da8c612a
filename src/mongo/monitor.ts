import type { CommandFailedEvent, CommandStartedEvent, CommandSucceededEvent, MongoClient } from "mongodb";
import { createEvents, type Events } from "../kernel/events.ts";

export type MongoCommandEvents = {
  /** `collection` is "" for a command that names none. */
  command: { collection: string; command: string; seconds: number; ok: boolean };
};

export interface MongoMonitor {
  readonly events: Events<MongoCommandEvents>;
  close(): void;
}

// The driver's own housekeeping, and our probe: nobody asked MongoDB for data.
const housekeeping = new Set(["hello", "ismaster", "ping", "endSessions", "killCursors", "saslStart", "saslContinue"]);

function nameOf({ commandName, command }: CommandStartedEvent): string {
  // A change stream waits at the server on purpose: its times would drown those of the queries.
  const awaits = commandName === "getMore" && command.maxTimeMS !== undefined;
  const opens = commandName === "aggregate" && command.pipeline?.[0]?.$changeStream !== undefined;
  return awaits || opens ? "changeStream" : commandName;
}

function collectionOf({ commandName, command }: CommandStartedEvent): string {
  const named: unknown = commandName === "getMore" ? command.collection : command[commandName];
  return typeof named === "string" && !named.startsWith("$cmd") ? named : "";
}

/** One event per command that a client sent; the client must have been made with `monitorCommands: true`. */
export function createMongoMonitor(client: MongoClient): MongoMonitor {
  const events = createEvents<MongoCommandEvents>();
  const open = new Map<number, { collection: string; command: string }>();
  const started = (event: CommandStartedEvent) => {
    if (housekeeping.has(event.commandName)) return;
    open.set(event.requestId, { collection: collectionOf(event), command: nameOf(event) });
  };
  const ended = (ok: boolean) => (event: CommandSucceededEvent | CommandFailedEvent) => {
    const what = open.get(event.requestId);
    if (!what) return;
    open.delete(event.requestId);
    events.emit("command", { ...what, seconds: event.duration / 1_000, ok });
  };
  const [succeeded, failed] = [ended(true), ended(false)];
  client.on("commandStarted", started).on("commandSucceeded", succeeded).on("commandFailed", failed);
  return {
    events,
    close() {
      client.off("commandStarted", started).off("commandSucceeded", succeeded).off("commandFailed", failed);
      open.clear();
    },
  };
}
