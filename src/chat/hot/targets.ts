import { withBudget } from "../../kernel/budget.ts";
import { mayRead } from "../services/access.ts";
import type { Channels } from "../services/types.ts";
import type { ChatAnswers } from "./answers.ts";
import type { HotTarget } from "./handler.ts";

// No other id is ever made; whatever else stands there is for the long way to judge.
const history = /^\/api\/channels\/([a-z0-9-]{1,200})\/messages$/;

/** What is answered ahead of everything else, by its URL. */
export function createTargets(
  { users, channels, histories }: ChatAnswers,
  { byId }: Pick<Channels, "byId">,
): (url: string) => HotTarget | undefined {
  const lists = new Map<string, HotTarget>([
    ["/api/users", { route: "/api/users", read: () => users.read("") }],
    ["/api/channels", { route: "/api/channels", read: () => channels.read("") }],
  ]);

  const historyOf = (room: string): HotTarget => ({
    route: "/api/channels/:id/messages",
    read: ({ nickname, role }) =>
      withBudget(async () => {
        const channel = await byId(room);
        return channel && mayRead(channel, role) ? histories.read(room, nickname) : undefined;
      }),
  });

  return (url) => {
    const list = lists.get(url);
    if (list) return list;
    const room = history.exec(url)?.[1];
    return room === undefined ? undefined : historyOf(room);
  };
}
