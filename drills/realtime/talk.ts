import { setTimeout as pause } from "node:timers/promises";
import { until } from "../../test/support/until.ts";
import type { Visitor } from "./visitor.ts";

/** People who speak all the time, numbered words: the next one is of anybody. */
export interface Talk {
  /** Words that were sent so far. */
  readonly said: number;
  goOn(): void;
  /** Nobody speaks any more, and what was said is shown: what is counted now is of the past. */
  silence(): Promise<void>;
  /** How many words were said meanwhile. Who is at the server at `eager` always has a word on its way there. */
  during(act: () => unknown, eager?: string): Promise<number>;
  stop(): Promise<void>;
}

/** A fault that takes no time is begun and undone among words all the same. */
const actMs = 500;
/** Words that are said and not shown to who said them: more are not said meanwhile. */
const mostWaiting = 60;
/** One word of so many is for one person only. */
const whisperEvery = 20;

/** `rate`: words a second, of all together, as long as the machine keeps up. Silent at first. */
export function startTalk(visitors: readonly Visitor[], rate: number): Talk {
  let said = 0;
  let silent = true;
  let talking = true;
  let crowded: string | undefined;
  const waiting = () => visitors.reduce((sum, visitor) => sum + visitor.waiting, 0);

  const oneOf = (list: readonly Visitor[]) => list[Math.floor(Math.random() * list.length)];

  function speak(speaker = oneOf(visitors)): void {
    const hears = ({ room, name, settled }: Visitor) => settled && room === speaker?.room && name !== speaker.name;
    const listener = said % whisperEvery === 0 ? oneOf(visitors.filter(hears)) : undefined;
    const sent = listener ? speaker?.whisper(listener.name, `whisper ${said}`) : speaker?.say(`word ${said}`);
    if (sent) said += 1;
  }
  const talk = (async () => {
    for (let last = performance.now(), due = 0; talking; await pause(5)) {
      const now = performance.now();
      due = silent ? 0 : Math.min(due + ((now - last) / 1_000) * rate, 20);
      last = now;
      let room = mostWaiting - waiting();
      const eager = visitors.filter((visitor) => visitor.url === crowded && visitor.settled && visitor.waiting === 0);
      for (const visitor of eager.slice(0, Math.max(0, room))) speak(visitor);
      for (room -= eager.length; due >= 1 && room > 0; room--, due--) speak();
    }
  })();
  async function silence(): Promise<void> {
    silent = true;
    await until(() => waiting() === 0, { timeoutMs: 10_000 }).catch(() => undefined);
  }

  return {
    get said() {
      return said;
    },
    goOn() {
      silent = false;
    },
    silence,
    async during(act, eager) {
      const before = said;
      crowded = eager;
      await Promise.all([act(), pause(actMs)]);
      crowded = undefined;
      return said - before;
    },
    async stop() {
      await silence();
      talking = false;
      await talk;
    },
  };
}
