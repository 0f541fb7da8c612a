import type { Request, Response } from "express";
import type { Clock } from "../../kernel/clock.ts";
import type { Log } from "../../kernel/log.ts";
import { refuse } from "./answers.ts";
import { passOf } from "./doors.ts";

/** Whoever is told, until they go or their pass ends. */
interface Watcher {
  readonly res: Response;
  readonly ends: number;
}

export interface Live {
  /** Server-sent events: at once what is known, then a state every second. */
  watch(req: Request, res: Response): void;
  close(): void;
}

export interface LiveOptions {
  /** Looks at everything; what it answers is sent as JSON. */
  look(): Promise<object>;
  clock: Clock;
  log: Log;
  everyMs?: number;
  mostWatchers?: number;
}

// A browser that takes nothing any more must not fill the memory of the server.
const mostWaiting = 1_000_000;

/** Nothing is looked at while nobody watches. */
export function createLive({ look, clock, log, everyMs = 1_000, mostWatchers = 100 }: LiveOptions): Live {
  const watchers = new Set<Watcher>();
  let timer: NodeJS.Timeout | undefined;
  let looking = false;
  let last: string | undefined;

  function send(): void {
    for (const watcher of watchers) {
      const over = watcher.ends <= clock.now() || watcher.res.writableLength > mostWaiting;
      if (over) watcher.res.end();
      else if (last) watcher.res.write(last);
    }
  }

  async function tick(): Promise<void> {
    if (looking) return;
    looking = true;
    try {
      last = `data: ${JSON.stringify(await look())}\n\n`;
    } catch (error) {
      log.error({ err: error }, "The console does not know how things are");
    }
    looking = false;
    send();
  }

  function leave(watcher: Watcher): void {
    watchers.delete(watcher);
    if (watchers.size > 0) return;
    clearInterval(timer);
    timer = undefined;
    last = undefined;
  }

  return {
    watch(_req, res) {
      if (watchers.size >= mostWatchers) return refuse(res, 503, "BUSY", "Too many consoles are open on this server.");
      const watcher = { res, ends: passOf(res).ends };
      watchers.add(watcher);
      res.once("close", () => leave(watcher));
      res.writeHead(200, {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-store",
        // Else a proxy may keep the events until there are many.
        "X-Accel-Buffering": "no",
      });
      res.write(last ?? ":\n\n");
      if (timer) return;
      timer = setInterval(() => void tick(), everyMs);
      timer.unref();
      void tick();
    },
    close() {
      clearInterval(timer);
      for (const { res } of watchers) res.end();
    },
  };
}
