import { type Call, createCalls } from "./calls.ts";
import { score as marks } from "./keys.ts";
import { createNeighbours } from "./neighbours.ts";
import { type Change, createPending } from "./pending.ts";
import { createTurns } from "./turns.ts";
import type { LeasedSet, Link, SetOptions } from "./types.ts";

const chunk = 1_000;

export function createLeasedSet(base: string, link: Link, options: SetOptions): LeasedSet {
  const { me, channel, times, run } = link;
  const { ttlSeconds, profiled } = options;
  const calls = createCalls({ base, me, channel, ttlSeconds, leaseMs: times.leaseMs, profiled, run });
  const neighbours = createNeighbours(calls, link, options);
  const { view } = neighbours;
  const pending = createPending({
    guess: options.guess,
    certain: link.certain,
    othersHave: view.has,
    longestMs: times.beatMs,
  });
  /** Of our last change that Redis has answered for. */
  let rev = 0;
  /** Redis may not have what we have, and must be told all of it. */
  let stale = false;
  /** How often Redis has been lost and come back. */
  let returns = 0;
  let wasReaped = false;
  /** Found by an assertion, which may need several attempts, to have been in the set of nobody. */
  const first = new Set<string>();
  let epoch = 0;
  let serial = 0;
  let unanswered: Call | undefined;
  let beatDue = true;
  let seen = false;
  let impatient = false;
  let ended = false;
  let onEnd: (() => void) | undefined;

  /** Sent, and sent again as it is, until it is answered; undefined: not answered. */
  async function send(mode: Call["mode"], changes: readonly Change[]): Promise<string | undefined> {
    if (unanswered?.mode !== "next" || mode !== "next")
      unanswered = { token: ++serial, epoch, rev: rev + 1, mode, changes };
    const flags = await calls.change(unanswered);
    if (flags === "assert") stale = true;
    else if (flags !== undefined) unanswered = undefined;
    return flags;
  }

  async function push(): Promise<boolean> {
    const flags = await send("next", pending.take(chunk));
    if (flags === undefined) return false;
    if (flags === "assert") return true;
    acknowledge(flags);
    return true;
  }

  function acknowledge(flags: string): void {
    if (pending.acknowledge(flags)) rev += 1;
  }

  /** The call whose answer was lost was done, and this is the answer. */
  function late({ mode, changes }: Call, flags: string): void {
    unanswered = undefined;
    if (mode === "force") rev += 1;
    if (mode === "next") acknowledge(flags);
    else noteFirst(changes, flags);
  }

  function noteFirst(changes: readonly Change[], flags: string): void {
    for (const [at, [member, { add }]] of changes.entries()) if (add && flags[at] === "1") first.add(member);
  }

  /** What is here is there afterwards, and nothing else of ours. */
  async function assert(): Promise<boolean> {
    const nextEpoch = ++serial;
    const since = returns;
    const before = await calls.comeBack(nextEpoch);
    if (!before) return false;
    epoch = nextEpoch;
    if (unanswered && before.token === String(unanswered.token)) late(unanswered, before.flags);
    unanswered = undefined;
    wasReaped ||= before.score !== "" && Number(before.score) <= marks.reaping;
    const lost = !wasReaped && before.rev !== (rev === 0 ? "" : String(rev));
    // First of all, so that who is the first to have somebody is told by data that are right.
    if (lost && !(await neighbours.restore())) return false;
    // Others may not have said yet whom they have, so whoever left during the outage stays until they have.
    const plan = pending.plan(before.had, wasReaped, link.upSince() + times.leaseMs);
    for (let from = 0; from === 0 || from < plan.length; from += chunk) {
      const part = plan.slice(from, from + chunk);
      const flags = await send(from + chunk < plan.length ? "some" : "force", part);
      if (flags === undefined || flags === "assert") return false;
      noteFirst(part, flags);
    }
    rev += 1;
    const returned = pending.asserted(plan, first, wasReaped);
    const mended = [...first];
    // Should Redis have been away meanwhile, whoever came then is not in the plan.
    stale = returns !== since;
    wasReaped = false;
    first.clear();
    beatDue = true;
    link.tally.asserted += 1;
    if (mended.length > 0) options.onMended?.(mended);
    if (returned.length > 0) options.onReturned?.(returned);
    return true;
  }

  async function look(): Promise<boolean> {
    const sight = await calls.beat();
    if (!sight) return false;
    beatDue = false;
    seen = true;
    const expected = rev === 0 ? "" : String(rev);
    stale ||= sight.rev !== expected || sight.mine !== pending.held || !sight.whole;
    neighbours.see(sight, !stale, impatient);
    return true;
  }

  function finish(): void {
    if (!onEnd || !pending.over) return;
    ended = true;
    onEnd();
  }

  async function end(): Promise<boolean> {
    if (!(await calls.part())) return false;
    rev = epoch = 0;
    beatDue = true;
    seen = false;
    finish();
    return true;
  }

  const turns = createTurns({
    step() {
      if (!link.up() || ended) return undefined;
      if (stale) return assert();
      if (pending.due()) return push();
      if (onEnd && pending.over) return rev > 0 ? end() : void finish();
      if (beatDue) return look();
      return neighbours.step();
    },
    onFailed: () => pending.withoutRedis(!link.up()),
  });

  function kick(member?: string): void {
    if (link.up()) {
      turns.kick();
      return;
    }
    if (member !== undefined) pending.withoutRedis(true, member);
    if (!link.shared) finish();
  }

  return {
    add(member, profile = "") {
      const answer = pending.add(member, profile);
      kick(member);
      return answer;
    },
    remove(member, gone) {
      pending.remove(member, gone);
      kick(member);
    },
    others: view.entries,
    othersHave: view.has,
    async ready() {
      if (link.up() && (!seen || neighbours.unread)) await turns.idle();
    },
    get neighbours() {
      return neighbours.alive();
    },
    beat() {
      beatDue = true;
      kick();
    },
    hear(server, theirs, came, went) {
      neighbours.hear(server, theirs, came, went);
      if (neighbours.unread) kick();
    },
    recover() {
      stale = true;
      returns += 1;
      neighbours.wait();
      kick();
    },
    lose: () => pending.withoutRedis(true),
    retire(then) {
      onEnd = then;
      kick();
    },
    keep() {
      onEnd = undefined;
    },
    leave: calls.leave,
    async settle(now = false) {
      impatient = now;
      beatDue = true;
      if (link.up()) await turns.idle();
    },
  };
}
