import { Router } from "express";
import type { Users } from "../services/types.ts";
import type { Guard } from "./guard.ts";

export function userRoutes({ guard, users }: { guard: Guard; users: Users }): Router {
  const router = Router();
  router.get(
    "/users",
    guard.user(async (_req, res) => {
      const all = await users.list();
      res.json(all.map(({ id, ...card }) => ({ _id: id, ...card })));
    }),
  );
  return router;
}
