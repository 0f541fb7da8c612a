import type { ErrorRequestHandler, Response } from "express";
import { SluiceError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import type { ChangeEntry } from "../../mongo/settings-types.ts";

export function refuse(res: Response, status: number, code: string, message: string, more: object = {}): void {
  res.status(status).json({ error: message, message, code, ...more });
}

/** What was asked for cannot be meant. */
export class WrongRequest extends SluiceError {
  constructor(message: string) {
    super("WRONG_REQUEST", message);
  }
}

/** Others have changed the settings since the page showed them. */
export class ChangedMeanwhile extends SluiceError {
  readonly changes: readonly ChangeEntry[];
  constructor(changes: readonly ChangeEntry[]) {
    const [newest] = changes;
    const who = newest ? `${newest.who} was faster (“${newest.why}”)` : "Somebody was faster";
    super("CHANGED_MEANWHILE", `${who}. Nothing was changed: look at where it stands now, then decide again.`);
    this.changes = changes;
  }
}

const statuses: Record<string, number> = {
  WRONG_REQUEST: 400,
  SETTINGS_INVALID: 400,
  CHANGED_MEANWHILE: 409,
  SETTINGS_CONFLICT: 409,
  DIAL_REFUSED: 409,
  BUSY: 409,
  UNAVAILABLE: 503,
};

/** Errors of known kinds as answers, the rest as a line in the log. */
export function errorAnswers(log: Log): ErrorRequestHandler {
  return (error: Partial<SluiceError> & { status?: number; checks?: unknown; changes?: unknown }, req, res, next) => {
    if (res.headersSent) return next(error);
    if (error.status === 400 || error.status === 413)
      return refuse(res, error.status, "WRONG_REQUEST", "The request cannot be read.");
    const status = statuses[error.code ?? ""];
    const { checks, changes } = error;
    if (status) return refuse(res, status, error.code ?? "", error.message ?? "", { checks, changes });
    // The driver's own errors: out of reach, or no answer in time.
    const away = /^Mongo/.test(String(error.name));
    log[away ? "warn" : "error"]({ err: error, path: req.path }, "The console could not do what it was asked for");
    if (away) return refuse(res, 503, "UNAVAILABLE", "MongoDB does not answer. Try again in a moment.");
    refuse(res, 500, "INTERNAL_ERROR", "Something went wrong. The server's log says what.");
  };
}
