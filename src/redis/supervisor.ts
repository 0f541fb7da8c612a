import { createBackoff } from "../kernel/backoff.ts";
import type { Breaker } from "../kernel/breaker.ts";
import { messageOf } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { pause } from "../kernel/pause.ts";
import { type Attachment, type AttachOptions, attach } from "./attachment.ts";
import { describeLoss, type Failure } from "./failure.ts";
import type { Recovery } from "./recovery.ts";
import { compare, type ServerSigns } from "./signs.ts";
import type { Status } from "./status.ts";
import type { Attempt } from "./types.ts";

/** Attaches to Redis, sees to the recovery, watches, and begins again when it is lost. */
export interface Supervisor {
  /** While everybody may use it. */
  readonly trusted: Attachment | undefined;
  /** Also while only the recovery stages may. */
  readonly attached: Attachment | undefined;
  run(): void;
  /** Ends when everything is closed. */
  stop(): Promise<void>;
  /** What a call over the attachment learned of the server. */
  note(failure: Failure, attachment: Attachment): void;
}

interface SupervisorOptions {
  attachOptions: Omit<AttachOptions, "signal" | "onEnd">;
  recovery: Recovery;
  status: Status;
  breaker: Breaker;
  backoffMaxMs: number;
  /** One for each attempt to connect. */
  onAttempt(attempt: Attempt): void;
  log: Log;
}

const BEAT_MS = 500;
/** A server that takes writes again must do so for so many heartbeats. */
const GOOD_BEATS = 2;
/** Between two heartbeats out of turn. */
const LOOK_MS = 100;
const DENIED_MS = 10_000;
/** At the start, servers that do not answer for so long are out. */
const SILENCE_MS = 700;
const STABLE_MS = 10_000;

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { attachOptions, recovery, status, breaker, onAttempt, log } = options;
  const backoff = createBackoff({ maxMs: options.backoffMaxMs });
  let known: readonly ServerSigns[] = [];
  let attached: Attachment | undefined;
  let trusted: Attachment | undefined;
  let running: AbortController | undefined;
  let ended = Promise.resolve();
  let goodBeats = 0;
  let looking = false;
  let lookAt = 0;
  let denied = { words: "", until: 0 };

  function degrade(words: string): void {
    goodBeats = 0;
    if (trusted) status.set("degraded", words);
  }

  function weigh(attachment: Attachment): void {
    if (trusted !== attachment) return;
    const refused = attachment.refused ?? (performance.now() < denied.until ? denied.words : undefined);
    if (refused) degrade(refused);
    else goodBeats += 1;
    if (status.state === "degraded" && goodBeats >= GOOD_BEATS) status.set("up", "Redis takes writes again");
  }

  /** Heartbeats until the signal; the second of each pair is a full one. */
  function watch(attachment: Attachment): () => void {
    let count = 0;
    let busy = false;
    const timer = setInterval(() => {
      if (busy) return;
      busy = true;
      count += 1;
      attachment
        .beat(count % 2 === 0)
        .then(() => weigh(attachment))
        .finally(() => {
          busy = false;
        });
    }, BEAT_MS).unref();
    return () => clearInterval(timer);
  }

  /** A heartbeat out of turn; many refused writes at once are one reason for it. */
  function lookAgain(attachment: Attachment): void {
    if (looking || performance.now() < lookAt) return;
    looking = true;
    lookAt = performance.now() + LOOK_MS;
    void attachment.beat(true).finally(() => {
      looking = false;
    });
  }

  /** Runs the stages until they are through; false when the attachment was lost over it. */
  async function recover(attachment: Attachment, lost: AbortSignal): Promise<boolean> {
    const signs = compare(known, attachment.signs);
    const pauses = createBackoff({ maxMs: options.backoffMaxMs });
    let said = "";
    while (!lost.aborted) {
      try {
        await recovery.run(signs, lost);
        return !lost.aborted;
      } catch (error) {
        if (lost.aborted) break;
        const words = messageOf(error);
        if (words !== said) log.warn({ err: error }, `${words}; Redis stays unused until it goes through`);
        said = words;
        status.set("recovering", words);
        await pause(pauses.next(), lost);
      }
    }
    return false;
  }

  async function once(signal: AbortSignal): Promise<void> {
    const lost = new AbortController();
    const attachment = await attach({
      ...attachOptions,
      signal,
      onEnd(why, error) {
        if (trusted) known = trusted.signs;
        attached = trusted = undefined;
        breaker.trip();
        if (!signal.aborted) status.set("down", why, error);
        lost.abort();
      },
    });
    attached = attachment;
    onAttempt({ ok: true, reason: "" });
    const ended = new Promise((resolve) => lost.signal.addEventListener("abort", resolve, { once: true }));
    const unwatch = watch(attachment);
    try {
      status.set("recovering", "Redis answers");
      if (!(await recover(attachment, lost.signal))) return;
      const since = performance.now();
      trusted = attachment;
      breaker.close();
      if (attachment.refused) degrade(attachment.refused);
      else status.set("up", "Redis answers and everything is in order");
      await ended;
      if (performance.now() - since > STABLE_MS) backoff.reset();
    } finally {
      unwatch();
    }
  }

  async function supervise(signal: AbortSignal): Promise<void> {
    const patience = setTimeout(() => {
      if (!attached && status.state === "recovering") status.set("down", "no server has answered yet");
    }, SILENCE_MS).unref();
    signal.addEventListener("abort", () => clearTimeout(patience), { once: true });
    while (!signal.aborted) {
      const begun = performance.now();
      await once(signal).catch((error: unknown) => {
        if (signal.aborted) return;
        onAttempt({ ok: false, reason: describeLoss(error) });
        status.set("down", describeLoss(error), error);
      });
      // From one beginning to the next: an attempt that took its whole time is not punished with a pause as well.
      await pause(backoff.next() - (performance.now() - begun), signal);
    }
  }

  return {
    get trusted() {
      return trusted;
    },
    get attached() {
      return attached;
    },
    run() {
      if (running) return;
      const stop = new AbortController();
      running = stop;
      backoff.reset();
      // Never beside the one before, which may still be closing.
      ended = ended.then(() => supervise(stop.signal));
    },
    stop() {
      running?.abort();
      running = undefined;
      return ended;
    },
    note(failure, attachment) {
      if (failure.verdict === "fine" || attachment !== attached) return;
      if (failure.verdict === "unusable") return attachment.end(failure.words, failure.answer.error);
      if (failure.verdict === "denied") denied = { words: failure.words, until: performance.now() + DENIED_MS };
      degrade(failure.words);
      if (attachOptions.kind === "sentinel") lookAgain(attachment);
    },
  };
}
