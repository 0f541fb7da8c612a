import type { Application } from "express";
import { SluiceError } from "../../kernel/errors.ts";
import type { AppCache } from "./aside.ts";

/** With these an app's own answers are not what `JSON.stringify` makes; a replacer may even hide what nobody may see. */
const settings = ["json replacer", "json escape", "json spaces"];

/** Why what the cache holds must not be sent by this app. */
export function otherJson(app: Application, { name, ownJson }: Pick<AppCache<never>, "name" | "ownJson">) {
  const setting = ownJson ? undefined : settings.find((one) => app.enabled(one));
  return (
    setting &&
    new SluiceError(
      "CACHE_JSON",
      `The app has the setting "${setting}", of which the cache "${name}" knows nothing; ` +
        "give caches.create the option stringify, which makes the JSON that is sent.",
    )
  );
}
