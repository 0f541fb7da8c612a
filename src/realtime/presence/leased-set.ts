import { createCalls } from "./calls.ts";
import { createNeighbours } from "./neighbours.ts";
import { createPending } from "./pending.ts";
import { score as marks } from "./scripts.ts";
import { createTurns } from "./turns.ts";
import type { LeasedSet, Link, SetOptions } from "./types.ts";

const chunk = 1_000;

export function createLeasedSet(base: string, link: Link, options: SetOptions): LeasedSet {
  const { me, channel, times, run } = link;
  const calls = createCalls({ base, me, channel, ttlSeconds: options.ttlSeconds, leaseMs: times.leaseMs, run });
  const neighbours = createNeighbours(calls, link, options);
  const { view } = neighbours;
  const pending = createPending({ guess: options.guess, certain: link.certain, othersHave: view.has });
  /** Of our last change that Redis has answered for. */
  let rev = 0;
  /** Redis may not have what we have, and must be told all of it. */
  let stale = false;
  let wasReaped = false;
  let beatDue = true;
  let seen = false;
  let impatient = false;
  let ended = false;
  let onEnd: (() => void) | undefined;

  async function push(): Promise<boolean> {
    const flags = await calls.change(rev + 1, "next", pending.take(chunk));
    if (flags === undefined) return false;
    if (flags === "assert") stale = true;
    else {
      rev += 1;
      pending.acknowledge(flags);
    }
    return true;
  }

  /** What is here is there afterwards, and nothing else of ours. */
  async function assert(): Promise<boolean> {
    const before = await calls.comeBack();
    if (!before) return false;
    wasReaped ||= before.score !== "" && Number(before.score) <= marks.reaping;
    const lost = !wasReaped && before.rev !== String(rev);
    // Others may not have said yet whom they have, so whoever left during the outage stays until they have.
    const plan = pending.plan(before.had, wasReaped, link.upSince() + times.leaseMs);
    const first = new Set<string>();
    for (let from = 0; from === 0 || from < plan.length; from += chunk) {
      const part = plan.slice(from, from + chunk);
      const flags = await calls.change(rev + 1, from + chunk < plan.length ? "some" : "force", part);
      if (flags === undefined) return false;
      for (const [at, [member, { add }]] of part.entries()) if (add && flags[at] === "1") first.add(member);
    }
    rev += 1;
    const returned = pending.asserted(plan, first, wasReaped);
    stale = wasReaped = false;
    beatDue = true;
    link.tally.asserted += 1;
    if (first.size > 0) options.onMended?.([...first]);
    if (returned.length > 0) options.onReturned?.(returned);
    return !lost || neighbours.restore();
  }

  async function look(): Promise<boolean> {
    const sight = await calls.beat();
    if (!sight) return false;
    beatDue = false;
    seen = true;
    const expected = rev === 0 ? "" : String(rev);
    stale ||= sight.rev !== expected || sight.mine !== pending.held || sight.all < sight.mine;
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
    rev = 0;
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
