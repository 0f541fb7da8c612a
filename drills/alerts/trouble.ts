import type { Chat } from "../../test/support/chat.ts";
import { until } from "../../test/support/until.ts";
import type { Stage } from "./stage.ts";

/** Makes good what the commands of the runbook leave behind. */
export type Afterwards = () => Promise<unknown>;

/** A fault that can be caused here, and the alert that must tell of it. */
export interface Trouble<S extends Stage = Stage> {
  alert: string;
  name: string;
  /** It is there from the beginning: nobody can tell how soon it was seen. */
  inherent?: true;
  /** May answer how to make good what the commands of the runbook leave behind. */
  cause(stage: S): Promise<Afterwards | undefined>;
  /** What the health page of one of the servers says of it; absent where it is not about Redis. */
  named?: RegExp;
  /** What the console shows of it. */
  shown?: RegExp;
  /** Part of the short form. */
  short?: true;
}

export async function sluice(stage: Stage, line: string): Promise<void> {
  const { code, output } = await stage.shell(`sluice ${line} --reason "a drill"`);
  if (code !== 0) throw new Error(`sluice ${line} ended with ${code}: ${output}`);
}

export const redisIs = (stage: Stage, state: string) =>
  until(async () => (await stage.health(stage.servers[0] as Chat)).includes(`"observedValue":"${state}"`), {
    timeoutMs: 30_000,
    describe: `Redis to be ${state}`,
  });
