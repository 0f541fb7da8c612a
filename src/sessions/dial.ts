import { SluiceError } from "../kernel/errors.ts";
import { createEvents } from "../kernel/events.ts";
import type { DialSettings, SessionDial } from "./types.ts";

/** A dial that the app turns itself. */
export interface OwnDial extends SessionDial {
  set(change: Partial<DialSettings>): void;
}

const modes = new Set(["off", "shadow", "serve"]);

export function checkedDial<T extends DialSettings>(settings: T): T {
  const { mode, percent } = settings;
  if (!modes.has(mode)) throw new SluiceError("SESSION_DIAL", `mode: "${mode}" is none of off, shadow, serve.`);
  if (typeof percent !== "number" || !(percent >= 0 && percent <= 100))
    throw new SluiceError("SESSION_DIAL", `percent: ${percent} is not a number from 0 to 100.`);
  return settings;
}

export function createDial(first: DialSettings): OwnDial {
  const events = createEvents<{ change: { now: DialSettings; before: DialSettings } }>();
  let current = checkedDial(first);
  return {
    get current() {
      return current;
    },
    onChange: (listener) => events.on("change", ({ now, before }) => listener(now, before)),
    set(change) {
      const before = current;
      current = checkedDial({ ...current, ...change });
      events.emit("change", { now: current, before });
    },
  };
}
