/** What the other servers have in a shared set, as far as is known here. */
export interface View {
  has(member: string): boolean;
  /** Member and profile of each; a member that two servers have comes twice. */
  entries(): Iterable<[member: string, profile: string]>;
  servers(): string[];
  revOf(server: string): string | undefined;
  /** A server's change after the one that is known; false: something was missed, and the server must be read. */
  follow(server: string, rev: string, came: readonly string[], went: readonly string[]): boolean;
  /**
   * All that the server has, as member, profile, member, profile… True when that is news. Of a profile that has been lost, what
   * was known counts; whose was not known is not there yet.
   */
  learn(server: string, rev: string, flat: readonly string[]): boolean;
  /** True when it had anybody. */
  drop(server: string): boolean;
  membersOf(server: string): ReadonlyMap<string, string>;
}

const nobody: ReadonlyMap<string, string> = new Map();

export function pairs(flat: readonly string[]): [string, string][] {
  const list: [string, string][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) list.push([flat[i] ?? "", flat[i + 1] ?? ""]);
  return list;
}

function same(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  if (a.size !== b.size) return false;
  for (const [member, profile] of a) if (b.get(member) !== profile) return false;
  return true;
}

export function createView(profiled: boolean): View {
  const known = new Map<string, { rev: string; members: Map<string, string> }>();

  function profileOf(member: string): string | undefined {
    for (const { members } of known.values()) if (members.has(member)) return members.get(member);
    return undefined;
  }

  return {
    has(member) {
      for (const { members } of known.values()) if (members.has(member)) return true;
      return false;
    },
    *entries() {
      for (const { members } of known.values()) yield* members;
    },
    servers: () => [...known.keys()],
    revOf: (server) => known.get(server)?.rev,
    follow(server, rev, came, went) {
      let one = known.get(server);
      if (one?.rev === rev) return true;
      if (Number(one?.rev ?? 0) !== Number(rev) - 1) return false;
      if (!one) {
        one = { rev, members: new Map() };
        known.set(server, one);
      }
      one.rev = rev;
      for (const [member, profile] of pairs(came)) one.members.set(member, profile);
      for (const member of went) one.members.delete(member);
      return true;
    },
    learn(server, rev, flat) {
      const members = new Map<string, string>();
      for (const [member, profile] of pairs(flat)) {
        const last = profile || !profiled ? profile : profileOf(member);
        if (last !== undefined) members.set(member, last);
      }
      const news = !same(known.get(server)?.members ?? nobody, members);
      known.set(server, { rev, members });
      return news;
    },
    drop(server) {
      const one = known.get(server);
      known.delete(server);
      return one !== undefined && one.members.size > 0;
    },
    membersOf: (server) => known.get(server)?.members ?? nobody,
  };
}
