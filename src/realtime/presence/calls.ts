import type { Script } from "../../redis/types.ts";
import { leave, part, reapServer } from "./endings.ts";
import { keysOf } from "./keys.ts";
import type { Change } from "./pending.ts";
import { applyChanges, beat, comeBack, readServer } from "./scripts.ts";

/** A script, or undefined when there is no answer. `heavy`: its answer may be long. */
export type Run = <T>(script: Script, keys: string[], args: string[], heavy?: boolean) => Promise<T | undefined>;

export interface Sight {
  /** The time of Redis. */
  now: number;
  rev: string;
  /** How many this server has. */
  mine: number;
  /** Nothing of it is missing among what all have. */
  whole: boolean;
  others: { server: string; score: number; rev: string }[];
}

export interface Call {
  token: number;
  epoch: number;
  rev: number;
  mode: "next" | "some" | "force";
  changes: readonly Change[];
}

interface Before {
  score: string;
  rev: string;
  /** Of the last call that was done. */
  token: string;
  flags: string;
  had: string[];
}

type Member = readonly [member: string, profile: string];

interface Reaped {
  state: "more" | "done" | "later";
  /** Member and profile of each that nobody else has. */
  gone: string[];
}

/** What one server may ask Redis about one shared set; undefined: no answer. */
export interface Calls {
  change(call: Call): Promise<string | undefined>;
  /** On behalf of a server whose rev is known to be wrong; does nothing once it is another. */
  restore(server: string, wrongRev: string, changes: readonly (readonly string[])[]): Promise<string | undefined>;
  beat(): Promise<Sight | undefined>;
  /** Nothing that was sent with another epoch is done from now on. */
  comeBack(epoch: number): Promise<Before | undefined>;
  read(server: string): Promise<{ rev: string; members: string[] } | undefined>;
  /** `known`: what the server is known to have had; `follows`: and more than that. */
  reap(server: string, score: number, attempt: number, known: Member[], follows: boolean): Promise<Reaped | undefined>;
  part(): Promise<boolean>;
  leave(): Promise<void>;
}

interface Options {
  base: string;
  me: string;
  channel: string;
  ttlSeconds: number;
  leaseMs: number;
  profiled: boolean;
  run: Run;
}

export function createCalls({ base, me, channel, ttlSeconds, leaseMs, profiled, run }: Options): Calls {
  const keys = keysOf(base);
  const of = (server: string) => [
    keys.shared,
    keys.own(server),
    keys.servers,
    keys.revs,
    keys.profiles,
    keys.last(server),
  ];
  const mine = of(me);
  const ttl = String(ttlSeconds);
  const lease = String(leaseMs);
  const tail = [ttl, lease, channel, base, keys.owns, keys.lasts];
  const flat = ([member, { add, profile }]: Change) => [add ? "+" : "-", member, profile];

  return {
    change: ({ token, epoch, rev, mode, changes }) =>
      run(applyChanges, mine, [
        ...[me, String(rev), mode, String(epoch), String(token), ...tail],
        ...changes.flatMap(flat),
      ]),
    restore: (server, wrongRev, changes) =>
      run(applyChanges, of(server), [server, `by:${me}`, "restore", "", wrongRev, ...tail, ...changes.flat()]),
    async beat() {
      const seen = await run<(string | number)[]>(beat, mine, [me, ttl, lease, profiled ? "1" : "0"]);
      if (!seen) return undefined;
      const [now, rev, own, whole, ...rest] = seen;
      const others: Sight["others"] = [];
      for (let i = 0; i < rest.length; i += 3)
        others.push({ server: String(rest[i]), score: Number(rest[i + 1]), rev: String(rest[i + 2]) });
      return { now: Number(now), rev: String(rev), mine: Number(own), whole: Number(whole) === 1, others };
    },
    async comeBack(epoch) {
      const of = [keys.own(me), keys.servers, keys.revs, keys.last(me)];
      const seen = await run<string[]>(comeBack, of, [me, lease, String(epoch), ttl], true);
      if (!seen) return undefined;
      const [score = "", rev = "", token = "", flags = "", ...had] = seen;
      return { score, rev, token, flags, had };
    },
    async read(server) {
      const seen = await run<string[]>(readServer, [keys.own(server), keys.revs, keys.profiles], [server], true);
      if (!seen) return undefined;
      const [rev = "", ...members] = seen;
      return { rev, members };
    },
    async reap(server, score, attempt, known, follows) {
      const about = [server, String(score), `${me}:${attempt}`, ttl, channel, base, keys.owns, keys.lasts];
      const words = await run<string>(reapServer, of(server), [...about, follows ? "1" : "0", ...known.flat()]);
      if (words === undefined) return undefined;
      const [state, ...gone] = JSON.parse(words) as [Reaped["state"], ...string[]];
      return { state, gone };
    },
    part: async () =>
      (await run<number>(part, [keys.own(me), keys.servers, keys.revs, keys.last(me)], [me, channel, base])) === 1,
    leave: async () => void (await run(leave, [keys.servers], [me])),
  };
}
