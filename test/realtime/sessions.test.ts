import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ChatServices } from "../../src/chat/services/types.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { createEar, type Ear, open } from "../support/sockets.ts";
import { until } from "../support/until.ts";
import { type Assembly, assemble } from "./assembly.ts";

const url = mongoUrl("socket-sessions");
let chat: Assembly;
/** While set, a handshake waits for it between reading the session and letting the socket in. */
let gate: Promise<void> | undefined;
let waiting = 0;
/** While set, no channel can be read; how often one was tried. */
let unreadable = false;
let tried = 0;

function held(services: ChatServices): ChatServices {
  return {
    ...services,
    channels: {
      ...services.channels,
      async byId(id) {
        tried += unreadable ? 1 : 0;
        if (unreadable) throw new Error("no answer");
        return services.channels.byId(id);
      },
    },
    users: {
      ...services.users,
      async standing(id) {
        const standing = await services.users.standing(id);
        waiting += gate ? 1 : 0;
        await gate;
        return standing;
      },
    },
  };
}

beforeAll(async () => {
  chat = await assemble({ mongoUrl: url, around: held });
});
afterAll(async () => {
  await chat?.close();
  await dropDatabase(url);
});

async function tryOut(credentials: { cookie: string; csrfToken: string }): Promise<string> {
  const ear = createEar(chat.url, credentials);
  const answer = await open(ear);
  ear.close();
  return answer;
}

describe("a session of the old server, which has no handle", () => {
  it("opens sockets, and its room is remembered without its sid", async () => {
    const session = await chat.session(await chat.user("veteran"), null);
    const ear = await chat.tab(session);
    await ear.join("general");
    const rooms = chat.db.collection<{ _id: string }>("session_rooms");
    const record = await until(() => rooms.findOne({ room: "general" }));
    expect(record._id).toMatch(/^sid:/);
    expect(JSON.stringify(record)).not.toContain(session.sid);
  });

  it("is dead when its user has logged out since", async () => {
    const user = await chat.user("leaver");
    const session = await chat.session(user, null);
    expect(await tryOut(session)).toBe("connected");
    await pause(2);
    await chat.services.users.loggedOut(user.id);
    expect(await tryOut(session)).toBe("Session authentication required");
    expect(await tryOut(await chat.session(user))).toBe("connected");
  });
});

describe("a logout while a socket is on its way in", () => {
  it.each(["session", "user"] as const)("is not overlooked (%s)", async (whom) => {
    const user = await chat.user(`racer-${whom}`);
    const session = await chat.session(user);
    let letGo = () => {};
    gate = new Promise((resolve) => {
      letGo = resolve;
    });
    const before = waiting;
    const answer = tryOut(session);
    await until(() => waiting > before);
    // As the routes do: the session ends first, then its sockets are cut.
    await chat.db.collection<{ _id: string }>("sessions").deleteOne({ _id: session.sid });
    const { links } = chat.realtime;
    const count = whom === "user" ? links.disconnectUser(user.id) : links.disconnectSession(session.handle ?? "");
    expect(await count).toBe(0);
    gate = undefined;
    letGo();
    expect(await answer).toBe("Session authentication required");
  });

  it("lets in whose session lives all the same", async () => {
    const user = await chat.user("survivor");
    let letGo = () => {};
    gate = new Promise((resolve) => {
      letGo = resolve;
    });
    const before = waiting;
    const answer = tryOut(await chat.session(user));
    await until(() => waiting > before);
    await chat.realtime.links.disconnectUser(user.id);
    gate = undefined;
    letGo();
    expect(await answer).toBe("connected");
  });
});

it("cuts the sockets of one session only, and says how many", async () => {
  const user = await chat.user("double");
  const [one, two] = [await chat.session(user), await chat.session(user)];
  const [a, b, c] = [await chat.tab(one), await chat.tab(one), await chat.tab(two)];
  expect(await chat.realtime.links.disconnectSession(one.handle ?? "")).toBe(2);
  expect(await a.hears("disconnect")).toBe("io server disconnect");
  await b.hears("disconnect");
  expect(c.socket.connected).toBe(true);
});

it("keeps nothing of a socket that goes in the middle of a join", async () => {
  const user = await chat.user("hasty");
  const session = await chat.session(user);
  const watcher = await chat.tab(await chat.session(await chat.user("watcher")));
  await watcher.join("general");
  for (let i = 0; i < 20; i++) {
    const ear = await chat.tab(session);
    ear.emit("join_room", { room: "general" });
    await pause(i % 5);
    ear.close();
  }
  await until(() => chat.realtime.stats().users === 2 || chat.realtime.stats().users === 3);
  await until(async () => (await chat.services.users.byNickname("hasty"))?.status === "offline");
  await until(() => {
    const list = watcher.all("online_users").at(-1) as { nickname: string }[];
    return list.every(({ nickname }) => nickname !== "hasty");
  });
  const lines = (text: string) => chat.db.collection("messages").countDocuments({ text });
  await until(async () => (await lines("hasty joined the channel.")) === (await lines("hasty left the channel.")));
});

describe("a tab that is sent away, and comes back without asking for its room", () => {
  async function visitor(name: string) {
    const user = await chat.user(name);
    const session = await chat.session(user);
    const { id } = await chat.services.channels.create({ name: `room of ${name}`, type: "text", createdBy: user.id });
    return { session, room: id };
  }

  async function sentAway(ears: readonly Ear[], { handle }: { handle: string | null }): Promise<void> {
    for (const ear of ears) ear.forget();
    expect(await chat.realtime.links.disconnectSession(handle ?? "")).toBe(ears.length);
    for (const ear of ears) await ear.hears("disconnect");
  }

  async function back(ears: readonly Ear[]): Promise<void> {
    for (const ear of ears) {
      ear.forget();
      expect(await open(ear)).toBe("connected");
    }
  }

  const texts = async (ear: Ear, room: string) => {
    const text = `said in ${room} ${Math.random()}`;
    ear.emit("message", { text });
    await until(() => chat.db.collection("messages").findOne({ text }));
    return (await chat.db.collection("messages").findOne({ text }))?.channel;
  };

  it("is in the room that it was in, whichever room another tab of its session was in", async () => {
    const { session, room } = await visitor("two-tabs");
    const [one, two] = [await chat.tab(session), await chat.tab(session)];
    await one.join("general");
    await two.join(room);
    await sentAway([one, two], session);
    await back([two, one]);
    await Promise.all([one, two].map((ear) => ear.hears("history")));
    expect([await texts(one, "general"), await texts(two, room)]).toEqual(["general", room]);
  });

  /** As clients were before they kept a private id. */
  const old = (ear: Ear) => void Object.assign(ear.socket, { _pid: undefined, _lastOffset: undefined });

  it("is in its session's room with a client that cannot tell where it was, unless its tabs were in several", async () => {
    const { session, room } = await visitor("old-tabs");
    const [one, two] = [await chat.tab(session), await chat.tab(session)];
    for (const ear of [one, two]) await ear.join(room);
    await sentAway([one, two], session);
    for (const ear of [one, two]) old(ear);
    await back([one, two]);
    await Promise.all([one, two].map((ear) => ear.hears("history")));
    expect(await texts(one, room)).toBe(room);

    await one.join("general");
    await sentAway([one, two], session);
    for (const ear of [one, two]) old(ear);
    await back([one, two]);
    const rooms = chat.db.collection<{ _id: string; room: string | null }>("session_rooms");
    expect(await rooms.findOne({ _id: `handle:${session.handle}` })).toMatchObject({ room: null });
    // Whoever asks is let in all the same; what was said before is not put anywhere.
    one.emit("message", { text: "said nowhere" });
    await one.join("general");
    expect(await chat.db.collection("messages").findOne({ text: "said nowhere" })).toBeNull();
    expect(await texts(one, "general")).toBe("general");
  });

  it("is told that nothing can be said until its room has been found, which is tried again and again", async () => {
    const { session, room } = await visitor("patient-tab");
    const ear = await chat.tab(session);
    await ear.join(room);
    await sentAway([ear], session);
    unreadable = true;
    try {
      await back([ear]);
      await until(() => tried > 1);
      ear.emit("message", { text: "too early" });
      expect(await ear.hears("error")).toMatchObject({ message: "Failed to send message" });
    } finally {
      unreadable = false;
    }
    await ear.hears("history");
    expect(await texts(ear, room)).toBe(room);
    expect(await chat.db.collection("messages").findOne({ text: "too early" })).toBeNull();
  });
});
