import { Command } from "commander";
import { changeKillSwitch } from "../ops/index.ts";
import { byOf, type ChangeOptions, changing, followers, followWords, toChange } from "./changes.ts";
import { answer, type Desk } from "./desk.ts";

function turn(desk: Desk, on: boolean): Command {
  const description = on ? "no command goes to Redis any more; MongoDB answers" : "let Redis in again";
  return changing(on ? "on" : "off", description).action((options: ChangeOptions) =>
    toChange(desk, options, async (house) => {
      const { settings } = house;
      const word = on ? "on" : "off";
      const changes = settings.current.redisDisabled !== on;
      if (options.dryRun) {
        const words = changes ? `would be turned ${word}` : `is ${word} already`;
        return answer(desk, options.json, { dryRun: true, redisDisabled: on, changed: changes }, [
          `The kill switch ${words}.`,
        ]);
      }
      const { revision } = await changeKillSwitch(settings, on, byOf(options));
      const following = await followers(house, desk, revision);
      answer(desk, options.json, { redisDisabled: on, changed: changes, revision, ...following }, [
        `The kill switch is ${word}${changes ? "" : ", as it was"}.`,
        followWords(house, following),
      ]);
    }),
  );
}

export function killCommand(desk: Desk): Command {
  return new Command("kill")
    .description("the kill switch: everything without Redis")
    .addCommand(turn(desk, true))
    .addCommand(turn(desk, false));
}
