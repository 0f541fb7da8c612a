import { createBackoff } from "../kernel/backoff.ts";
import type { Deadlines } from "../kernel/deadline.ts";
import type { Log } from "../kernel/log.ts";
import { pause } from "../kernel/pause.ts";
import type { Client, Connection } from "./connection.ts";
import { describeLoss, LinkError, traceOf } from "./failure.ts";
import type { Attempt, MessageListener, Subscription } from "./types.ts";

export type Target = { channel: string } | { pattern: string };

/** Keeps subscriptions over every connection that comes and goes. */
export interface Subscriber {
  listen(target: Target, listener: MessageListener): Subscription;
  /** Subscribes everything over a first connection, and over further ones when that is lost, until `signal`. */
  attach(open: () => Promise<Connection>, signal: AbortSignal): Promise<void>;
  /** Asks for a sign of life; no answer in time means a new connection. */
  beat(): void;
  readonly connected: boolean;
  /** Why not all messages arrive although Redis is there; undefined while they do. */
  readonly deaf: string | undefined;
}

interface Listening {
  readonly onMessage: MessageListener;
  readonly watchers: Set<(live: boolean) => void>;
}

interface Topic {
  readonly target: Target;
  readonly listening: Set<Listening>;
  readonly onMessage: (message: Buffer, channel: Buffer) => void;
  live: boolean;
  /** Why the server does not let us listen, if it does not. */
  refused: string | undefined;
}

interface SubscriberOptions {
  deadlines: Deadlines;
  patienceMs: number;
  backoffMaxMs: number;
  /** One for each attempt to connect again. */
  onAttempt(attempt: Attempt): void;
  log: Log;
}

const keyOf = (target: Target) => ("channel" in target ? `channel ${target.channel}` : `pattern ${target.pattern}`);

function subscribe(client: Client, { target, onMessage }: Topic): Promise<void> {
  return "channel" in target
    ? client.subscribe(target.channel, onMessage, true)
    : client.pSubscribe(target.pattern, onMessage, true);
}

function unsubscribe(client: Client, { target, onMessage }: Topic): Promise<void> {
  return "channel" in target
    ? client.unsubscribe(target.channel, onMessage, true)
    : client.pUnsubscribe(target.pattern, onMessage, true);
}

export function createSubscriber(options: SubscriberOptions): Subscriber {
  const { deadlines, patienceMs, backoffMaxMs, onAttempt, log } = options;
  const topics = new Map<string, Topic>();
  let current: { connection: Connection; end: (error: unknown) => void } | undefined;
  let asking = false;
  let lost: string | undefined;

  /** A listener that throws inside the client's decoder would take the connection with it. */
  function guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      log.error({ err: error }, "a listener for Redis messages threw");
    }
  }

  function setLive(topic: Topic, live: boolean): void {
    if (topic.live === live) return;
    topic.live = live;
    for (const { watchers } of topic.listening) for (const watcher of [...watchers]) guarded(() => watcher(live));
  }

  function createTopic(target: Target): Topic {
    const listening = new Set<Listening>();
    return {
      target,
      listening,
      live: false,
      refused: undefined,
      onMessage(message, channel) {
        const name = channel.toString();
        for (const one of [...listening]) guarded(() => one.onMessage(message, name));
      },
    };
  }

  /** One refused channel leaves its own topic dead; a lost connection rejects. */
  async function take(connection: Connection, topic: Topic): Promise<void> {
    try {
      await subscribe(connection.client, topic);
      if (connection !== current?.connection) return;
      topic.refused = undefined;
      setLive(topic, true);
    } catch (error) {
      if (connection !== current?.connection) throw error;
      const said = topic.refused;
      topic.refused = describeLoss(error);
      if (topic.refused === said) return;
      const fields = { topic: keyOf(topic.target), err: traceOf(error) };
      log.warn(fields, `Redis refuses a subscription (${topic.refused})`);
    }
  }

  /** Subscribed to everything; the promise inside settles when the connection has ended. */
  async function connect(open: () => Promise<Connection>, signal: AbortSignal): Promise<{ ended: Promise<unknown> }> {
    const connection = await open();
    const ended = new Promise<unknown>((resolve) => {
      const end = (error: unknown) => {
        if (current?.connection !== connection) return;
        current = undefined;
        signal.removeEventListener("abort", onAbort);
        connection.destroy();
        for (const topic of topics.values()) {
          topic.refused = undefined;
          setLive(topic, false);
        }
        resolve(error);
      };
      const onAbort = () => end(new LinkError("the connection was closed"));
      current = { connection, end };
      asking = false;
      signal.addEventListener("abort", onAbort, { once: true });
      connection.onLost(end);
      if (signal.aborted) onAbort();
    });
    try {
      const everything = Promise.all([...topics.values()].map((topic) => take(connection, topic)));
      await deadlines.within(patienceMs, everything, () => new LinkError("the server does not confirm subscriptions"));
    } catch (error) {
      if (current?.connection === connection) current.end(error);
      throw error;
    }
    return { ended };
  }

  /** One line in the log for each reason, and one when it is over. */
  function createLoss() {
    const said = new Set<string>();
    return {
      tell(error: unknown) {
        const why = describeLoss(error);
        const trace = traceOf(error);
        lost = why;
        if (!said.has(why))
          log.warn({ ...(trace && { err: trace }) }, `The connection for Redis messages is lost (${why})`);
        said.add(why);
      },
      end() {
        lost = undefined;
        said.clear();
        log.info({}, "The connection for Redis messages is back");
      },
    };
  }

  async function keep(first: Promise<unknown>, open: () => Promise<Connection>, signal: AbortSignal): Promise<void> {
    const backoff = createBackoff({ maxMs: backoffMaxMs });
    const loss = createLoss();
    let ended: Promise<unknown> = first;
    while (true) {
      const error = await ended;
      await pause(backoff.next(), signal);
      // When everything is lost, the door says so itself.
      if (signal.aborted) break;
      loss.tell(error);
      try {
        ended = (await connect(open, signal)).ended;
        backoff.reset();
        loss.end();
        onAttempt({ ok: true, reason: "" });
      } catch (error) {
        ended = Promise.resolve(error);
        if (!signal.aborted) onAttempt({ ok: false, reason: describeLoss(error) });
      }
    }
    lost = undefined;
  }

  return {
    get connected() {
      return current !== undefined;
    },
    get deaf() {
      return lost ?? [...topics.values()].find(({ refused }) => refused !== undefined)?.refused;
    },
    listen(target, onMessage) {
      const key = keyOf(target);
      const known = topics.get(key);
      const topic = known ?? createTopic(target);
      const own: Listening = { onMessage, watchers: new Set() };
      topic.listening.add(own);
      if (!known) {
        topics.set(key, topic);
        if (current) take(current.connection, topic).catch(() => {});
      }
      return {
        get live() {
          return topic.live && topic.listening.has(own);
        },
        onLive(watcher) {
          own.watchers.add(watcher);
          return () => void own.watchers.delete(watcher);
        },
        async close() {
          topic.listening.delete(own);
          if (topic.listening.size > 0 || topics.get(key) !== topic) return;
          topics.delete(key);
          await (current && unsubscribe(current.connection.client, topic).catch(() => {}));
        },
      };
    },
    async attach(open, signal) {
      const { ended } = await connect(open, signal);
      void keep(ended, open, signal);
    },
    beat() {
      if (!current || asking) return;
      const { connection, end } = current;
      asking = true;
      const answer = deadlines.within(patienceMs, connection.client.time(), () => new LinkError("no sign of life"));
      answer.then(
        () => {
          if (current?.connection !== connection) return;
          asking = false;
          // Redis may have been told meanwhile that we may listen; it closes no connection for that.
          for (const topic of topics.values()) if (topic.refused !== undefined) take(connection, topic).catch(() => {});
        },
        (error: unknown) => end(error),
      );
    },
  };
}
