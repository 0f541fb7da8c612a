type Line = (fields: object, message: string) => void;

/** What the rooms need of a logger; pino fits, and so does a test's own recorder. */
export interface Log {
  debug: Line;
  info: Line;
  warn: Line;
  error: Line;
}
