import { type RequestHandler, Router } from "express";
import type { DerivedCache } from "../../cache/derived.ts";
import type { Answer } from "../../cache/wire.ts";
import { refuse } from "../services/errors.ts";
import type { Channels, Message, Messages, Role } from "../services/types.ts";
import { answerWith } from "./answer.ts";
import { cameFrom } from "./came-from.ts";
import type { Guard } from "./guard.ts";
import { oneOf, optional, queryNumber, readBody, textField } from "./validate.ts";

interface Options {
  guard: Guard;
  channels: Channels;
  /** All of them, as bytes. */
  list: DerivedCache<Answer>;
  messages: Messages;
  /** Counts the channels that a request makes. */
  making: RequestHandler;
}

const newChannel = {
  name: textField("Name", 1, 100),
  type: oneOf("Type", ["text", "voice"]),
  description: optional(textField("Description", 0, 500)),
};

function entry({ id, author, room, text, type, target, timestamp }: Message) {
  return { id, author, room, text, type, target, timestamp };
}

export function channelRoutes({ guard, channels, list, messages, making }: Options): Router {
  const router = Router();

  async function mayRead(room: string, role: Role): Promise<void> {
    const channel = await channels.byId(room);
    if (!channel) throw refuse.notFound(`Channel '${room.slice(0, 100)}' not found`, "CHANNEL_NOT_FOUND");
    if (channel.adminsOnly.read && role !== "admin") throw refuse.forbidden("Admin access required", "ADMIN_REQUIRED");
  }

  router.get(
    "/channels",
    guard.user(async (req, res) => {
      answerWith(req, res, await list.read(""));
    }),
  );

  router.post(
    "/channels",
    making,
    guard.user(async (req, res, { standing }) => {
      const { description, ...input } = readBody(req.body, newChannel);
      const made = { ...input, ...(description ? { description } : {}), createdBy: standing.nickname };
      res.status(201).json(await channels.create(made));
    }),
  );

  router.get(
    "/channels/:id/messages",
    guard.user(async (req, res, { standing }) => {
      const room = String(req.params.id);
      const { before } = req.query;
      if (before !== undefined && typeof before !== "string") throw refuse.invalid("'before' must be given once");
      const limit = queryNumber(req.query.limit, "'limit'", { min: 1, max: 100, fallback: 50 });
      await mayRead(room, standing.role);
      const page = await messages.page(
        room,
        standing.nickname,
        { limit, ...(before ? { before } : {}) },
        cameFrom(res),
      );
      res.json({ messages: page.messages.map(entry), before: page.before });
    }),
  );

  return router;
}
