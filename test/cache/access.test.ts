import { expect, it } from "vitest";
import { createKnownChannels } from "../../src/chat/hot/access.ts";
import type { ChannelAccess } from "../../src/chat/services/types.ts";

const open = { id: "a", name: "A", type: "text", createdBy: "ann", position: 0 } as const;
const channel = (read: boolean): ChannelAccess => ({ ...open, adminsOnly: { read, write: read } });

/** What MongoDB has, and how often it was asked. */
function store() {
  const state = { is: channel(false) as ChannelAccess | null, asked: 0 };
  const look = async () => {
    state.asked += 1;
    return state.is;
  };
  return { state, look };
}

it("a channel is asked for once, until one has changed or its time is over", async () => {
  let time = 0;
  const known = createKnownChannels({ believed: () => true, longestMs: 100, now: () => time });
  const { state, look } = store();
  for (let n = 0; n < 5; n += 1) expect(await known.byId("a", look)).toEqual(channel(false));
  expect(state.asked).toBe(1);
  state.is = channel(true);
  known.clear();
  expect(await known.byId("a", look)).toEqual(channel(true));
  state.is = null;
  time = 101;
  expect(await known.byId("a", look)).toBeNull();
  state.is = channel(false);
  expect(await known.byId("a", look)).toEqual(channel(false));
});

it("what changed while it was looked up is looked up again", async () => {
  const known = createKnownChannels({ believed: () => true });
  const { state, look } = store();
  await known.byId("a", async () => {
    const found = await look();
    known.clear();
    return found;
  });
  await known.byId("a", look);
  expect(state.asked).toBe(2);
});

it("while changes are not heard of MongoDB is asked each time, and nothing of it is kept", async () => {
  let heard = false;
  const known = createKnownChannels({ believed: () => heard });
  const { state, look } = store();
  await known.byId("a", async () => {
    const found = await look();
    heard = true;
    return found;
  });
  await known.byId("a", look);
  expect(state.asked).toBe(2);
  heard = false;
  await known.byId("a", look);
  expect(state.asked).toBe(3);
});
