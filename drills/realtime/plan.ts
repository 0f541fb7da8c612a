import type { Group } from "../../test/support/group.ts";
import type { RedisServer } from "../../test/support/redis-server.ts";

/** Who is there, and who of them takes newcomers. */
export interface Scene {
  readonly redis: RedisServer;
  readonly group: Group;
  /** The balancer sends nobody there any more, or again. */
  open(index: number, open: boolean): void;
}

export interface Phase {
  readonly name: string;
  /** Messages between instances must come over Redis. */
  readonly healthy?: true;
  /** The instance that dies: the connections to it break, and what was under way on them is in doubt. */
  readonly breaks?: number;
  /** The instance whose people are sent away in good order: whatever they said until then is heard. */
  readonly drains?: number;
  begin?(scene: Scene): unknown;
  end?(scene: Scene): unknown;
}

export const healthy: Phase = { name: "well", healthy: true };
const killed: Phase = { name: "Redis killed", begin: ({ redis }) => redis.kill(), end: ({ redis }) => redis.start() };
const frozen: Phase = {
  name: "Redis frozen",
  begin: ({ redis }) => redis.freeze(),
  end: ({ redis }) => redis.thaw(),
};

async function back({ group, open }: Scene, index: number): Promise<void> {
  await group.replace(index);
  open(index, true);
}

const crashed: Phase = {
  name: "an instance killed -9",
  breaks: 1,
  async begin({ group, open }) {
    await group.at(1).kill();
    open(1, false);
  },
  end: (scene) => back(scene, 1),
};

export const drained = (index: number, name: string): Phase => ({
  name,
  drains: index,
  async begin({ group, open }) {
    open(index, false);
    await group.at(index).stop();
  },
  end: (scene) => back(scene, index),
});

export const wholePlan: readonly Phase[] = [
  healthy,
  killed,
  healthy,
  frozen,
  healthy,
  crashed,
  killed,
  drained(2, "an instance drained"),
  frozen,
  healthy,
];

/** A rolling restart of these. */
export const rollingPlan = (instances: readonly number[]): readonly Phase[] => [
  healthy,
  ...instances.map((index) => drained(index, `instance ${index + 1} restarted`)),
  healthy,
];
