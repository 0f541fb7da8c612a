import { AsyncLocalStorage } from "node:async_hooks";
import { UnavailableError } from "../kernel/errors.ts";
import { LinkError } from "./failure.ts";
import type { RecoverySigns, RecoveryStage } from "./types.ts";

/** What must be done before Redis is trusted again. */
export interface Recovery {
  add(stage: RecoveryStage): () => void;
  /** One stage after the other until `lost`; rejects with the name of the one that failed. */
  run(signs: RecoverySigns, lost: AbortSignal): Promise<void>;
  /** Whether the caller is one of the stages, which alone may use Redis meanwhile. */
  within(): boolean;
}

const STAGE_MS = 10_000;

export function createRecovery(): Recovery {
  const stages: RecoveryStage[] = [];
  const inside = new AsyncLocalStorage<AbortSignal>();
  /** A stage that was given up goes on by itself, and must not use the next connection before its time. */
  let present: AbortSignal | undefined;

  async function runStage(stage: RecoveryStage, signs: RecoverySigns, lost: AbortSignal): Promise<void> {
    let release = () => {};
    const cut = new Promise<never>((_, reject) => {
      const onLost = () => reject(new LinkError("Redis was lost meanwhile"));
      const timer = setTimeout(() => reject(new Error(`not done after ${STAGE_MS} ms`)), STAGE_MS);
      lost.addEventListener("abort", onLost, { once: true });
      release = () => {
        clearTimeout(timer);
        lost.removeEventListener("abort", onLost);
      };
    });
    try {
      await Promise.race([inside.run(lost, () => stage.run(signs)), cut]);
    } catch (error) {
      throw new UnavailableError(`the recovery stage "${stage.name}" failed`, { cause: error });
    } finally {
      release();
    }
  }

  return {
    add(stage) {
      stages.push(stage);
      stages.sort((a, b) => a.order - b.order);
      return () => {
        const at = stages.indexOf(stage);
        if (at >= 0) stages.splice(at, 1);
      };
    },
    async run(signs, lost) {
      present = lost;
      try {
        for (const stage of [...stages]) if (!lost.aborted) await runStage(stage, signs, lost);
      } finally {
        present = undefined;
        // Else every promise of the process would pay for the storage from now on.
        inside.disable();
      }
    },
    within: () => present !== undefined && inside.getStore() === present,
  };
}
