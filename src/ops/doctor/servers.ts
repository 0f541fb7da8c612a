import { aboutArea, type Finding } from "../../kernel/finding.ts";

/** Which database was looked at; one that is empty may be another than the servers'. */
export function examineServers(place: string, names: readonly string[]): Finding[] {
  const { findings, ok, advice } = aboutArea("MongoDB");
  if (names.length > 0) ok(`Servers that report themselves in ${place}: ${names.join(", ")}`);
  else
    advice(`No server reports itself in ${place}.`, "Start one; or where one runs, set MONGODB_URL to its database.");
  return findings;
}
