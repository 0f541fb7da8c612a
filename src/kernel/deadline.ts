/** Somebody who waits for a reply. It stays in line until the reply is there, even when its own time is up. */
export interface Wait {
  readonly since: number;
  readonly due: number;
  readonly onDue: () => void;
  expired: boolean;
  left: boolean;
  before: Wait | undefined;
  after: Wait | undefined;
}

/** Those who wait for replies of the same origin, oldest first. */
export interface Line {
  readonly size: number;
  /** `onDue` is called once, when `ms` have passed without `done`. */
  add(ms: number, onDue: () => void): Wait;
  /** The reply is there; true when it came in time. */
  done(wait: Wait): boolean;
  /** Milliseconds that the process was awake; jumps by a tick. */
  now(): number;
  /** How long the oldest has been waiting; 0 when nobody is. */
  age(): number;
  /** Ends the line: the time of everybody in it is up now, and of whoever comes later at once. */
  clear(): void;
}

export interface LineOptions {
  /** When the oldest has waited for longer, `onStuck` is called, once until somebody new is the oldest. */
  patienceMs?: number;
  onStuck?: (ageMs: number) => void;
}

export interface Deadlines {
  line(options?: LineOptions): Line;
  /** What the promise comes to, or a rejection when it comes to nothing within `ms`. */
  within<T>(ms: number, promise: Promise<T>, late: () => Error): Promise<T>;
  close(): void;
}

const TICK_MS = 5;
const IDLE_TICKS = 200;
/** A process that was busy itself for longer between two ticks must not blame the other side for it. */
const MOST_PER_TICK_MS = 50;

function expire(wait: Wait): void {
  if (wait.expired) return;
  wait.expired = true;
  wait.onDue();
}

/** Deadlines without a timer each: one ticks for all lines while anybody waits, in time that the process was awake. */
export function createDeadlines(): Deadlines {
  const lines = new Set<{ size: number; judge(): void }>();
  let awake = 0;
  let ticked = 0;
  let idle = 0;
  let timer: NodeJS.Timeout | undefined;
  let judging = false;

  function judge(): void {
    judging = false;
    let waiting = 0;
    for (const line of lines) {
      line.judge();
      waiting += line.size;
    }
    idle = waiting > 0 ? 0 : idle + 1;
    if (idle > IDLE_TICKS) stop();
  }

  function tick(): void {
    const now = performance.now();
    awake += Math.min(now - ticked, MOST_PER_TICK_MS);
    ticked = now;
    if (judging) return;
    judging = true;
    // After the sockets have been read: a reply that has already arrived is never late.
    setImmediate(judge);
  }

  function start(): void {
    idle = 0;
    if (timer) return;
    ticked = performance.now();
    timer = setInterval(tick, TICK_MS).unref();
  }

  function stop(): void {
    clearInterval(timer);
    timer = undefined;
  }

  function createLine({ patienceMs = Number.POSITIVE_INFINITY, onStuck = () => {} }: LineOptions): Line {
    let first: Wait | undefined;
    let last: Wait | undefined;
    let size = 0;
    let stuck: Wait | undefined;
    let over = false;

    const line: Line & { judge(): void } = {
      get size() {
        return size;
      },
      add(ms, onDue) {
        const wait: Wait = {
          since: awake,
          due: awake + ms + TICK_MS,
          onDue,
          expired: false,
          left: over,
          before: last,
          after: undefined,
        };
        if (over) {
          // In its own turn: the caller must have the wait before it is told.
          queueMicrotask(() => expire(wait));
          return wait;
        }
        if (size === 0) lines.add(line);
        if (!timer) start();
        if (last) last.after = wait;
        else first = wait;
        last = wait;
        size += 1;
        return wait;
      },
      done(wait) {
        if (wait.left) return false;
        wait.left = true;
        if (wait.before) wait.before.after = wait.after;
        else first = wait.after;
        if (wait.after) wait.after.before = wait.before;
        else last = wait.before;
        size -= 1;
        return !wait.expired;
      },
      now: () => awake,
      age: () => (first ? awake - first.since : 0),
      clear() {
        over = true;
        const waits: Wait[] = [];
        for (let wait = first; wait; wait = wait.after) waits.push(wait);
        first = last = stuck = undefined;
        size = 0;
        lines.delete(line);
        for (const wait of waits) wait.left = true;
        for (const wait of waits) expire(wait);
      },
      judge() {
        for (let wait = first; wait; ) {
          const next: Wait | undefined = wait.after;
          if (!wait.left && wait.due <= awake) expire(wait);
          wait = next;
        }
        if (!first || first === stuck || awake - first.since < patienceMs) return;
        stuck = first;
        onStuck(awake - first.since);
      },
    };
    return line;
  }

  const common = createLine({});

  return {
    line: (options = {}) => createLine(options),
    within: (ms, promise, late) =>
      new Promise((resolve, reject) => {
        const wait = common.add(ms, () => reject(late()));
        const leave = () => common.done(wait);
        promise.then(resolve, reject).finally(leave);
      }),
    close() {
      stop();
      lines.clear();
    },
  };
}
