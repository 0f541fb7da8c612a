import { io, type Socket } from "socket.io-client";
import { type Browser, createBrowser } from "./http.ts";
import { until } from "./until.ts";

// biome-ignore lint/suspicious/noExplicitAny: a payload is what a test is there to find out
type Payload = any;

interface Heard {
  event: string;
  payload: Payload;
}

/** One socket of one person, as the shipped client opens it, with all that it ever heard in order. */
export interface Ear {
  socket: Socket;
  heard: Heard[];
  all(event: string): Payload[];
  /** The first of that event that fits, heard already or yet to come. */
  hears(event: string, fits?: (payload: Payload) => boolean): Promise<Payload>;
  emit(event: string, ...payload: unknown[]): void;
  /** Joins, and waits for the history; forgets what was heard so far. */
  join(room: string): Promise<Payload[]>;
  forget(): void;
  close(): void;
}

export interface Credentials {
  cookie?: string;
  csrfToken?: unknown;
  sessionId?: unknown;
  transports?: ("websocket" | "polling")[];
}

export function credentialsOf(browser: Browser): Required<Pick<Credentials, "cookie" | "csrfToken" | "sessionId">> {
  const { csrfToken, sessionId } = JSON.parse(Buffer.from(browser.token.split(".")[1] ?? "", "base64url").toString());
  return { cookie: browser.cookie, csrfToken, sessionId };
}

export function createEar(url: string, credentials: Credentials = {}): Ear {
  const { cookie, transports = ["websocket"], ...auth } = credentials;
  const socket = io(url, {
    auth,
    transports,
    reconnection: false,
    forceNew: true,
    autoConnect: false,
    ...(cookie ? { extraHeaders: { cookie } } : {}),
  });
  const heard: Heard[] = [];
  socket.on("connect", () => heard.push({ event: "connect", payload: undefined }));
  socket.on("connect_error", (error) => heard.push({ event: "connect_error", payload: error.message }));
  socket.on("disconnect", (reason) => heard.push({ event: "disconnect", payload: reason }));
  socket.onAny((event, ...payload) => heard.push({ event, payload: payload[0] }));

  const ear: Ear = {
    socket,
    heard,
    all: (event) => heard.filter((one) => one.event === event).map(({ payload }) => payload),
    async hears(event, fits = () => true) {
      const found = await until(() => heard.find((one) => one.event === event && fits(one.payload)), {
        everyMs: 5,
        describe: () => `'${event}' among ${JSON.stringify(heard.slice(-20))}`,
      });
      return found.payload;
    },
    emit: (event, ...payload) => void socket.emit(event, ...payload),
    async join(room) {
      ear.forget();
      socket.emit("join_room", { room });
      return ear.hears("history");
    },
    forget: () => void heard.splice(0),
    close: () => void socket.disconnect(),
  };
  return ear;
}

/** Connected, or the words it was refused with. */
export async function open(ear: Ear): Promise<string> {
  ear.socket.connect();
  const first = await until(() => ear.heard.find(({ event }) => event === "connect" || event === "connect_error"), {
    everyMs: 5,
    describe: "a connection or a refusal",
  });
  return first.event === "connect" ? "connected" : first.payload;
}

export interface Person {
  nickname: string;
  browser: Browser;
  /** Opens one more tab. */
  tab(more?: Credentials): Promise<Ear>;
}

/** A town of people who talk to one server; `leave` closes every tab that was opened. */
export function createTown(url: string) {
  const ears: Ear[] = [];
  let serial = 0;

  function personOf(nickname: string, browser: Browser): Person {
    return {
      nickname,
      browser,
      async tab(more = {}) {
        const ear = createEar(url, { ...credentialsOf(browser), ...more });
        ears.push(ear);
        const answer = await open(ear);
        if (answer !== "connected") throw new Error(`${nickname} was refused: ${answer}`);
        return ear;
      },
    };
  }

  return {
    async person(name = "person"): Promise<Person> {
      const nickname = `${name}-${++serial}`;
      const browser = createBrowser(url);
      const { status, body } = await browser.register(nickname);
      if (status !== 201) throw new Error(`${nickname} could not register: ${status} ${JSON.stringify(body)}`);
      return personOf(nickname, browser);
    },
    /** The same person in another browser. */
    async again(person: Person): Promise<Person> {
      const browser = createBrowser(url);
      await browser.login(person.nickname);
      return personOf(person.nickname, browser);
    },
    /** A channel that nobody else uses. */
    async channel(person: Person, type: "text" | "voice" = "text"): Promise<string> {
      const { body } = await person.browser.post("/api/channels", {
        name: `room ${++serial} ${person.nickname}`,
        type,
      });
      return body.id;
    },
    ear(credentials: Credentials = {}): Ear {
      const ear = createEar(url, credentials);
      ears.push(ear);
      return ear;
    },
    leave() {
      for (const ear of ears) ear.close();
    },
  };
}

export type Town = ReturnType<typeof createTown>;
