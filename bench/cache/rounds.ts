import { cpuOf } from "../stage/processes.ts";
import { type Cell, count, micro, ms as milliseconds } from "../support/report.ts";
import { median, ratioOf } from "../support/sums.ts";
import type { Result } from "./load.ts";
import { createLoader } from "./loader.ts";

export interface Round extends Result {
  /** Microseconds of the server's processor per request. */
  cpu: number;
}

interface Asked {
  name: string;
  server: { readonly port: number; readonly pid: number };
  paths: string[];
  ms: number;
  check?: boolean;
  conditional?: boolean;
}

/** Each round as it ends, for whoever watches. */
const watched = process.env.BENCH_WATCH !== undefined;
const encodings = "gzip, deflate, br";

/** Rounds of requests from one process, and whatever was wrong with any answer. */
export function createRounds(options: { mongoUrl: string; tokens: string[]; connections: number }) {
  const loader = createLoader();
  const failures = new Map<string, string>();
  const fail = (name: string, why: string) => failures.set(name, failures.get(name) ?? why);
  let checked = 0;
  let wrong = 0;
  return {
    /** Answers that MongoDB could not have given. */
    get wrong() {
      return wrong;
    },
    /** The first of each kind. */
    failures: () => [...failures].map(([name, why]) => `${name}: ${why}`),
    get checked() {
      return checked;
    },
    async run({ name, server, paths, ms, check = true, conditional = false }: Asked): Promise<Round> {
      const before = cpuOf(server.pid);
      const headers = { "Accept-Encoding": encodings };
      const order = { ...options, port: server.port, paths, ms, headers, check, conditional };
      const result = await loader.run(order);
      const cpu = ((cpuOf(server.pid) - before) / result.requests) * 1e6;
      if (watched) console.error(name, result.perSecond.toFixed(0), JSON.stringify(result.sources), cpu.toFixed(0));
      checked += result.checked;
      wrong += result.wrong.length;
      for (const fault of result.wrong) fail(`${name} (wrong)`, fault);
      const expected = conditional ? ["200", "304"] : ["200"];
      for (const [status, times] of Object.entries(result.statuses))
        if (!expected.includes(status)) fail(`${name} (${status})`, `${times} times in a round`);
      return { ...result, cpu };
    },
    /** Whoever has not been seen for long is looked up again: until all have been, or it gets no faster. */
    async warmUp(asked: Asked): Promise<void> {
      let before = 0;
      for (;;) {
        const { requests } = await this.run(asked);
        if (requests >= options.tokens.length || requests < 1.5 * before) return;
        before = requests;
      }
    },
    close: () => loader.close(),
  };
}

export type Rounds = ReturnType<typeof createRounds>;

const sumOf = (rounds: readonly Round[], of: (round: Round) => number) => rounds.reduce((sum, one) => sum + of(one), 0);

export const comparedOf = (rounds: readonly Round[]): number => sumOf(rounds, ({ checked }) => checked);

/** Nothing is shown by answers that nobody compared: one a round at least. */
export function hardlyCompared(name: string, rounds: readonly Round[]): string[] {
  const compared = comparedOf(rounds);
  if (rounds.length > 0 && compared >= rounds.length) return [];
  return [`${name}: ${compared} answers were compared with MongoDB in ${rounds.length} rounds`];
}

/** Of the requests, how many one of `sources` answered. */
export const shareOf = (rounds: readonly Round[], sources: readonly string[]): number =>
  sumOf(rounds, (one) => sources.reduce((sum, source) => sum + (one.sources[source] ?? 0), 0)) /
  sumOf(rounds, ({ requests }) => requests);

/** Of the worst round: a slow one has so few requests that it hardly weighs among all. No number, of no rounds. */
export const leastShareOf = (rounds: readonly Round[], sources: readonly string[]): number =>
  rounds.length === 0 ? Number.NaN : Math.min(...rounds.map((one) => shareOf([one], sources)));

export const statusShare = (rounds: readonly Round[], status: string): number =>
  sumOf(rounds, (one) => one.statuses[status] ?? 0) / sumOf(rounds, ({ requests }) => requests);

export const speedsOf = (rounds: readonly Round[]): number[] => rounds.map(({ perSecond }) => perSecond);

/** Of what is the better the less there is of it: how many times as much the other has. */
export function timesLess(ours: readonly number[], other: readonly number[]): ReturnType<typeof ratioOf> {
  const turned = ratioOf(other, ours);
  const { ours: theirs, other: own } = turned.rounds;
  return { ...turned, ours: turned.other, other: turned.ours, rounds: { ours: own, other: theirs } };
}

export const roundsHead = ["requests/s", "min", "max", "p50", "p99", "CPU each"];

export function rowOf(rounds: readonly Round[]): Cell[] {
  const speeds = speedsOf(rounds);
  const middle = (of: (round: Round) => number) => median(rounds.map(of));
  return [
    ...[median(speeds), Math.min(...speeds), Math.max(...speeds)].map((speed) => count(speed, 0)),
    milliseconds(middle(({ p50 }) => p50)),
    milliseconds(middle(({ p99 }) => p99)),
    micro(middle(({ cpu }) => cpu)),
  ];
}
