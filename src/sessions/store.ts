import { type Session, type SessionData, Store } from "express-session";
import { turnTime } from "../kernel/clock.ts";
import { passBase, setBorn } from "./bases.ts";
import { type Callback, call, createAnswerer } from "./callbacks.ts";
import { createFloors } from "./floors.ts";
import { createLists } from "./lists.ts";
import { createParts, type Parts, type RolloutOptions } from "./parts.ts";
import { createReads } from "./reads.ts";
import { createShadow } from "./shadow.ts";
import type { SessionEventSource, SessionStats } from "./types.ts";
import { createWrites } from "./writes.ts";

type Request = Parameters<Store["createSession"]>[0];

export interface RolloutParts extends Parts {
  /** Copies one session to Redis as MongoDB has it; false: there is none, or somebody writes it meanwhile. */
  copy(id: string): Promise<boolean>;
}

/** A session store as express-session wants it, whose reads move between MongoDB and Redis by a dial. */
export class RolloutStore extends Store {
  readonly events: SessionEventSource;
  /** For tools and tests; an app needs none of it. */
  readonly parts: RolloutParts;
  /** MongoDB has been asked for the first time. It need not be awaited: until then MongoDB answers everything. */
  readonly ready: Promise<void>;
  readonly #aside = new Set<Promise<unknown>>();
  readonly #answer;
  readonly #reads;
  readonly #writes;
  readonly #lists;

  constructor(options: RolloutOptions) {
    super();
    const parts = createParts(options);
    const floors = createFloors(parts.timing.floor);
    const aside = (work: Promise<unknown>) => this.#runAside(work);
    const compare = createShadow({ parts, reads: () => this.#reads, aside });
    this.#reads = createReads({ parts, floors, aside, compare });
    this.#writes = createWrites({ parts, floors, aside });
    this.#lists = createLists(parts, floors);
    this.#answer = createAnswerer(parts.deadlines, parts.operationMs, options.trouble);
    this.parts = { ...parts, copy: async (id) => (await this.#reads.copied(id)).copying };
    this.events = parts.events;
    this.ready = parts.trust.epoch.refresh();
    this.#markBorn();
  }

  override get(sid: string, callback: Callback<SessionData | null>): void {
    const begun = turnTime();
    const id = this.#idFor(sid, callback);
    if (id === undefined) return;
    const asks = this.#reads.ask(id, begun, (asked) => {
      const session = this.#reads.hit(id, asked, begun);
      if (!session) return this.#read(sid, id, callback, () => this.#reads.get(id, asked));
      this.#tell("get", sid);
      call(callback, null, session);
    });
    if (!asks) this.#read(sid, id, callback, () => this.#reads.get(id));
  }

  override set(sid: string, session: SessionData, callback?: Callback<void>): void {
    this.#answer("save a session", callback, () => this.#save(sid, session));
  }

  override touch(sid: string, session: SessionData, callback?: Callback<void>): void {
    this.#answer("touch a session", callback, async () => {
      if (await this.#writes.touch(this.parts.idOf(sid), session)) this.#tell("touch", sid, session);
    });
  }

  override destroy(sid: string, callback?: Callback<void>): void {
    this.#answer("destroy a session", callback, async () => {
      await this.#writes.destroy(this.parts.idOf(sid));
      this.#tell("destroy", sid);
    });
  }

  override all(callback: Callback<SessionData[]>): void {
    this.#answer("list the sessions", callback, async () => {
      const sessions = await this.#lists.all();
      this.#tell("all", sessions);
      return sessions;
    });
  }

  override length(callback: Callback<number>): void {
    this.#answer("count the sessions", callback, () => this.#lists.length());
  }

  ids(callback: Callback<string[]>): void {
    this.#answer("list the sessions", callback, () => this.#lists.ids());
  }

  override clear(callback?: Callback<void>): void {
    this.#answer("end all sessions", callback, () => this.#lists.clear());
  }

  override createSession(req: Request, data: SessionData): Session & SessionData {
    const session = super.createSession(req, data);
    passBase(data, session);
    return session;
  }

  stats(): SessionStats {
    const { dial, trust, options } = this.parts;
    const { mode, percent } = dial.current;
    const doubt = trust.lasting();
    return {
      mode,
      percent,
      readingFrom: doubt || mode !== "serve" ? "mongo" : "redis",
      reason: mode === "serve" ? (doubt ?? "trusted") : mode,
      epoch: trust.epoch.value,
      epochDue: trust.epoch.due,
      streamLive: trust.live,
      streamLagMs: trust.lagMs,
      streamReason: trust.following,
      redis: options.redis.state,
      unsettled: this.#aside.size,
    };
  }

  /** Lets what is under way end. The links to MongoDB and Redis are their owner's to close, afterwards. */
  async close(): Promise<void> {
    // What has failed is mended, aside as well.
    while (this.#aside.size > 0) await Promise.allSettled([...this.#aside]);
    this.#writes.close();
    await this.parts.close();
  }

  #idFor(sid: string, callback: Callback<SessionData | null>): string | undefined {
    try {
      return this.parts.idOf(sid);
    } catch (error) {
      setImmediate(call, callback, error);
      return undefined;
    }
  }

  #read(
    sid: string,
    id: string,
    callback: Callback<SessionData | null>,
    work: () => Promise<SessionData | null>,
  ): void {
    this.#answer("read a session", callback, async () => {
      const session = await work();
      if (!session) this.events.emit("missing", { id, at: this.parts.clock.now() });
      this.#tell("get", sid);
      return session;
    });
  }

  async #save(sid: string, session: SessionData): Promise<void> {
    const done = await this.#writes.set(this.parts.idOf(sid), session);
    if (!done) return;
    this.#tell(done, sid);
    this.#tell("set", sid);
  }

  /** connect-mongo's own events, which an app may listen to; what a listener throws is the process's business. */
  #tell(event: string, ...about: unknown[]): void {
    if (this.listenerCount(event) > 0) call(() => this.emit(event, ...about), null);
  }

  #runAside(work: Promise<unknown>): void {
    const mine = work.finally(() => this.#aside.delete(mine));
    mine.catch(() => undefined);
    this.#aside.add(mine);
  }

  /** express-session sets `generate` on its store; what that makes is new, and its id known to nobody else yet. */
  #markBorn(): void {
    let generate: ((req: Request) => void) | undefined;
    Object.defineProperty(this, "generate", {
      configurable: true,
      get: () => generate,
      set(made: (req: Request) => void) {
        generate = (req) => {
          made(req);
          setBorn(req.session);
        };
      },
    });
  }
}

export function rolloutStore(options: RolloutOptions): RolloutStore {
  return new RolloutStore(options);
}
