import { type SluiceError, UnavailableError } from "../../kernel/errors.ts";
import type { SettingsStore } from "../../mongo/settings-types.ts";
import { ChangedMeanwhile } from "./answers.ts";

type Store = Pick<SettingsStore, "current" | "stored" | "change" | "since" | "events">;

const patienceMs = 2_000;

/** Another server may have made the revision that the page shows; this one hears of it in a moment. */
function arrival(settings: Store, revision: number): Promise<void> {
  return new Promise((done, fail) => {
    const leave = settings.events.on("change", () => {
      if (settings.current.revision < revision) return;
      clearTimeout(timer);
      leave();
      done();
    });
    const timer = setTimeout(() => {
      leave();
      fail(new UnavailableError("This server has not heard of the newest settings yet. Try again in a moment."));
    }, patienceMs);
  });
}

/** The settings, for somebody who has seen them at `revision`: a change on top of anything newer is refused. */
export async function asOf(settings: Store, revision: number): Promise<Pick<Store, "current" | "stored" | "change">> {
  const meanwhile = async () => new ChangedMeanwhile(await settings.since(revision));
  if (settings.current.revision < revision) await arrival(settings, revision);
  if (settings.current.revision > revision) throw await meanwhile();
  return {
    get current() {
      return settings.current;
    },
    get stored() {
      return settings.stored;
    },
    async change(patch, by, expected = revision) {
      if (expected !== revision) throw await meanwhile();
      try {
        return await settings.change(patch, by, revision);
      } catch (error) {
        if ((error as Partial<SluiceError>).code === "SETTINGS_CONFLICT") throw await meanwhile();
        throw error;
      }
    },
  };
}
