import { messageOf } from "../../src/kernel/errors.ts";
import { count, percent, type Table } from "../support/report.ts";

/** One kind of work that goes on beside what is measured. */
interface Job {
  readonly name: string;
  readonly everyMs: number;
  readonly since: number;
  readonly timer: NodeJS.Timeout;
  done: number;
  failure?: string;
}

/** How much of a kind was done, of what its pace made due. */
export interface Done {
  readonly name: string;
  readonly perSecond: number;
  readonly seconds: number;
  readonly due: number;
  readonly done: number;
  /** The first. */
  readonly failure?: string;
}

export interface Schedule {
  /** Again and again, whether or not the time before has ended. */
  every(ms: number, name: string, work: () => Promise<unknown>): void;
  /** Ends when nothing is under way any more. */
  close(): Promise<Done[]>;
}

export function createSchedule(): Schedule {
  const jobs: Job[] = [];
  const underWay = new Set<Promise<void>>();

  async function carryOut(job: Job, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
      job.done += 1;
    } catch (error) {
      job.failure ??= messageOf(error);
    }
  }

  return {
    every(everyMs, name, work) {
      const timer = setInterval(() => {
        const one: Promise<void> = carryOut(job, work).finally(() => underWay.delete(one));
        underWay.add(one);
      }, everyMs);
      const job: Job = { name, everyMs, since: performance.now(), timer, done: 0 };
      jobs.push(job);
    },
    async close() {
      for (const { timer } of jobs) clearInterval(timer);
      const ended = performance.now();
      await Promise.all(underWay);
      return jobs.map(({ name, everyMs, since, done, failure }) => ({
        ...{ name, perSecond: 1_000 / everyMs, seconds: (ended - since) / 1_000, done },
        // A timer that came late is not made up for: what was due goes by the clock.
        due: Math.floor((ended - since) / everyMs),
        ...(failure !== undefined && { failure }),
      }));
    },
  };
}

/** A load of which less was done says nothing of what it costs. */
export const leastDone = 0.9;

/** What several schedules did, one after the other. */
export function createTally() {
  const kinds = new Map<string, Done>();
  const all = () => [...kinds.values()];
  return {
    add(schedule: readonly Done[]): void {
      for (const one of schedule) {
        const before = kinds.get(one.name);
        const failure = before?.failure ?? one.failure;
        kinds.set(one.name, {
          ...one,
          seconds: one.seconds + (before?.seconds ?? 0),
          due: one.due + (before?.due ?? 0),
          done: one.done + (before?.done ?? 0),
          ...(failure !== undefined && { failure }),
        });
      }
    },
    /** Of all kinds together. */
    perSecond: () => all().reduce((sum, { done, seconds }) => sum + done / seconds, 0),
    table: (title: string): Table => ({
      title,
      head: ["", "stated a second", "done a second", "of those due"],
      rows: all().map(({ name, perSecond, seconds, due, done }) => [
        name,
        count(perSecond),
        count(done / seconds),
        percent((100 * done) / due, 1),
      ]),
    }),
    /** A load that is said to be there and is not shows nothing. */
    failures: (): string[] =>
      all()
        .filter(({ due, done }) => !(due > 0 && done >= leastDone * due))
        .map(
          ({ name, due, done, failure }) =>
            `${name}: ${done} of ${due} that were due were done${failure === undefined ? "" : ` (${failure})`}`,
        ),
  };
}
