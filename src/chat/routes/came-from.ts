import type { Response } from "express";
import type { Told } from "../services/types.ts";

/** Says in `X-Cache` where the answer came from. */
export function cameFrom(res: Response): Told {
  return (from) => void res.set("X-Cache", from);
}
