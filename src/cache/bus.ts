import { randomBytes } from "node:crypto";
import { withoutBudget } from "../kernel/budget.ts";
import { createEvents } from "../kernel/events.ts";
import type { RedisDoor } from "../redis/types.ts";
import { decode, encode, type Message } from "./bus-message.ts";
import { createPeers } from "./bus-peers.ts";
import type { BusEvents, CacheBus, MissedReason, News, Topic } from "./bus-types.ts";

export interface BusOptions {
  door: Pick<RedisDoor, "state" | "call" | "channel" | "subscribe">;
  /** The channels. */
  topics: readonly Topic[];
  /** Between two signs of life. */
  heartbeatMs?: number;
  /** Without a sign of life for so long, messages may be missing. */
  silenceMs?: number;
  /** Names this start of this process. */
  sender?: string;
}

/** What this instance says and hears of itself on one channel. */
interface Line {
  number: number;
  heardNumber: number;
  heard: number;
  readonly waiting: Map<string, News>;
}

/** More would make one message a burden to all who hear it. */
const mostNews = 500;
const never = Number.NEGATIVE_INFINITY;
const newLine = (): Line => ({ number: 0, heardNumber: -1, heard: never, waiting: new Map() });
const nameOfThisStart = () => randomBytes(6).toString("base64url");

/**
 * Who says something hears it, too: an instance whose own signs of life come back hears the others as well. When something
 * was missed, nothing is believed that was kept before.
 */
export function createBus({ door, topics, heartbeatMs = 300, silenceMs = 1_000, ...rest }: BusOptions): CacheBus {
  const { sender = nameOfThisStart() } = rest;
  const events = createEvents<BusEvents>();
  const now = () => performance.now();
  const peers = createPeers(now);
  const lines = new Map<Topic, Line>(topics.map((topic) => [topic, newLine()]));
  let well = false;
  /** Until when nobody can have become silent, by what was heard so far. */
  let trustedUntil = 0;
  let roundTripMs = 0;
  let sentAt = 0;
  let heardAt = now();

  const subscriptions = topics.map((topic) => door.subscribe(door.channel(topic), (text) => hear(topic, text)));
  const stopWatching = subscriptions.map((subscription) => subscription.onLive(() => judge()));

  function missed(reason: MissedReason, topic?: Topic): void {
    events.emit("missed", { reason, ...(topic && { topic }) });
  }

  function set(nowWell: boolean, reason: string, cause?: MissedReason): void {
    if (nowWell === well) return;
    well = nowWell;
    if (cause) missed(cause);
    events.emit("well", { well, reason });
  }

  function judge(): void {
    const at = now();
    peers.forget(at - silenceMs * 4);
    if (!subscriptions.every(({ live }) => live)) {
      // What was heard before the loss proves nothing of what comes after it.
      for (const line of lines.values()) line.heard = never;
      trustedUntil = never;
      set(false, "the subscription is lost", "subscription");
      return;
    }
    const mine = Math.min(...[...lines.values()].map(({ heard }) => heard));
    trustedUntil = Math.min(mine, peers.quietest()) + silenceMs;
    if (at < trustedUntil) set(true, "heard");
    else if (at < mine + silenceMs) set(false, "another instance is silent", "peer");
    else set(false, "no message comes back", "silence");
  }

  function hearMyself(topic: Topic, { number, kind }: Message): void {
    const line = lines.get(topic);
    if (!line) return;
    const expected = line.heardNumber + (kind === "news" ? 1 : 0);
    // The first time there is nothing to compare with.
    if (line.heardNumber >= 0 && number > expected) missed("gap", topic);
    line.heardNumber = Math.max(line.heardNumber, number);
    line.heard = now();
    if (kind !== "beat" || topic !== topics[0]) return;
    roundTripMs = line.heard - sentAt;
    heardAt = line.heard;
  }

  function hear(topic: Topic, text: string): void {
    const message = decode(text);
    if (!message) return;
    if (message.sender === sender) hearMyself(topic, message);
    else {
      const why = peers.note(topic, message);
      if (why) missed(why, topic);
      for (const news of message.news) events.emit("news", { ...news, topic, sender: message.sender });
    }
    judge();
  }

  async function send(topic: Topic, message: Message): Promise<void> {
    // Nobody hears it then; that a number is missing tells them afterwards.
    if (door.state !== "up" && door.state !== "degraded") return;
    await withoutBudget(() => door.call("bus.publish", (redis) => redis.publish(door.channel(topic), encode(message))));
  }

  function flush(topic: Topic): void {
    const line = lines.get(topic);
    if (!line) return;
    const all = [...line.waiting.values()];
    line.waiting.clear();
    for (let at = 0; at < all.length; at += mostNews) {
      line.number += 1;
      void send(topic, { sender, number: line.number, news: all.slice(at, at + mostNews), kind: "news" });
    }
  }

  async function beat(kind: "beat" | "bye"): Promise<void> {
    sentAt = now();
    await Promise.all([...lines].map(([topic, { number }]) => send(topic, { sender, number, news: [], kind })));
  }

  const beating = setInterval(() => {
    void beat("beat");
    // After the sockets have been read: who was busy for a second has not missed what is waiting there.
    setImmediate(judge);
  }, heartbeatMs);
  beating.unref();

  return {
    get well() {
      if (well && now() >= trustedUntil) judge();
      return well;
    },
    get lagMs() {
      return well ? roundTripMs : now() - heardAt;
    },
    get peers() {
      return peers.size;
    },
    events,
    publish(topic, news) {
      const waiting = lines.get(topic)?.waiting;
      if (!waiting) return;
      // What one turn of the process changed goes out as one message.
      if (waiting.size === 0) setImmediate(flush, topic);
      waiting.set(news.key, news);
    },
    async close() {
      clearInterval(beating);
      for (const topic of topics) flush(topic);
      await beat("bye");
      for (const stop of stopWatching) stop();
      await Promise.all(subscriptions.map((subscription) => subscription.close()));
      set(false, "closed", "subscription");
    },
  };
}
