import { randomUUID } from "node:crypto";
import type { ErrorRequestHandler, Request, Response } from "express";
import { UnavailableError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import { isUnavailable } from "../../mongo/errors.ts";
import { RefusedError } from "../services/errors.ts";
import { endPlainly } from "./front.ts";
import { InvalidBody } from "./validate.ts";

/** The shape of every error: the shipped client prints `message`, other consumers read `error`. */
export function sendError(res: Response, status: number, code: string, message: string, more: object = {}): void {
  res.status(status).json({ error: message, code, message, ...more });
}

export function notFound(req: Request, res: Response): void {
  sendError(res, 404, "NOT_FOUND", "Endpoint not found", { path: req.path, method: req.method });
}

const bodyProblems: Record<string, [code: string, message: string]> = {
  "entity.parse.failed": ["INVALID_JSON", "The body is not valid JSON"],
  "entity.too.large": ["BODY_TOO_LARGE", "The body is too large"],
  "encoding.unsupported": ["ENCODING_UNSUPPORTED", "The body's content encoding is not supported"],
  "charset.unsupported": ["CHARSET_UNSUPPORTED", "The body's character set is not supported"],
};

function requestProblem(error: unknown): { status: number; code: string; message: string } | undefined {
  const { status, type } = error as { status?: unknown; type?: unknown };
  if (typeof status !== "number" || status < 400 || status > 499) return undefined;
  const [code, message] = bodyProblems[String(type)] ?? ["BAD_REQUEST", "The request cannot be read"];
  return { status, code, message };
}

/** Turns what went wrong into an answer; only what is nobody's fault but ours is a 500, and only that is logged as an error. */
export function errorAnswers(log: Log): ErrorRequestHandler {
  return (error, req, res, next) => {
    if (res.writableEnded) return log.debug({ err: error, path: req.path }, "a request went on after it was answered");
    if (res.headersSent) return next(error);
    if (error instanceof InvalidBody) return void res.status(400).json(error.answer);
    if (error instanceof RefusedError) return sendError(res, error.status, error.code, error.message);
    const problem = requestProblem(error);
    if (problem) return sendError(res, problem.status, problem.code, problem.message);
    if (error instanceof UnavailableError || isUnavailable(error)) {
      log.debug({ err: error, path: req.path }, "a request found a store out of reach");
      return endPlainly(res, () => unavailable(res));
    }
    const requestId = randomUUID();
    log.error({ err: error, method: req.method, path: req.path, requestId }, "a request failed");
    endPlainly(res, () => sendError(res, 500, "INTERNAL_ERROR", "Internal server error", { requestId }));
  };
}

export function unavailable(res: Response): void {
  res.set("Retry-After", "1");
  sendError(res, 503, "UNAVAILABLE", "The service is unavailable for a moment; please try again");
}
