import type { Line } from "../kernel/deadline.ts";
import type { AllCommands } from "./commands.ts";
import type { Lane } from "./lane.ts";

/** A place for one long command at a time or more; its connections are opened when first needed. */
export interface HeavyLane {
  readonly line: Line;
  run<T>(command: (redis: AllCommands) => Promise<T>): Promise<T>;
  /** Something in it is stuck: the connections are closed, the next command opens others. */
  recycle(): void;
}

export interface HeavyLanes {
  /** The one with the fewest waiting. */
  next(): HeavyLane;
  readonly open: number;
  readonly waiting: number;
  destroy(): void;
}

export function createHeavyLanes(size: number, line: () => Line, open: () => Promise<Lane>): HeavyLanes {
  function create(): HeavyLane & { open: number; destroy(): void } {
    let lane: Promise<Lane> | undefined;
    let ready: Lane | undefined;

    function renew(): Promise<Lane> {
      const opening = open();
      lane = opening;
      opening.then(
        (opened) => {
          if (lane === opening) ready = opened;
          else opened.destroy();
        },
        () => {
          if (lane === opening) lane = undefined;
        },
      );
      return opening;
    }
    function recycle(): void {
      lane = undefined;
      ready?.destroy();
      ready = undefined;
    }

    return {
      line: line(),
      run: async (command) => {
        if (ready?.clients.some((client) => !client.isReady)) recycle();
        return command((await (lane ?? renew())).commands);
      },
      recycle,
      get open() {
        return ready?.connections.length ?? 0;
      },
      destroy() {
        this.line.clear();
        recycle();
      },
    };
  }

  const lanes = Array.from({ length: size }, create);
  return {
    next: () => lanes.reduce((best, lane) => (lane.line.size < best.line.size ? lane : best)),
    get open() {
      return lanes.reduce((sum, lane) => sum + lane.open, 0);
    },
    get waiting() {
      return lanes.reduce((sum, lane) => sum + lane.line.size, 0);
    },
    destroy() {
      for (const lane of lanes) lane.destroy();
    },
  };
}
