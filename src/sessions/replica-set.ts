import type { Log } from "../kernel/log.ts";
import { howToReplicate } from "../kernel/replica-set.ts";
import type { SessionDial, SessionEventSource } from "./types.ts";

/** Says once that the dial is turned in vain: without a change stream no copy can be believed. */
export function warnWithoutReplicaSet(events: SessionEventSource, dial: SessionDial, log: Log): () => void {
  let absent = false;
  let said = false;

  function consider(): void {
    const { mode, percent } = dial.current;
    if (said || !absent || mode !== "serve" || percent === 0) return;
    said = true;
    log.warn(
      { percent },
      `MongoDB runs without a replica set, so that no session is read from Redis, wherever the dial stands. ${howToReplicate}`,
    );
  }

  const leave = [
    events.on("following", ({ reason }) => {
      absent = reason === "no replica set";
      consider();
    }),
    dial.onChange(consider),
  ];
  return () => {
    for (const one of leave) one();
  };
}
