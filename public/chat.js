import { banReason } from "./api.js";
import { readLine } from "./commands.js";
import { openSocket } from "./socket.js";
import { merged, refreshed } from "./timeline.js";

const CHANNELS_AGAIN = 30_000;

/** What the page knows of one login before anything is loaded. */
export const fresh = {
  link: "connecting",
  channels: null,
  room: null,
  roomState: "loading",
  messages: [],
  older: null,
  people: [],
  voice: null,
  notice: null,
};

function roomInAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

/** Everything a logged-in person can do. `end(words)` leads back to the login form. */
export function openChat({ state, api, end }) {
  let socket = null;
  let closed = false;
  /** Lines sent and not yet heard back: given back to the writer when the server refuses or loses them. */
  let unconfirmed = [];

  const me = () => state.get().me.nickname;
  const online = () => state.get().link === "online";
  const notice = (words) => state.set({ notice: words });
  const known = (id) => state.get().channels?.find((channel) => channel.id === id);

  async function loadChannels() {
    try {
      const channels = await api.channels();
      if (closed) return;
      if (JSON.stringify(channels) !== JSON.stringify(state.get().channels)) state.set({ channels });
      if (!state.get().room) followAddress();
    } catch (error) {
      if (!closed && error.status !== 401 && !state.get().channels) notice(error.message);
    }
  }

  function enterRoom(room) {
    unconfirmed = [];
    state.set({ room, roomState: "loading", messages: [], older: null, people: [], notice: null });
    if (online()) socket.send("join_room", { room });
  }

  function received(message) {
    const { room, messages } = state.get();
    if (message.room !== room) return;
    if (message.author === me()) unconfirmed = unconfirmed.filter(({ text }) => text !== message.text);
    state.set({ messages: merged(messages, [message]) });
  }

  function giveBack(words) {
    const lost = unconfirmed.shift();
    notice(words);
    if (lost) state.set({ returned: { line: lost.line } });
  }

  const heard = {
    up() {
      const { room, voice, link, channels } = state.get();
      state.set({ link: "online", notice: null });
      if (room) socket.send("join_room", { room });
      if (voice) socket.send("join_voice_channel", { channelId: voice.channelId });
      if (link === "retrying" || !channels) loadChannels();
    },
    down() {
      for (const line of unconfirmed) line.lost = true;
      state.set({ link: "retrying" });
    },
    banned: (ban) => end(`Your account is banned. ${banReason(ban ?? {})}`),
    async ended(again) {
      try {
        await api.channels();
        end("Your session has ended. Please log in again.");
      } catch (error) {
        if (error.status !== 401 && !closed) again();
      }
    },
    message: received,
    private_message: received,
    history(newest) {
      const { room, messages, older, roomState } = state.get();
      if (!room || newest.some((message) => message.room !== room)) return;
      const joined = refreshed(messages, newest);
      const begins = newest.length < 20 ? { cursor: null, more: false } : { cursor: null, more: true };
      state.set({
        messages: joined.messages,
        older: joined.overlap && older ? older : begins,
        roomState: "ready",
        ...(roomState !== "ready" && { notice: null }),
      });
      unconfirmed = unconfirmed.filter(
        ({ text }) => !newest.some((message) => message.author === me() && message.text === text),
      );
      if (unconfirmed[0]?.lost) giveBack("The connection was lost before this was delivered. Send it again.");
    },
    online_users: (people) => state.set({ people }),
    error({ message, code }) {
      if (state.get().roomState === "loading") {
        const missing = ["CHANNEL_NOT_FOUND", "MISSING_ROOM", "INVALID_ROOM_FORMAT"].includes(code);
        state.set({ roomState: missing ? "missing" : "failed" });
        if (missing) loadChannels();
        else notice(message);
      } else giveBack(message);
    },
    voice_joined: ({ channelId }) => state.set({ voice: { channelId, members: new Map() } }),
    voice_left: () => state.set({ voice: null }),
    voice_error: ({ message }) => notice(message),
    voiceMember(socketId, nickname) {
      const { voice } = state.get();
      if (voice) state.set({ voice: { ...voice, members: new Map(voice.members).set(socketId, nickname) } });
    },
    user_left_voice({ socketId }) {
      const { voice } = state.get();
      if (!voice) return;
      const members = new Map(voice.members);
      members.delete(socketId);
      state.set({ voice: { ...voice, members } });
    },
  };

  /** The room stands in the address, so that a reload, a bookmark and the back button lead to it. */
  function followAddress() {
    const { channels, room } = state.get();
    const named = roomInAddress();
    const next = named || room || channels?.find(({ type }) => type === "text")?.id;
    if (next && !named) history.replaceState(null, "", `#${encodeURIComponent(next)}`);
    if (next && next !== room) enterRoom(next);
  }

  const seen = () => document.visibilityState === "visible" && online() && loadChannels();
  const timer = setInterval(seen, CHANNELS_AGAIN);
  addEventListener("hashchange", followAddress);
  document.addEventListener("visibilitychange", seen);
  // A token that has died shows at the first request; no socket is opened with it then.
  loadChannels().then(() => {
    if (!closed) socket = openSocket(state.get().me, heard);
  });

  return {
    open(room) {
      if (location.hash === `#${encodeURIComponent(room)}` && state.get().roomState !== "ready") enterRoom(room);
      else location.hash = encodeURIComponent(room);
    },
    /** Sends a typed line; what it answers, if anything, is why not. */
    say(line) {
      const said = readLine(
        line,
        state.get().people.map(({ nickname }) => nickname),
      );
      if (said.problem) return said.problem;
      if (!said.text) return null;
      if (!online()) return "Not connected. Your text stays here until the connection is back.";
      if (state.get().roomState !== "ready") return "The channel is still opening.";
      notice(null);
      unconfirmed.push({ line, text: said.text });
      if (said.to) socket.send("private_message", { to: said.to, text: said.text });
      else socket.send("message", { text: said.text });
      return null;
    },
    async createChannel(channel) {
      const created = await api.createChannel(channel);
      await loadChannels();
      if (created.type === "text") this.open(created.id);
      return created;
    },
    joinVoice: (channelId) => (online() ? socket.send("join_voice_channel", { channelId }) : notice("Not connected.")),
    leaveVoice() {
      socket.send("leave_voice_channel");
      state.set({ voice: null });
    },
    /** One page of what is older than anything shown. The first page only finds out where to go on. */
    async loadOlder() {
      const { room } = state.get();
      const before = state.get().messages.length;
      while (state.get().room === room && state.get().older?.more && state.get().messages.length === before) {
        const page = await api.messages(room, state.get().older.cursor);
        if (closed || state.get().room !== room) return;
        state.set({
          messages: merged(state.get().messages, page.messages),
          older: { cursor: page.before, more: page.before !== null },
        });
      }
    },
    channel: known,
    dismiss: () => notice(null),
    close() {
      closed = true;
      clearInterval(timer);
      removeEventListener("hashchange", followAddress);
      document.removeEventListener("visibilitychange", seen);
      socket?.close();
    },
  };
}
