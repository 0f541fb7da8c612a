import { withoutBudget } from "../../kernel/budget.ts";
import type { RedisDoor, Subscription } from "../types.ts";

type RawListener = (message: Buffer, channel: Buffer) => void;

/** What `@socket.io/redis-adapter` uses of a node-redis client. None of it rejects or throws because Redis is out. */
export interface AdapterClient {
  publish(channel: string, message: string | Buffer): Promise<number>;
  /** The adapter knows node-redis by this method and calls it only when it is the sharded one. */
  sSubscribe(): Promise<void>;
  sendCommand(words: string[]): Promise<unknown>;
  pSubscribe(patterns: string | string[], listener: RawListener, buffers?: boolean): Promise<void>;
  subscribe(channels: string | string[], listener: RawListener, buffers?: boolean): Promise<void>;
  pUnsubscribe(patterns: string | string[], listener?: RawListener, buffers?: boolean): Promise<void>;
  unsubscribe(channels: string | string[], listener?: RawListener, buffers?: boolean): Promise<void>;
  on(name: string, listener: unknown): AdapterClient;
  off(name: string, listener: unknown): AdapterClient;
  listenerCount(name: string): number;
  /** False while the connection that hears the other instances is lost. */
  readonly live: boolean;
}

interface Listening {
  kind: "channel" | "pattern";
  name: string;
  listener: RawListener;
  subscription: Subscription;
}

const deadlineMs = 200;

const list = (names: string | string[]) => (Array.isArray(names) ? names : [names]);

/**
 * One client for both of the adapter's roles, over whichever topology the door has.
 *
 *     const client = adapterClient(door);
 *     new Server(http, { adapter: createAdapter(client, client) });
 */
export function adapterClient(door: RedisDoor): AdapterClient {
  const listening = new Set<Listening>();

  async function listen(kind: Listening["kind"], names: string | string[], listener: RawListener): Promise<void> {
    for (const name of list(names)) {
      const target = kind === "channel" ? { channel: name } : { pattern: name };
      const subscription = door.listen(target, (message, channel) => listener(message, Buffer.from(channel)));
      listening.add({ kind, name, listener, subscription });
    }
  }

  async function leave(kind: Listening["kind"], names: string | string[], listener?: RawListener): Promise<void> {
    const wanted = list(names);
    for (const one of [...listening]) {
      if (one.kind !== kind || !wanted.includes(one.name) || (listener && one.listener !== listener)) continue;
      listening.delete(one);
      await one.subscription.close();
    }
  }

  /** How many instances listen; Redis out means that only this one is heard, and a late answer that nobody knows. */
  async function subscribers(channel: string): Promise<[string, number]> {
    const ask = () => door.call("adapter.numsub", async (redis) => redis.pubSubNumSub(channel), { deadlineMs });
    const answer = await withoutBudget(ask);
    if (!answer.ok) return [channel, answer.reason === "deadline" ? 2 : 1];
    return [channel, Math.max(1, Number(answer.value[channel] ?? 0))];
  }

  const client: AdapterClient = {
    async publish(channel, message) {
      // Nobody waits for it, so it goes out however long the request has waited for Redis already.
      const send = () => door.call("adapter.publish", (redis) => redis.publish(channel, message));
      const answer = await withoutBudget(send);
      return answer.ok ? answer.value : 0;
    },
    sSubscribe: async () => {},
    async sendCommand([name = "", part = "", channel = ""]) {
      if (name === "PUBSUB" && part === "NUMSUB") return subscribers(channel);
      throw new Error(`the adapter's client does not know the command ${name} ${part}`);
    },
    pSubscribe: (patterns, listener) => listen("pattern", patterns, listener),
    subscribe: (channels, listener) => listen("channel", channels, listener),
    pUnsubscribe: (patterns, listener) => leave("pattern", patterns, listener),
    unsubscribe: (channels, listener) => leave("channel", channels, listener),
    // Errors are the door's business; none reaches the adapter.
    on: () => client,
    off: () => client,
    listenerCount: () => 2,
    get live() {
      return listening.size > 0 && [...listening].every(({ subscription }) => subscription.live);
    },
  };
  return client;
}
