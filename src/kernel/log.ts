type Line = (fields: object, message: string) => void;

/** What the rooms need of a logger; pino fits, and so does a test's own recorder. */
export interface Log {
  debug: Line;
  info: Line;
  warn: Line;
  error: Line;
}

/** For whoever uses a part of the product in an app and gives no logger: warnings and errors. */
export const consoleLog: Log = {
  debug() {},
  info() {},
  warn: (fields, message) => console.warn(message, fields),
  error: (fields, message) => console.error(message, fields),
};
