import { expect, it } from "vitest";
import type { Message } from "../../src/chat/services/types.ts";
import { createHistoryPackets } from "../../src/realtime/history-packets.ts";

const message = (id: string, room: string): Message => ({
  ...{ id, room, text: `says ${id}`, author: "ann", target: null, type: "public", timestamp: new Date(0) },
});

it("is made once for all who are shown the same, and anew for who is shown anything else", () => {
  const packetOf = createHistoryPackets();
  const [one, two, three] = [message("1", "a"), message("2", "a"), message("3", "a")];
  const first = packetOf("a", [one, two]);
  expect(JSON.parse(first.text.slice(1))).toMatchObject(["history", [{ id: "1" }, { id: "2" }], "room:a"]);
  expect(packetOf("a", [one, two])).toBe(first);
  for (const other of [[one, two, three], [two], [], [one, { ...two, text: "changed" }]]) {
    const [, shown] = JSON.parse(packetOf("a", other).text.slice(1));
    expect(shown.map(({ id, text }: Message) => ({ id, text }))).toEqual(other.map(({ id, text }) => ({ id, text })));
  }
  expect(packetOf("b", [one]).text).not.toBe(packetOf("a", [two]).text);
});
