/**
 * Channels that were not there when they were looked for. A collection that is restored is empty for a moment, so a channel is
 * believed to be gone only once it has been looked for twice.
 */
export interface Missing {
  /** Told of all that are not there at this look; answers those of them that are gone. */
  note(ids: readonly string[]): ReadonlySet<string>;
  close(): void;
}

interface Options {
  /** From the first look to the second. */
  betweenMs: number;
  lookAgain: () => void;
}

export function createMissing({ betweenMs, lookAgain }: Options): Missing {
  const waiting = new Map<string, NodeJS.Timeout>();
  const believed = new Set<string>();

  function expect(id: string): void {
    if (waiting.has(id)) return;
    const timer = setTimeout(() => {
      waiting.delete(id);
      believed.add(id);
      lookAgain();
    }, betweenMs);
    waiting.set(id, timer.unref());
  }

  function forget(id: string): void {
    clearTimeout(waiting.get(id));
    waiting.delete(id);
    believed.delete(id);
  }

  return {
    note(ids) {
      for (const id of [...waiting.keys(), ...believed]) if (!ids.includes(id)) forget(id);
      const gone = new Set(believed);
      believed.clear();
      for (const id of ids) if (!gone.has(id)) expect(id);
      return gone;
    },
    close() {
      for (const id of [...waiting.keys()]) forget(id);
    },
  };
}
