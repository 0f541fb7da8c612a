import type { Document } from "mongodb";
import type { Model } from "mongoose";
import type { Declaration } from "../../cache/declaration.ts";
import type { Element, Shape } from "../../cache/shapes/shape.ts";
import type { ByIds, Cache } from "../../cache/types.ts";
import type { ChannelRecord } from "../models/channel.ts";
import { toChannelAccess } from "../services/records.ts";
import { isChannel, numberOf, timeOf } from "../services/stored.ts";
import type { ChannelAccess } from "../services/types.ts";
import { byNumber, byText } from "./order.ts";

/** A channel, and what decides its place among the others. */
export interface ListedChannel {
  readonly channel: ChannelAccess;
  readonly position: number | null;
  readonly createdAt: number | null;
  readonly _id: string;
}

export type ChannelCache = Cache<ListedChannel, ByIds>;

const fields = {
  id: 1,
  name: 1,
  type: 1,
  description: 1,
  createdBy: 1,
  position: 1,
  createdAt: 1,
  permissions: 1,
  locked: 1,
} as const;

export function toListed(record: ChannelRecord): ListedChannel {
  return {
    channel: toChannelAccess(record),
    position: numberOf(record.position) ?? null,
    createdAt: timeOf(record.createdAt)?.getTime() ?? null,
    _id: String(record._id),
  };
}

function inOrder(a: ListedChannel, b: ListedChannel): number {
  return byNumber(a.position, b.position) || byNumber(a.createdAt, b.createdAt) || byText(a._id, b._id);
}

/** Those of them that are channels, in the order of what can be read of them, which MongoDB may see otherwise. */
export const listedIn = (found: readonly ChannelRecord[]): ListedChannel[] =>
  found.filter(isChannel).map(toListed).sort(inOrder);

function element({ channel, position, createdAt, _id }: ListedChannel): Element {
  // Nobody but a bypassing writer changes a channel, so there is but one version.
  return { id: channel.id, text: JSON.stringify({ ...channel, place: position, createdAt, _id, rev: 0 }) };
}

function entry({ text }: Element): ListedChannel {
  const { place, createdAt, _id, rev: _, ...channel } = JSON.parse(text);
  return { channel, position: place, createdAt, _id };
}

const drop = (why: string) => ({ key: "", drop: why });

interface Options {
  channels: Model<ChannelRecord>;
  shape: Shape<ByIds>;
  ttlSeconds: number;
}

/** `cache:channels:list`: every channel, who may use it included. */
export function channelDeclaration({ channels, shape, ttlSeconds }: Options): Declaration<ListedChannel, ByIds> {
  return {
    name: "channels",
    shape,
    key: () => "cache:channels:list",
    ttlSeconds,
    freshness: { class: "own-writes" },
    async load() {
      const all = await channels
        .find({}, fields)
        .sort({ position: 1, createdAt: 1, _id: 1 })
        .readConcern("majority")
        .lean<ChannelRecord[]>();
      return listedIn(all);
    },
    id: ({ channel }) => channel.id,
    element,
    entry,
    version: () => 0,
    compare: inOrder,
    follow: {
      collection: "channels",
      read(change) {
        if (change.operationType !== "insert") return drop("a channel was changed past this server");
        const made = change.fullDocument as Document & ChannelRecord;
        return { key: "", entries: listedIn([made]) };
      },
    },
  };
}
