import { setTimeout as pause } from "node:timers/promises";
import type { Ear } from "../../test/support/sockets.ts";
import { until } from "../../test/support/until.ts";
import type { Stage } from "./stage.ts";
import { openEar, type Papers, type Traffic } from "./traffic.ts";

const room = "general";
const patience = { timeoutMs: 10_000, everyMs: 20 };

/** A socket at each server, all in one room. */
export async function startHearing({ servers }: Stage, { talkers }: Traffic) {
  const ears: Ear[] = [];
  const close = () => {
    for (const ear of ears) ear.close();
  };
  try {
    for (const [index, { url }] of servers.entries()) ears.push(await openEar(url, talkers[index] as Papers));
    for (const ear of ears) await ear.join(room);
  } catch (error) {
    close();
    throw error;
  }

  async function check(from: number, to: number, word: string): Promise<string[]> {
    const [mouth, ear] = [ears[from] as Ear, ears[to] as Ear];
    const way = `from server ${from + 1} to server ${to + 1}`;
    const missed: string[] = [];
    const note = (words: string) => () => void missed.push(words);
    const text = `${word} ${way}`;
    mouth.emit("message", { text });
    const said = () => ear.all("message").filter((one) => one.text === text).length;
    await until(() => said() > 0, patience).catch(note(`a message did not come ${way}`));
    if (said() > 1) missed.push(`a message came ${said()} times ${way}`);
    // MongoDB carries messages, too; who is speaking goes through Redis only, and is said again and again by a client.
    const nickname = talkers[from]?.nickname;
    const speaking = async () => {
      mouth.emit("speaking", { speaking: true });
      await pause(50);
      return ear.all("speaking").some((one) => one.nickname === nickname);
    };
    await until(speaking, patience).catch(note(`who is speaking was not told ${way}`));
    return missed;
  }

  return {
    close,
    /** What is said at each server, and did not come to the others as it should. */
    async missed(word: string): Promise<string[]> {
      for (const ear of ears) ear.forget();
      const pairs = servers.flatMap((_, from) =>
        servers.flatMap((__, to) => (from === to ? [] : [[from, to] as const])),
      );
      return (await Promise.all(pairs.map(([from, to]) => check(from, to, word)))).flat();
    },
  };
}

export type Hearing = Awaited<ReturnType<typeof startHearing>>;
