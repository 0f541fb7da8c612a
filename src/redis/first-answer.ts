import type { RedisDoor } from "./types.ts";

const patienceMs = 1_000;

/** Ends when it is known whether Redis can be used, or cannot be told soon: what is asked before would be refused. */
export function firstAnswer({ state, events }: Pick<RedisDoor, "state" | "events">): Promise<void> {
  if (state !== "recovering") return Promise.resolve();
  return new Promise((resolve) => {
    const known = () => {
      stop();
      clearTimeout(timer);
      resolve();
    };
    const stop = events.on("state", ({ to }) => {
      if (to !== "recovering") known();
    });
    const timer = setTimeout(known, patienceMs);
    timer.unref();
  });
}
