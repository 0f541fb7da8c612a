import type { Request, Response } from "express";
import type { Derived } from "../../cache/derived.ts";
import { type SendOptions, type Source, sendAnswer } from "../../cache/http/send.ts";
import type { Answer } from "../../cache/wire.ts";

/** Each user's own, and asked for anew each time; a tag spares the body. */
export const sendOptions = (source: Source): SendOptions => ({
  source,
  cacheControl: "private, no-cache",
  vary: "Authorization, Origin, Accept-Encoding",
});

export function answerWith(req: Request, res: Response, { value, from }: Derived<Answer>): void {
  sendAnswer(req, res, value, sendOptions(from));
}
