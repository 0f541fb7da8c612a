import type { Log } from "../../src/kernel/log.ts";

/** For whoever measures: warnings and errors. */
export const troubles: Log = { debug() {}, info() {}, warn: console.warn, error: console.error };

/** For whoever makes trouble, of which warnings tell all the time: errors only. */
export const errorsOnly: Log = {
  debug() {},
  info() {},
  warn() {},
  error: (fields, message) => console.error(message, fields),
};
