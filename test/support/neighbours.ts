import { expect } from "vitest";
import type { Group } from "./group.ts";
import { type Browser, createBrowser } from "./http.ts";
import { createEar, credentialsOf, type Ear, open } from "./sockets.ts";

export type Known = Browser & { nickname: string; id: string };

/** People at the instances of a group, by their index. */
export function createNeighbours(group: () => Group) {
  const ears: Ear[] = [];
  let serial = 0;
  return {
    async register(index: number): Promise<Known> {
      const browser = createBrowser(group().at(index).url);
      const nickname = `somebody-${++serial}`;
      const { body } = await browser.register(nickname);
      return Object.assign(browser, { nickname, id: body.user.id });
    },
    async tab(browser: Browser, index: number): Promise<Ear> {
      const ear = createEar(group().at(index).url, credentialsOf(browser));
      ears.push(ear);
      expect(await open(ear)).toBe("connected");
      return ear;
    },
    leave(): void {
      for (const ear of ears) ear.close();
    },
  };
}
