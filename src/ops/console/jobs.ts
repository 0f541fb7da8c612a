import type { Clock } from "../../kernel/clock.ts";
import { messageOf, SluiceError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import type { ChangeBy } from "../../mongo/settings-types.ts";
import type { Backfilled, BackfillOptions } from "../../sessions/tools/backfill.ts";
import type { Imported, ImportOptions } from "../../sessions/tools/import.ts";
import type { ToolOptions } from "../../sessions/tools/toolbox.ts";
import type { Verified, VerifyOptions } from "../../sessions/tools/verify.ts";

/** The tools over all sessions, on this server's databases; what changes something says who did it in the history. */
export interface SessionTools {
  verify(options: VerifyOptions): Promise<Verified>;
  backfill(options: BackfillOptions, by: ChangeBy): Promise<Backfilled>;
  import(options: ImportOptions, by: ChangeBy): Promise<Imported>;
}

type JobKind = keyof SessionTools;

/** What a tool is doing, or has done last, on this server. */
interface Job {
  readonly kind: JobKind;
  readonly who: string;
  readonly began: number;
  readonly done: number;
  readonly total: number | null;
  readonly ended: number | null;
  readonly result: Verified | Backfilled | Imported | null;
  readonly problem: string | null;
}

export interface Jobs {
  readonly current: Job | null;
  start(kind: JobKind, options: { sample?: number; restart?: boolean; dryRun?: boolean }, by: ChangeBy): Job;
  /** Ends the tool after what it is just doing; a backfill goes on there when it is started again. */
  stop(who: string): boolean;
  close(): Promise<void>;
}

/** One at a time: two of them would only take the databases' time from each other, and from the chat. */
export function createJobs({ tools, clock, log }: { tools: SessionTools; clock: Clock; log: Log }): Jobs {
  let current: Job | null = null;
  let running: { stop: AbortController; end: Promise<void> } | undefined;

  async function run(kind: JobKind, options: ToolOptions, by: ChangeBy): Promise<void> {
    try {
      const result = await tools[kind](options, by);
      if (current) current = { ...current, result };
    } catch (error) {
      log.warn({ err: error, kind }, `The ${kind} of sessions has failed`);
      if (current) current = { ...current, problem: messageOf(error) };
    }
    if (current) current = { ...current, ended: clock.now() };
    running = undefined;
  }

  return {
    get current() {
      return current;
    },
    start(kind, options, by) {
      if (running && current) {
        const message = `A ${current.kind}, begun by ${current.who}, is under way. Wait for its end, or stop it.`;
        throw new SluiceError("BUSY", message);
      }
      current = {
        kind,
        who: by.who,
        began: clock.now(),
        done: 0,
        total: null,
        ended: null,
        result: null,
        problem: null,
      };
      const stop = new AbortController();
      const onProgress = ({ done, total }: { done: number; total?: number }) => {
        if (current) current = { ...current, done, total: total ?? null };
      };
      running = { stop, end: run(kind, { ...options, onProgress, signal: stop.signal }, by) };
      return current;
    },
    stop(who) {
      if (!running) return false;
      log.info({ audit: "sessions", who }, `By ${who}: the ${current?.kind} of sessions is stopped`);
      running.stop.abort();
      return true;
    },
    async close() {
      running?.stop.abort();
      await running?.end;
    },
  };
}
