import { type RequestHandler, Router } from "express";
import type { DerivedCache } from "../../cache/derived.ts";
import type { ReadFrom } from "../../cache/types.ts";
import { type Answer, makeAnswer } from "../../cache/wire.ts";
import { type Histories, shownMessage, usualPage } from "../hot/histories.ts";
import { mayRead } from "../services/access.ts";
import { refuse } from "../services/errors.ts";
import type { Channels, Messages, Role } from "../services/types.ts";
import { answerWith } from "./answer.ts";
import type { Guard } from "./guard.ts";
import { oneOf, optional, queryNumber, readBody, textField } from "./validate.ts";

interface Options {
  guard: Guard;
  channels: Channels;
  /** All of them, as bytes. */
  list: DerivedCache<Answer>;
  messages: Messages;
  /** The pages that channels open with, as bytes. */
  histories: Histories;
  /** Counts the channels that a request makes. */
  making: RequestHandler;
}

const newChannel = {
  name: textField("Name", 1, 100),
  type: oneOf("Type", ["text", "voice"]),
  description: optional(textField("Description", 0, 500)),
};

export function channelRoutes({ guard, channels, list, messages, histories, making }: Options): Router {
  const router = Router();

  async function mustRead(room: string, role: Role): Promise<void> {
    const channel = await channels.byId(room);
    if (!channel) throw refuse.notFound(`Channel '${room.slice(0, 100)}' not found`, "CHANNEL_NOT_FOUND");
    if (!mayRead(channel, role)) throw refuse.forbidden("Admin access required", "ADMIN_REQUIRED");
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
      const limit = queryNumber(req.query.limit, "'limit'", { min: 1, max: 100, fallback: usualPage });
      await mustRead(room, standing.role);
      const usual = before === undefined && limit === usualPage;
      const shared = usual ? await histories.read(room, standing.nickname) : undefined;
      if (shared) return answerWith(req, res, shared);
      let from: ReadFrom = "bypass";
      const page = await messages.page(room, standing.nickname, { limit, ...(before ? { before } : {}) }, (told) => {
        from = told;
      });
      const body = JSON.stringify({ messages: page.messages.map(shownMessage), before: page.before });
      answerWith(req, res, { value: await makeAnswer(body, { packFrom: Number.POSITIVE_INFINITY }), from });
    }),
  );

  return router;
}
