import { Router } from "express";
import type { DerivedCache } from "../../cache/derived.ts";
import type { Answer } from "../../cache/wire.ts";
import { shownUser as shown } from "../hot/answers.ts";
import { refuse } from "../services/errors.ts";
import type { Users } from "../services/types.ts";
import { answerWith } from "./answer.ts";
import { cameFrom } from "./came-from.ts";
import type { Guard } from "./guard.ts";
import { queryNumber } from "./validate.ts";

interface Options {
  guard: Guard;
  users: Users;
  /** Everybody, as bytes. */
  list: DerivedCache<Answer>;
  /** Ids of who is online now. */
  online: () => Promise<string[]>;
}

export function userRoutes({ guard, users, list, online }: Options): Router {
  const router = Router();

  router.get(
    "/users",
    guard.user(async (req, res) => {
      const { sort, cursor } = req.query;
      if (sort === undefined) return answerWith(req, res, await list.read(""));
      if (sort !== "lastActive") throw refuse.invalid("'sort' can be lastActive, or be left out");
      if (cursor !== undefined && typeof cursor !== "string") throw refuse.invalid("'cursor' must be given once");
      const limit = queryNumber(req.query.limit, "'limit'", { min: 1, max: 200, fallback: 50 });
      const page = await users.page({ limit, ...(cursor ? { cursor } : {}) }, cameFrom(res));
      res.json({ users: page.users.map(shown), cursor: page.cursor });
    }),
  );

  router.get(
    "/users/online",
    guard.user(async (_req, res) => {
      res.json((await users.some(await online(), cameFrom(res))).map(shown));
    }),
  );

  return router;
}
