import { io, type Socket } from "socket.io-client";

/** What the client shows: of each message when it was stored, and when it came. */
interface Shown {
  readonly id: string;
  readonly timestamp: string;
}

/** From one history to the next: what a client shows between two joins. */
export interface Stretch {
  readonly history: readonly Shown[];
  readonly live: Shown[];
  /** Until the connection ended. */
  endedAt?: number;
}

type Way = "message" | "private_message";

export interface Said {
  readonly way: Way;
  readonly text: string;
  readonly at: number;
  /** Which of this client's connections it went over. */
  readonly over: number;
  /** How old it was when that connection broke before it was shown to who said it: nobody was promised anything. */
  unshownFor?: number;
}

/** What a client was told instead of having its word taken. */
export interface Refused {
  /** Undefined: it was not told which. */
  readonly way: Way | undefined;
  readonly words: string;
  readonly at: number;
  readonly over: number;
}

/** A person with one tab of the shipped client, who is never asked to log in again. */
export interface Visitor {
  readonly name: string;
  readonly room: string;
  /** The server that it came to last. */
  readonly url: string;
  readonly stretches: readonly Stretch[];
  readonly said: readonly Said[];
  readonly reasons: Record<string, number>;
  /** What a client was told instead of being let in, but for a server that is going. */
  readonly refusals: string[];
  readonly errors: readonly Refused[];
  /** Who is in the room, as this client was told last. */
  readonly present: readonly string[];
  /** Gone home, and not to come back. */
  readonly closed: boolean;
  /** In the room, with a history. */
  readonly settled: boolean;
  /** Words that this client has not been shown yet; one that is lost is not waited for all the time. */
  readonly waiting: number;
  /** Whether it was sent: somebody who is not in the room says nothing. */
  say(text: string): boolean;
  /** To somebody in the same room. */
  whisper(to: string, text: string): boolean;
  close(): void;
}

export interface VisitorOptions {
  name: string;
  room: string;
  credentials: { cookie: string; csrfToken: unknown; sessionId: unknown };
  /** Where a balancer sends the next connection. */
  pick: () => string;
  /** Milliseconds from the store of a message on its way to this client. */
  onArrival: (ms: number) => void;
}

export const doubtMs = 1_000;
const waitMs = 5_000;
const reloadMs = 300;
const retryMs = 100;
const failures: Readonly<Record<string, Way | undefined>> = {
  "Failed to send message": "message",
  PRIVATE_MESSAGE_FAILED: "private_message",
  TARGET_USER_NOT_IN_ROOM: "private_message",
};

/** As the shipped client does: comes back at once when it is sent away, and after a reload when the connection is lost. */
export function createVisitor({ name, room, credentials, pick, onArrival }: VisitorOptions): Visitor {
  const { cookie, ...auth } = credentials;
  const stretches: Stretch[] = [];
  const said: Said[] = [];
  const reasons: Record<string, number> = {};
  const refusals: string[] = [];
  const errors: Refused[] = [];
  const waiting = new Map<string, { way: Way; at: number }>();
  let url = "";
  let over = 0;
  let socket: Socket | undefined;
  let open: Stretch | undefined;
  let present: string[] = [];
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  function again(ms: number, mustJoin: boolean): void {
    if (!closed) timer = setTimeout(connect, ms, mustJoin);
  }

  function ended(reason: string): void {
    reasons[reason] = (reasons[reason] ?? 0) + 1;
    const now = Date.now();
    if (open) open.endedAt = now;
    open = undefined;
    const sentAway = reason === "io server disconnect";
    if (!sentAway)
      for (const word of said) if (word.over === over && waiting.has(word.text)) word.unshownFor = now - word.at;
    waiting.clear();
    again(sentAway ? 0 : reloadMs, !sentAway);
  }

  function hear({ id, timestamp, text }: Shown & { text: string }): void {
    waiting.delete(text);
    onArrival(Date.now() - Date.parse(timestamp));
    open?.live.push({ id, timestamp });
  }

  function connect(mustJoin: boolean): void {
    url = pick();
    over += 1;
    const made = io(url, {
      auth,
      transports: ["websocket"],
      reconnection: false,
      forceNew: true,
      extraHeaders: { cookie },
    });
    socket = made;
    made.on("connect", () => {
      if (mustJoin) made.emit("join_room", { room });
    });
    made.on("connect_error", (error) => {
      // The transport's own words mean that nobody is there, or is going.
      if (!/websocket error|xhr/.test(error.message)) refusals.push(error.message);
      made.close();
      again(retryMs, mustJoin);
    });
    made.on("disconnect", (reason) => {
      if (made === socket && !closed) ended(reason);
    });
    made.on("history", (entries: Shown[]) => {
      if (open) open.endedAt = Date.now();
      open = { history: entries.map(({ id, timestamp }) => ({ id, timestamp })), live: [] };
      stretches.push(open);
    });
    made.on("online_users", (members: { nickname: string }[]) => {
      present = members.map(({ nickname }) => nickname);
    });
    made.on("message", hear);
    made.on("private_message", hear);
    made.on("error", ({ message, code = "" }: { message: string; code?: string }) => {
      const way = failures[message] ?? failures[code];
      if (!way && code !== "RATE_LIMITED") return;
      errors.push({ way, words: code || message, at: Date.now(), over });
      const [refused] = [...waiting].find(([, one]) => one.way === (way ?? one.way)) ?? [];
      if (refused) waiting.delete(refused);
    });
  }
  connect(true);

  function send(way: Way, text: string, payload: object): boolean {
    if (!open || !socket?.connected) return false;
    const at = Date.now();
    waiting.set(text, { way, at });
    said.push({ way, text, at, over });
    socket.emit(way, payload);
    return true;
  }

  return {
    name,
    room,
    stretches,
    said,
    reasons,
    refusals,
    errors,
    get url() {
      return url;
    },
    get present() {
      return present;
    },
    get closed() {
      return closed;
    },
    get settled() {
      return open !== undefined && socket?.connected === true;
    },
    get waiting() {
      const since = Date.now() - waitMs;
      return [...waiting.values()].filter(({ at }) => at > since).length;
    },
    say: (text) => send("message", text, { text }),
    whisper: (to, text) => send("private_message", text, { to, text }),
    close() {
      closed = true;
      clearTimeout(timer);
      socket?.close();
    },
  };
}
