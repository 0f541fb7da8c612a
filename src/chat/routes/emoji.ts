import { Router } from "express";
import type { Emoji } from "../services/emoji.ts";
import { cameFrom } from "./came-from.ts";
import type { Guard } from "./guard.ts";
import { queryNumber } from "./validate.ts";

export function emojiRoutes({ guard, emoji }: { guard: Guard; emoji: Emoji }): Router {
  const router = Router();
  router.get(
    "/emoji/classics",
    guard.user(async (req, res) => {
      const limit = queryNumber(req.query.limit, "'limit'", { min: 1, max: 500, fallback: 50 });
      res.json(await emoji.classics(limit, cameFrom(res)));
    }),
  );
  return router;
}
