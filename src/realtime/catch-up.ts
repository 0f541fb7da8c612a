import { messageOf } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";

/** Reads again what a change stream has left out: at once and until it is done what is owed, else as often as it is due. */
export interface CatchUp {
  /** Whatever was stored until now must be read once more. */
  owe(): void;
  /** Nothing is owed, and nothing is being read. */
  readonly settled: boolean;
  close(): Promise<void>;
}

interface Options {
  read: () => Promise<void>;
  /** Asked once a second, while nothing is owed. */
  due: () => boolean;
  log: Log;
  /** Said once, until it goes well again. */
  complaint: string;
  /** Said when it does. */
  relief: string;
}

const everyMs = 1_000;

export function createCatchUp({ read, due, log, complaint, relief }: Options): CatchUp {
  let owing = false;
  let failing = false;
  let reading: Promise<void> | undefined;

  async function readOnce(): Promise<void> {
    const owed = owing;
    // What is owed from now on, this reading may not see any more.
    owing = false;
    try {
      await read();
      if (failing) log.info({}, relief);
      failing = false;
    } catch (error) {
      owing ||= owed;
      if (!failing) log.warn({ err: messageOf(error) }, complaint);
      failing = true;
    }
  }

  async function pay(): Promise<void> {
    do await readOnce();
    while (owing && !failing);
  }

  function begin(): void {
    reading ??= pay().finally(() => {
      reading = undefined;
    });
  }

  const timer = setInterval(() => {
    if (owing || due()) begin();
  }, everyMs);
  timer.unref();

  return {
    owe() {
      owing = true;
      begin();
    },
    get settled() {
      return !owing && reading === undefined;
    },
    async close() {
      clearInterval(timer);
      await reading;
    },
  };
}
