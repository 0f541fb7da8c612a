import type { ConfigReading } from "./load.ts";
import { redact, veiled } from "./redact.ts";
import { groups, type Variable, type VariableName } from "./variables.ts";

/** A variable as it counts, and where its value comes from. */
export interface Setting {
  readonly group: string;
  readonly name: string;
  readonly value: string;
  /** The variable that gave it; "" for the default. */
  readonly from: string;
}

/** The effective configuration, fit to be shown. */
export function settingsOf({ config, given }: ConfigReading): Setting[] {
  return Object.entries(groups).flatMap(([group, members]) =>
    Object.entries<Variable<unknown>>(members).map(([name, { secret, default: fallback }]) => {
      const found = given.get(name as VariableName);
      const text = name === "SESSION_COOKIE" && config ? config.SESSION_COOKIE : (found?.text ?? fallback);
      return { group, name, value: secret ? veiled(text) : redact(text), from: found?.from ?? "" };
    }),
  );
}
