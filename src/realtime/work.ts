import { UnavailableError } from "../kernel/errors.ts";
import { refusal } from "./refusal.ts";

interface Job {
  task: () => Promise<void>;
  fail: (error: unknown) => void;
  since: number;
  timer: NodeJS.Timeout;
  over: boolean;
}

/** What one socket asked for, done one after the other: order is kept, and a burst waits in a line of bounded length. */
export interface Work {
  /** `fail` is called at most once: when the task fails, is late, or finds the line full. */
  add(task: () => Promise<void>, fail: (error: unknown) => void): void;
  /** Forgets what has not begun. */
  clear(): void;
  /** Resolves when nothing is left to do. */
  idle(): Promise<void>;
}

export interface WorkOptions {
  /** An event not carried out by then is answered with an error; one not begun by half of it is not begun at all. */
  deadlineMs: number;
  /** Most events in the line. */
  length?: number;
}

export function createWork({ deadlineMs, length = 200 }: WorkOptions): Work {
  const line: Job[] = [];
  let working: Promise<void> | undefined;

  const late = () => new UnavailableError(`An event was not carried out within ${deadlineMs} ms`);

  function end(job: Job): boolean {
    if (job.over) return false;
    job.over = true;
    clearTimeout(job.timer);
    return true;
  }

  async function work(): Promise<void> {
    for (let job = line.shift(); job; job = line.shift()) {
      if (job.over) continue;
      try {
        // Begun so late it might be told to have failed, and be done all the same.
        if (performance.now() - job.since > deadlineMs / 2) throw late();
        await job.task();
        end(job);
      } catch (error) {
        if (end(job)) job.fail(error);
      }
    }
    working = undefined;
  }

  return {
    add(task, fail) {
      if (line.length >= length) return fail(refusal.tooMany());
      const job: Job = {
        task,
        fail,
        since: performance.now(),
        over: false,
        timer: setTimeout(() => {
          if (end(job)) fail(late());
        }, deadlineMs),
      };
      line.push(job);
      working ??= work();
    },
    clear() {
      for (const job of line.splice(0)) end(job);
    },
    idle: async () => working,
  };
}
