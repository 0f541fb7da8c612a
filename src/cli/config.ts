import { Command } from "commander";
import { adviceForAll, adviceOn } from "../config/advice.ts";
import { type Reader, readConfig } from "../config/load.ts";
import { settingsOf } from "../config/shown.ts";
import { aboutArea, type Finding } from "../kernel/finding.ts";
import { type Desk, table } from "./desk.ts";
import { tell } from "./findings.ts";

/** Everything that can be said of the environment without asking a server: the chat's, or only of what an app shares with it. */
export function configurationFindings(desk: Desk, reader: Reader = "server"): Finding[] {
  const env = desk.environment();
  const { config, errors } = readConfig(env, reader);
  const { findings, ok, wrong } = aboutArea("configuration");
  for (const error of errors) wrong(error, "No server starts with this; .env.example has every variable.");
  if (!config) return findings;
  const advice = (reader === "server" ? adviceOn : adviceForAll)(config, env);
  if (advice.length === 0) ok("Nothing stands against it");
  return [...findings, ...advice];
}

function checkCommand(desk: Desk): Command {
  return new Command("check")
    .description(
      "show the effective configuration without its secrets, and what is wrong or risky; exit code 1 if wrong",
    )
    .option("--json", "answer in JSON")
    .action(({ json }: { json?: boolean }) => {
      const settings = settingsOf(readConfig(desk.environment()));
      const rows = settings.map(({ name, value, from }) => [
        name,
        value,
        from && from !== name ? `by ${from}` : from && "set",
      ]);
      if (!json) for (const line of table([["VARIABLE", "VALUE", "NOT THE DEFAULT"], ...rows])) desk.print(line);
      tell(desk, json, { settings }, configurationFindings(desk));
    });
}

export function configCommand(desk: Desk): Command {
  return new Command("config").description("the variables of the environment").addCommand(checkCommand(desk));
}
