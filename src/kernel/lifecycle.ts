import type { Log } from "./log.ts";

type Release = () => unknown;

export interface Lifecycle {
  /** Registers how to give back what was just opened; answers `resource` for use in one line. */
  own<T>(name: string, resource: T, release: (resource: T) => unknown): T;
  /** Releases everything in reverse order; each release has `stepMs`, all of them `totalMs`. */
  close(): Promise<void>;
  readonly closing: boolean;
}

/** The stack of what is open: closed in reverse order, once, however often it is asked. */
export function createLifecycle(log: Log, { stepMs = 4_000, totalMs = 9_000 } = {}): Lifecycle {
  const stack: { name: string; release: Release }[] = [];
  let closed: Promise<void> | undefined;

  async function release({ name, release }: { name: string; release: Release }, deadline: number): Promise<void> {
    const ms = Math.max(50, Math.min(stepMs, deadline - Date.now()));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(resolve, ms, "late");
    });
    try {
      const end = await Promise.race([Promise.resolve().then(release), late]);
      if (end === "late") log.warn({ name, ms }, `${name} did not close in time; going on without it`);
    } catch (error) {
      log.warn({ name, err: error }, `${name} failed to close`);
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    own(name, resource, how) {
      stack.push({ name, release: () => how(resource) });
      return resource;
    },
    close() {
      closed ??= (async () => {
        const deadline = Date.now() + totalMs;
        for (let top = stack.pop(); top; top = stack.pop()) await release(top, deadline);
      })();
      return closed;
    },
    get closing() {
      return closed !== undefined;
    },
  };
}
