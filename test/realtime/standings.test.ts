import { expect, it } from "vitest";
import type { Feeds } from "../../src/chat/services/feeds.ts";
import type { Standing } from "../../src/chat/services/types.ts";
import { createStandings } from "../../src/chat/standings.ts";
import { until } from "../support/until.ts";

type Follow = Parameters<Feeds["standings"]>;

/** What MongoDB has of everybody, and a change stream that the test plays. */
function world(longestMs = 60_000) {
  const state = { banned: false, asked: 0, together: [] as string[][], prompt: true };
  const standingOf = (id: string): Standing => ({
    ...{ id, nickname: id, role: "member", banned: state.banned, muteExpires: null, endedBefore: null },
  });
  const stream = { live: false, reason: "starting" as const, lagMs: 0, close: async () => {} };
  let [tell, onLive]: Follow = [() => {}, () => {}];
  const standings = createStandings({
    users: {
      async standing(id): Promise<Standing> {
        state.asked += 1;
        return standingOf(id);
      },
    },
    feeds: {
      standings(...follow) {
        [tell, onLive] = follow;
        return stream;
      },
      async standingsOf(ids) {
        state.together.push([...ids]);
        return ids.map((id) => ({ standing: standingOf(id) }));
      },
    },
    longestMs,
    prompt: () => state.prompt,
  });
  return {
    ...{ state, standings },
    changed: (userId: string) => tell({ userId }),
    follow(live: boolean, whole: boolean) {
      stream.live = live;
      onLive(live, whole);
    },
  };
}

it("whoever acts, or comes to the door, is asked for once until a change is told, or may have been missed", async () => {
  const { state, standings, changed, follow } = world();
  follow(true, false);
  for (let n = 0; n < 3; n += 1) await standings.recent("ann");
  await standings.known("ann");
  expect(state.asked).toBe(1);
  changed("ann");
  await standings.known("ann");
  expect(state.asked).toBe(2);
  follow(false, true);
  follow(true, true);
  await standings.recent("ann");
  expect(state.asked).toBe(3);
});

it("at the door MongoDB is asked each time while the others' word may come late, or the stream does", async () => {
  const { state, standings, follow } = world();
  follow(true, false);
  await standings.known("ann");
  state.prompt = false;
  await standings.known("ann");
  expect(state.asked).toBe(2);
  state.prompt = true;
  follow(false, true);
  await standings.known("ann");
  await standings.known("ann");
  expect(state.asked).toBe(4);
});

it("a ban is not remembered, because nobody tells that its time is over", async () => {
  const { state, standings, follow } = world();
  follow(true, false);
  state.banned = true;
  expect(await standings.recent("ann")).toMatchObject({ banned: true });
  state.banned = false;
  expect(await standings.recent("ann")).toMatchObject({ banned: false });
});

it("whoever goes on acting is asked for in time, all together, and never has to wait for it again", async () => {
  const { state, standings, follow } = world(6_000);
  const people = ["ann", "ben", "cleo"];
  follow(true, false);
  const act = () => Promise.all(people.map((one) => standings.recent(one)));
  await act();
  await until(async () => {
    await act();
    return state.together.length >= 2;
  });
  expect(state.asked).toBe(people.length);
  expect(state.together.every((ids) => ids.length === people.length)).toBe(true);
  await standings.close();
});
