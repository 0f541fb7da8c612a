import type { Theme } from "../metrics.ts";
import { gauge, sums } from "./series.ts";

/** What this instance knows of all. */
export interface PresenceFigures {
  online: number;
  instances: number;
  sets: number;
  /** It is shared with the others now; else it is what was known last. */
  shared: boolean;
  asserted: number;
  reaped: number;
}

export function presenceMetrics(figures: () => PresenceFigures): Theme {
  return (registry) => {
    gauge({
      registry,
      name: "chat_presence_online_users",
      help: "Users who are online on any instance, as this one knows it.",
      read: (made) => made.set(figures().online),
    });
    gauge({
      registry,
      name: "chat_presence_instances",
      help: "Instances that share presence, as this one knows it.",
      read: (made) => made.set(figures().instances),
    });
    gauge({
      registry,
      name: "chat_presence_shared",
      help: "1 while presence is shared over Redis; 0 while this instance goes by what it knew last.",
      read: (made) => made.set(Number(figures().shared)),
    });
    gauge({
      registry,
      name: "chat_presence_sets",
      help: "Sets of users that this instance has somebody in: one of all, one per room and per voice channel.",
      read: (made) => made.set(figures().sets),
    });
    sums({
      registry,
      name: "chat_presence_assertions_total",
      help: "Sets of which this instance has said everything again, because Redis did not have it.",
      read: () => [[{}, figures().asserted]],
    });
    sums({
      registry,
      name: "chat_presence_reaped_total",
      help: "Sets that this instance has taken the users of a dead instance out of.",
      read: () => [[{}, figures().reaped]],
    });
    return () => {};
  };
}
