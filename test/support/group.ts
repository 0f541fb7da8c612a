import { randomBytes } from "node:crypto";
import { type Chat, startChat } from "./chat.ts";

/** Several shipped servers that are one chat: the same databases and secrets. */
export interface Group {
  readonly instances: readonly Chat[];
  at(index: number): Chat;
  /** In place of one that has ended. */
  replace(index: number): Promise<Chat>;
  close(): Promise<void>;
}

export interface GroupOptions {
  count: number;
  env: Record<string, string>;
  /** What one of them alone has otherwise. */
  own?: (index: number) => Record<string, string>;
}

export async function startGroup({ count, env, own = () => ({}) }: GroupOptions): Promise<Group> {
  const secret = () => randomBytes(24).toString("hex");
  const common = { JWT_SECRET: secret(), SESSION_SECRET: secret(), ...env };
  const start = (index: number, more: Record<string, string> = {}) =>
    startChat({ env: { ...common, SERVER_ID: `instance-${index}`, ...own(index), ...more }, readyMs: 60_000 });
  // The first one brings the database up to date.
  const instances = [await start(0)];
  const rest = await Promise.allSettled(
    Array.from({ length: count - 1 }, (_, i) => start(i + 1, { MIGRATE_ON_START: "false" })),
  );
  for (const one of rest) if (one.status === "fulfilled") instances.push(one.value);
  const close = async () => void (await Promise.all(instances.map((chat) => chat.stop())));
  const failed = rest.find((one) => one.status === "rejected");
  if (failed) {
    await close();
    throw failed.reason;
  }
  const at = (index: number) => instances[index] as Chat;
  return {
    instances,
    at,
    async replace(index) {
      const chat = await start(index, { MIGRATE_ON_START: "false" });
      instances[index] = chat;
      return chat;
    },
    close,
  };
}
