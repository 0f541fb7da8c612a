import type { Topic } from "../../cache/bus-types.ts";
import type { DerivedCache } from "../../cache/derived.ts";
import type { CacheMemory } from "../../cache/memory.ts";
import { type Answer, makeAnswer } from "../../cache/wire.ts";
import type { ChatCaches } from "../caches/index.ts";
import type { ListedUser } from "../caches/users.ts";
import type { ChatServices, UserCard } from "../services/types.ts";
import { createHistories, type Histories, noHistories } from "./histories.ts";

/** The answers that are the same for everybody, or for most. */
export interface ChatAnswers {
  readonly users: DerivedCache<Answer>;
  readonly channels: DerivedCache<Answer>;
  readonly histories: Histories;
}

interface Options {
  services: Pick<ChatServices, "users" | "channels">;
  caches?: ChatCaches | undefined;
  memory?: CacheMemory | undefined;
  config: { HISTORY_LIMIT: number };
}

/** Where instances tell each other what has changed. */
export const updates = ["updates:users", "updates:channels", "updates:messages"] as const satisfies Topic[];

export const shownUser = ({ id, ...card }: UserCard) => ({ _id: id, ...card });

/** The body of a list of users; who is the same as in the list before is not written again. */
export function userLists(): (all: readonly ListedUser[]) => string {
  const known = new WeakMap<ListedUser, string>();
  function written(user: ListedUser): string {
    const text = known.get(user) ?? JSON.stringify(shownUser(user.card));
    known.set(user, text);
    return text;
  }
  return (all) => `[${all.map(written).join()}]`;
}

/** Made anew for each request. */
function plain(list: () => Promise<unknown[]>): DerivedCache<Answer> {
  return {
    async read() {
      const body = JSON.stringify(await list());
      return { value: await makeAnswer(body, { packFrom: Number.POSITIVE_INFINITY }), from: "bypass" };
    },
  };
}

export function createChatAnswers({ services, caches, memory, config }: Options): ChatAnswers {
  if (!caches || !memory)
    return {
      users: plain(async () => (await services.users.list()).map(shownUser)),
      channels: plain(() => services.channels.list()),
      histories: noHistories,
    };
  memory.share(caches.users, "updates:users");
  memory.share(caches.channels, "updates:channels");
  memory.share(caches.messages, "updates:messages");
  return {
    users: memory.answers(caches.users, userLists()),
    channels: memory.answers(caches.channels, (all) =>
      JSON.stringify(all.map(({ channel: { adminsOnly: _, ...channel } }) => channel)),
    ),
    histories: createHistories({ caches, memory, historyLimit: config.HISTORY_LIMIT }),
  };
}
