import { messageOf } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";

/** Writes that are gathered for a moment and go out in one piece; the newest value of a key wins. */
export interface Batch<V> {
  /** `merge` sees what waits for the same key. */
  put(key: string, value: V, when?: "soon" | "later"): void;
  /** What is not written yet. */
  get(key: string): V | undefined;
  drop(key: string): void;
  /** Writes at once what waits; resolves when it is written or has failed and waits for the next attempt. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface BatchOptions<V> {
  name: string;
  write(entries: [key: string, value: V][]): Promise<unknown>;
  merge(older: V, newer: V): V;
  log: Log;
  everyMs?: number;
  /** For what may wait; it goes with what may not. */
  laterMs?: number;
  retryMs?: number;
  /** Beyond this the oldest are given up: an outage must not fill the memory. */
  most?: number;
}

export function createBatch<V>(options: BatchOptions<V>): Batch<V> {
  const { name, write, merge, log, everyMs = 50, laterMs = 500, retryMs = 1_000, most = 50_000 } = options;
  let waiting = new Map<string, V>();
  let going = new Map<string, V>();
  let flight: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let due = Number.POSITIVE_INFINITY;
  let failing = false;
  let closed = false;

  function schedule(ms: number): void {
    const at = performance.now() + ms;
    if (closed || flight || waiting.size === 0 || at >= due) return;
    clearTimeout(timer);
    due = at;
    timer = setTimeout(() => void send(), ms);
  }

  function put(key: string, value: V): void {
    const older = waiting.get(key);
    waiting.set(key, older === undefined ? value : merge(older, value));
    if (waiting.size <= most) return;
    for (const oldest of waiting.keys()) return void waiting.delete(oldest);
  }

  function giveBack(): void {
    const newer = waiting;
    waiting = going;
    for (const [key, value] of newer) put(key, value);
  }

  async function attempt(): Promise<void> {
    going = waiting;
    waiting = new Map();
    try {
      await write([...going]);
      if (failing) log.info({ batch: name }, `${name} is written again`);
      failing = false;
    } catch (error) {
      giveBack();
      if (!failing) log.warn({ batch: name, err: messageOf(error) }, `${name} cannot be written; trying again`);
      failing = true;
    } finally {
      going = new Map();
    }
  }

  function send(): Promise<void> {
    clearTimeout(timer);
    due = Number.POSITIVE_INFINITY;
    flight ??= attempt().finally(() => {
      flight = undefined;
      schedule(failing ? retryMs : everyMs);
    });
    return flight;
  }

  async function flush(): Promise<void> {
    await flight;
    if (waiting.size > 0) await send();
  }

  return {
    put(key, value, when = "soon") {
      put(key, value);
      schedule(failing ? retryMs : when === "soon" ? everyMs : laterMs);
    },
    get: (key) => waiting.get(key) ?? going.get(key),
    drop: (key) => void waiting.delete(key),
    flush,
    async close() {
      closed = true;
      clearTimeout(timer);
      await flush();
    },
  };
}
