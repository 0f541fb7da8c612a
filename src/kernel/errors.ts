/** Base of every error the product makes itself: a static code a caller can test, the cause kept. */
export class SluiceError extends Error {
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** A variable of the environment holds what it must not. */
export class ConfigError extends SluiceError {
  constructor(message: string) {
    super("CONFIG", message);
  }
}

/** Something the product stands on did not answer in time; the request may be tried again. */
export class UnavailableError extends SluiceError {
  constructor(message: string, options?: ErrorOptions) {
    super("UNAVAILABLE", message, options);
  }
}

/** The start cannot go on; the message is all that is printed. */
export class StartError extends SluiceError {
  constructor(message: string, options?: ErrorOptions) {
    super("START", message, options);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
