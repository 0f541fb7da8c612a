import { SluiceError } from "../../kernel/errors.ts";

/** The caller asked for something that cannot be; `status` is the HTTP status that says so. */
export class RefusedError extends SluiceError {
  readonly status: number;
  constructor(status: number, code: string, message: string) {
    super(code, message);
    this.status = status;
  }
}

export const refuse = {
  invalid: (message: string, code = "VALIDATION") => new RefusedError(400, code, message),
  forbidden: (message: string, code: string) => new RefusedError(403, code, message),
  notFound: (message: string, code = "NOT_FOUND") => new RefusedError(404, code, message),
  duplicate: (message: string, code: string) => new RefusedError(409, code, message),
};
