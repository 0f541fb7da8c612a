/** Time as an argument, so that a test can own it. */
export interface Clock {
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

let turn = 0;
const ended = (): void => {
  turn = 0;
};

/**
 * `performance.now()`, read once in a turn of the event loop: for hot paths, where many answers come in one turn and
 * the clock costs more than what is timed.
 */
export function turnTime(): number {
  if (turn === 0) {
    turn = performance.now();
    setImmediate(ended);
  }
  return turn;
}
