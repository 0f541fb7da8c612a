import { setTimeout as pause } from "node:timers/promises";

interface ClockOptions {
  write(at: number): Promise<unknown>;
  /** NaN when there is nothing. */
  read(): Promise<number>;
}

/** Writes the time down again and again; what was acknowledged last is what must not be lost. */
export function startClock({ write, read }: ClockOptions) {
  let acknowledged = 0;
  let stopped = false;
  async function tick(): Promise<void> {
    while (!stopped) {
      const at = Date.now();
      await write(at).then(
        () => {
          acknowledged = at;
        },
        () => undefined,
      );
      await pause(20);
    }
  }
  const ticking = tick();
  return {
    acknowledged: () => acknowledged,
    found: read,
    async stop() {
      stopped = true;
      await ticking;
    },
  };
}
