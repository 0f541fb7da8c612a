import { withoutBudget } from "../../kernel/budget.ts";
import type { Answer, CallOptions, RedisDoor, Script } from "../../redis/types.ts";
import { expiryText } from "../copy.ts";
import { fillCopy, putCopy, settleCopy, shortenCopy, touchCopy } from "../scripts.ts";
import type { Version } from "../version.ts";

export type Put = "put" | "absent" | "newer" | "dead";
export type Fill = "filled" | "late" | "foreign";

/** The copies in Redis: each call one round trip, no call throws. */
export interface Copies {
  keyOf(id: string): string;
  get(id: string): Promise<Answer<string | null>>;
  /** `get` without a promise. */
  ask(id: string, onAnswer: (answer: Answer<string | null>) => void): void;
  /** In place of an older copy; where there is none, only for a session born in this request. */
  put(id: string, copy: string, version: Version, lifeMs: number, born: boolean): Promise<Answer<Put>>;
  /** Announces a fill. Whoever writes or drops the copy takes the lease away, and the fill comes to nothing. */
  lease(id: string, token: string): Promise<Answer<boolean>>;
  fill(id: string, token: string, copy: string, lifeMs: number): Promise<Answer<Fill>>;
  /** Answers whether there is a copy of ours. `mongoExpires`: the document's, when it was touched, too. */
  touch(id: string, lifeMs: number, seen: Version | undefined, mongoExpires?: number): Promise<Answer<boolean>>;
  drop(id: string): Promise<Answer<number>>;
  /** Drops a copy older than what MongoDB holds. */
  settle(id: string, version: Version): Promise<Answer<number>>;
  /** It has no more than `lifeMs` left, and ends in MongoDB at `expires`. */
  shorten(id: string, lifeMs: number, expires: number): Promise<Answer<number>>;
}

export interface CopyOptions {
  door: RedisDoor;
  prefix: string;
  leaseMs: number;
  /** Instead of the door's own. */
  deadlineMs?: number;
}

// Redis refuses lives that overflow its clock.
const LONGEST_MS = 10 * 365 * 86_400_000;

export function createCopies({ door, prefix, leaseMs, deadlineMs }: CopyOptions): Copies {
  const options: CallOptions | undefined = deadlineMs === undefined ? undefined : { deadlineMs };
  const keyOf = (id: string) => prefix + id;
  const keysOf = (id: string) => [keyOf(id), `{${keyOf(id)}}:fill`];
  const life = (ms: number) => String(Math.min(Math.ceil(ms), LONGEST_MS));
  // A copy that is neither put right nor taken away makes every copy old: a request that has waited long for others is no reason for that.
  const write = <T>(script: Script, id: string, args: string[]) =>
    withoutBudget(() => door.script<T>(script, keysOf(id), args, options));

  return {
    keyOf,
    get: (id) => door.call("session.get", (redis) => redis.get(prefix + id), options),
    ask: (id, onAnswer) => door.ask("session.get", (redis) => redis.get(prefix + id), options, onAnswer),
    put: (id, copy, version, lifeMs, born) => write<Put>(putCopy, id, [copy, version, life(lifeMs), born ? "1" : "0"]),
    async lease(id, token) {
      const [, key = ""] = keysOf(id);
      const setting = { condition: "NX", expiration: { type: "PX", value: leaseMs } } as const;
      const answer = await door.call("session.lease", (redis) => redis.set(key, token, setting), options);
      return answer.ok ? { ok: true, value: answer.value !== null } : answer;
    },
    fill: (id, token, copy, lifeMs) => door.script<Fill>(fillCopy, keysOf(id), [token, copy, life(lifeMs)], options),
    async touch(id, lifeMs, seen, mongoExpires) {
      const until = mongoExpires === undefined ? "" : expiryText(mongoExpires);
      const answer = await write<number>(touchCopy, id, [life(lifeMs), seen ?? "", until]);
      return answer.ok ? { ok: true, value: answer.value === 1 } : answer;
    },
    drop: (id) => withoutBudget(() => door.call("session.drop", (redis) => redis.del(keysOf(id)), options)),
    settle: (id, version) => write<number>(settleCopy, id, [version]),
    shorten: (id, lifeMs, expires) => write<number>(shortenCopy, id, [life(lifeMs), expiryText(expires)]),
  };
}
