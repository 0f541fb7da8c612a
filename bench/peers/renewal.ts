import { setTimeout as pause } from "node:timers/promises";

const complain = (error: unknown) =>
  console.error("what has changed could not be made anew; it is tried again:", error);

/** Made anew when something has changed: at once, and then no more often than once in `everyMs`. */
export function createRenewal(renew: () => Promise<unknown>, everyMs: number, onError = complain): () => void {
  let [changed, busy] = [false, false];
  async function work(): Promise<void> {
    busy = true;
    while (changed) {
      changed = false;
      const rest = pause(everyMs);
      await renew().catch((error: unknown) => {
        onError(error);
        changed = true;
      });
      await rest;
    }
    busy = false;
  }
  return () => {
    changed = true;
    if (!busy) void work();
  };
}
