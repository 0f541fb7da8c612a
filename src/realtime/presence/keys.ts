/**
 * A set that several servers share: the set itself, what each server put into it, the servers with their leases, the
 * number of each server's last change, and what is known of the members. Redis may evict any of these keys: no question is
 * answered by one of them alone.
 *
 * Score of a server: the time its lease ends; 1 it is leaving; 2 it is being reaped; negative: it was reaped then.
 */
export interface SetKeys {
  readonly shared: string;
  readonly servers: string;
  readonly revs: string;
  readonly profiles: string;
  /** Of what each server has, and of its last call. */
  readonly owns: string;
  readonly lasts: string;
  own(server: string): string;
  last(server: string): string;
}

export function keysOf(base: string): SetKeys {
  const owns = `{${base}}:srv:`;
  const lasts = `{${base}}:last:`;
  return {
    shared: base,
    servers: `{${base}}:servers`,
    revs: `{${base}}:revs`,
    profiles: `{${base}}:profiles`,
    owns,
    lasts,
    own: (server) => owns + server,
    last: (server) => lasts + server,
  };
}

export const score = { leaving: 1, reaping: 2 } as const;
