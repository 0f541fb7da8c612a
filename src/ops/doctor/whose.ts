import type { MongoSeen } from "../../mongo/inspect.ts";
import type { InstanceReport } from "../../mongo/instances.ts";

/** Whose a database is; nobody's: no server runs on it, and none of the chat ever did. */
export type Whose = "the chat's" | "an app's" | "nobody's";

/** Only the chat server reports what it counts; the version would not do, which an app may give as it likes. */
export const isApp = ({ figures }: Pick<InstanceReport, "figures">): boolean => figures === undefined;

export function whoseDatabase(
  servers: readonly Pick<InstanceReport, "figures">[],
  { done, unfinished }: MongoSeen["migrations"],
): Whose {
  if (servers.length > 0) return servers.every(isApp) ? "an app's" : "the chat's";
  return done.length + unfinished.length > 0 ? "the chat's" : "nobody's";
}
