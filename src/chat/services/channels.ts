import { randomBytes } from "node:crypto";
import type { Model } from "mongoose";
import { duplicateKey } from "../../mongo/errors.ts";
import { type ChannelCache, listedIn, toListed } from "../caches/channels.ts";
import type { ChannelRecord } from "../models/channel.ts";
import { refuse } from "./errors.ts";
import { toChannel, toChannelAccess } from "./records.ts";
import { isChannel } from "./stored.ts";
import type { Channel, ChannelAccess, Channels } from "./types.ts";

const fields = { id: 1, name: 1, type: 1, description: 1, createdBy: 1, position: 1 } as const;
const listed = { ...fields, createdAt: 1 } as const;
const withAccess = { ...fields, permissions: 1, locked: 1 } as const;

function slugOf(name: string): string {
  const slug = name
    .toLowerCase()
    .replace(/\s+/g, "-")
    .replace(/[^a-z0-9-]/g, "")
    .replace(/-+/g, "-")
    .replace(/^-|-$/g, "");
  return slug || `channel-${randomBytes(4).toString("hex")}`;
}

const withoutAccess = ({ adminsOnly: _, ...channel }: ChannelAccess): Channel => channel;

export function createChannels(channels: Model<ChannelRecord>, cache?: ChannelCache): Channels {
  /** The lowest free one of slug, slug-1, slug-2 …, from one query. */
  async function freeId(slug: string): Promise<string> {
    const pattern = new RegExp(`^${slug}(-\\d+)?$`);
    const taken = new Set((await channels.find({ id: pattern }, { id: 1 }).lean()).map((channel) => channel.id));
    if (!taken.has(slug)) return slug;
    for (let n = 1; ; n++) if (!taken.has(`${slug}-${n}`)) return `${slug}-${n}`;
  }

  async function nextPosition(): Promise<number> {
    const counted = { position: { $gte: 0, $lte: Number.MAX_SAFE_INTEGER } };
    const last = await channels.findOne(counted, { position: 1 }).sort({ position: -1 }).lean();
    return (last?.position ?? -1) + 1;
  }

  return {
    async list(told) {
      if (cache) {
        const { entries, from } = await cache.read("");
        told?.(from);
        return entries.map(({ channel }) => withoutAccess(channel));
      }
      told?.("bypass");
      const all = await channels.find({}, listed).sort({ position: 1, createdAt: 1, _id: 1 }).lean<ChannelRecord[]>();
      return listedIn(all).map(({ channel }) => withoutAccess(channel));
    },
    async byId(id) {
      // Who may enter is asked where it is decided: the list in Redis knows nothing of revocations.
      const channel = await channels.findOne({ id: { $eq: id } }, withAccess).lean<ChannelRecord>();
      // MongoDB looks into a list for it, too.
      return channel && isChannel(channel) ? toChannelAccess(channel) : null;
    },
    async accessOf(ids) {
      const found = await channels.find({ id: { $in: [...ids] } }, withAccess).lean<ChannelRecord[]>();
      return found.filter(isChannel).map(toChannelAccess);
    },
    async create({ name, type, description, createdBy }) {
      const slug = slugOf(name);
      for (let attempt = 0; attempt < 20; attempt++) {
        const id = await freeId(slug);
        try {
          const fields = { id, name, type, ...(description ? { description } : {}), createdBy };
          const make = async () => {
            const made = (await channels.create({ ...fields, position: await nextPosition() })).toObject();
            return { result: toChannel(made), entries: [toListed(made)] };
          };
          return cache ? await cache.write("", make) : (await make()).result;
        } catch (error) {
          if (!duplicateKey(error)) throw error;
        }
      }
      throw refuse.duplicate(`Channel '${slug}' is being created by others; try again`, "CHANNEL_BUSY");
    },
  };
}
