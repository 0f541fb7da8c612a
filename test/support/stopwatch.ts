const TICK_MS = 5;
let awake = 0;
let ticked = performance.now();

setInterval(() => {
  const now = performance.now();
  awake += Math.min(now - ticked, TICK_MS * 4);
  ticked = now;
}, TICK_MS).unref();

/** Starts measuring; answers the milliseconds since in which this process was allowed to run, whatever else the machine does. */
export function stopwatch(): () => number {
  const begun = awake;
  return () => awake - begun;
}
