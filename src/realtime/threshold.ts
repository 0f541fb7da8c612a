/** A channel may be closed between the question whether somebody may enter and the step into it. */
export interface Threshold {
  /** `enter` asks, and steps in. What is told of the channels meanwhile has not judged who comes in: it is judged once more. */
  cross<T>(enter: () => Promise<T>): Promise<T>;
  /** Channels, or who may read them, may be others now. */
  told(): void;
  /** Those who are inside are to be judged again. */
  onMissed(judgeAgain: () => void): void;
}

export function createThreshold(): Threshold {
  let changes = 0;
  let judgeAgain = () => {};
  return {
    async cross(enter) {
      const before = changes;
      try {
        return await enter();
      } finally {
        if (changes !== before) judgeAgain();
      }
    },
    told() {
      changes += 1;
    },
    onMissed(listener) {
      judgeAgain = listener;
    },
  };
}
