import type { Calls, Sight } from "./calls.ts";
import { score as marks } from "./keys.ts";
import { createLeases } from "./leases.ts";
import type { Link, SetOptions } from "./types.ts";
import { createView, pairs, type View } from "./view.ts";

/** The other servers of a shared set: what they have, and whether they live. */
export interface Neighbours {
  readonly view: View;
  alive(): string[];
  /** What a beat showed. `whole`: our own was as it should be, so what is missing is gone and not lost. */
  see(sight: Sight, whole: boolean, impatient: boolean): void;
  hear(server: string, rev: string, came?: readonly string[], went?: readonly string[]): void;
  /** Everybody gets one more lease. */
  wait(): void;
  /** True while somebody must be read before it is known what they have. */
  readonly unread: boolean;
  /** The next thing to do about them, if any; false: it could not be done. */
  step(): Promise<boolean> | undefined;
  /** What they had before the data was lost or became old: the living say so themselves, the dead must be found to be dead. */
  restore(): Promise<boolean>;
}

const chunk = 1_000;
const deadRemembered = 1_000;
const deadLookedAt = 20;

export function createNeighbours(calls: Calls, link: Link, options: SetOptions): Neighbours {
  const { me, times } = link;
  const view = createView(options.profiled);
  const leases = createLeases(times);
  /** When they were reaped, by Redis; should old data bring one back, nobody is told again. */
  const buried = new Map<string, number>();
  const unread = new Set<string>();
  /** The call to reap it was not answered, and may have been done: the score it was sent with. */
  const unanswered = new Map<string, number>();
  let attempt = 0;
  let dead: string[] = [];
  let now = 0;
  let lookedAt = 0;

  const changed = () => options.onChanged?.();

  function bury(server: string, at: number): void {
    buried.set(server, at);
    if (buried.size > deadRemembered) for (const oldest of [...buried.keys()].slice(0, 1)) buried.delete(oldest);
    leases.forget(server);
    unread.delete(server);
    const had = [...view.membersOf(server)];
    if (!view.drop(server)) return;
    changed();
    options.onVanished?.(had.map(([member, profile]) => ({ member, profile })));
  }

  async function read(server: string): Promise<boolean> {
    // What is published during the call may be newer than its answer.
    unread.delete(server);
    const found = await calls.read(server);
    if (!found) unread.add(server);
    // Without a number there is nothing of it in Redis any more: what was known is what it is restored from.
    else if (found.rev !== "" && view.learn(server, found.rev, found.members)) changed();
    return found !== undefined;
  }

  async function reap(server: string): Promise<boolean> {
    const again = buried.has(server);
    const known = [...view.membersOf(server)];
    let score = unanswered.get(server) ?? leases.get(server)?.score;
    for (let from = 0; score !== undefined; from += chunk) {
      unanswered.set(server, score);
      const part = known.slice(from, from + chunk);
      const reaped = await calls.reap(server, score, attempt, part, from + chunk < known.length);
      if (!reaped) return false;
      attempt += 1;
      unanswered.delete(server);
      if (reaped.state === "later") return true;
      const gone = pairs(reaped.gone).map(([member, profile]) => ({ member, profile }));
      // Nobody can be told of who has lost their name.
      const named = gone.filter(({ profile }) => profile !== "" || !options.profiled);
      if (gone.length > 0 && again) options.onMended?.(gone.map(({ member }) => member));
      if (named.length > 0 && !again) options.onReaped?.(named);
      score = marks.reaping;
      if (reaped.state === "more") continue;
      link.tally.reaped += 1;
      bury(server, now);
      return true;
    }
    return true;
  }

  return {
    view,
    // Of one that began after the last beat only its changes were heard.
    alive: () => [...leases.alive(), ...view.servers().filter((server) => !leases.get(server))],
    see(sight, whole, impatient) {
      now = sight.now;
      // Whoever has slept, maybe with the whole machine, gives the others the time to say that they live.
      if (performance.now() - lookedAt > 2 * times.beatMs) leases.restart();
      lookedAt = performance.now();
      for (const { server, score, rev } of sight.others) {
        if (score < 0) {
          bury(server, -score);
          continue;
        }
        leases.see(server, score);
        if (score > (buried.get(server) ?? Number.POSITIVE_INFINITY)) buried.delete(server);
        if (rev !== "" && rev !== view.revOf(server)) unread.add(server);
      }
      const present = new Set(sight.others.map(({ server }) => server));
      for (const server of leases.servers()) if (!present.has(server)) leases.forget(server);
      if (whole) for (const server of view.servers()) if (!present.has(server) && view.drop(server)) changed();
      const patient = performance.now() - link.upSince() < times.leaseMs;
      dead = [...(patient ? [] : leases.dead(now)), ...(impatient ? leases.leaving() : [])];
    },
    hear(server, rev, came, went) {
      if (server === me) return;
      if (rev === "dead") return bury(server, now);
      if (rev === "part") return view.drop(server) ? changed() : undefined;
      if (came && went && view.follow(server, rev, came, went)) return changed();
      unread.add(server);
    },
    wait: leases.restart,
    get unread() {
      return unread.size > 0;
    },
    step() {
      for (const server of unanswered.keys()) return reap(server);
      for (const server of unread) return read(server);
      const next = dead.shift();
      return next === undefined ? undefined : reap(next);
    },
    async restore() {
      const recentlyDead = [...buried.keys()].slice(-deadLookedAt);
      for (const server of new Set([...view.servers(), ...recentlyDead])) {
        const known = view.membersOf(server);
        const found = await calls.read(server);
        if (!found) return false;
        // Numbers only grow, so a smaller one is of older data.
        if (found.rev !== "" && !buried.has(server) && !(Number(found.rev) < Number(view.revOf(server)))) continue;
        const extra = pairs(found.members).filter(([member]) => !known.has(member));
        const changes = [...extra.map(([member]) => ["-", member, ""]), ...[...known].map((one) => ["+", ...one])];
        for (let from = 0; from < changes.length; from += chunk)
          if ((await calls.restore(server, found.rev, changes.slice(from, from + chunk))) === undefined) return false;
      }
      return true;
    },
  };
}
