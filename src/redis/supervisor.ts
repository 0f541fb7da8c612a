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

/** Attaches to Redis, sees to the recovery, watches, and begins again when it is lost. */
export interface Supervisor {
  /** While everybody may use it. */
  readonly trusted: Attachment | undefined;
  /** Also while only the recovery stages may. */
  readonly attached: Attachment | undefined;
  run(): void;
  /** Ends when everything is closed. */
  stop(): Promise<void>;
  /** What a call learned of the server. */
  note(failure: Failure): void;
}

interface SupervisorOptions {
  attachOptions: Omit<AttachOptions, "signal" | "onEnd">;
  recovery: Recovery;
  status: Status;
  breaker: Breaker;
  backoffMaxMs: number;
  log: Log;
}

const BEAT_MS = 500;
/** A server that takes writes again must do so for so many heartbeats. */
const GOOD_BEATS = 2;
const DENIED_MS = 10_000;
const STABLE_MS = 10_000;

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { attachOptions, recovery, status, breaker, log } = options;
  const backoff = createBackoff({ maxMs: options.backoffMaxMs });
  let known: readonly ServerSigns[] = [];
  let attached: Attachment | undefined;
  let trusted: Attachment | undefined;
  let running: AbortController | undefined;
  let ended = Promise.resolve();
  let goodBeats = 0;
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
      onEnd(why) {
        if (trusted) known = trusted.signs;
        attached = trusted = undefined;
        breaker.trip();
        if (!signal.aborted) status.set("down", why);
        lost.abort();
      },
    });
    attached = attachment;
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
    while (!signal.aborted) {
      const begun = performance.now();
      await once(signal).catch((error: unknown) => {
        if (!signal.aborted) status.set("down", describeLoss(error));
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
    note(failure) {
      if (failure.verdict === "fine") return;
      if (failure.verdict === "unusable") {
        attached?.end(failure.words);
        return;
      }
      if (failure.verdict === "denied") denied = { words: failure.words, until: performance.now() + DENIED_MS };
      degrade(failure.words);
      if (attachOptions.kind === "sentinel") void attached?.beat(true);
    },
  };
}
