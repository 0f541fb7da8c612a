import type { Seen } from "../topology/traffic.ts";
import type { Loss } from "./losses.ts";

export interface Row extends Seen {
  readonly fault: string;
  readonly seconds: number;
  readonly detectMs: number;
  /** From the moment somebody begins to restore until the chat is as it was. */
  readonly rtoSeconds: number;
  /** How much of what this store had acknowledged is gone; undefined for all of it. */
  readonly rpoSeconds: number | undefined;
  /** How old the backup was; undefined for none. */
  readonly ageSeconds: number | undefined;
  /** What went with MongoDB, of what people did after the backup. */
  readonly undone: { readonly logouts: number; readonly logins: number };
}

export const mostRto = 300;
/** Beyond the age of the backup: the append-only file is written once a second. */
export const mostBeyond = 1.5;

/** What a store lost that the last copy of it, or its own disk, should have had. */
export const beyond = ({ rpoSeconds, ageSeconds }: Row): number | undefined =>
  rpoSeconds === undefined || ageSeconds === undefined ? undefined : Math.max(0, rpoSeconds - ageSeconds);

export function judge(row: Row, loss: Loss): string[] {
  const { fault, errors, lost, revived, stale, rtoSeconds, rpoSeconds, undone } = row;
  const over = beyond(row) ?? 0;
  const hasCopy = loss.backup !== undefined || loss.survives === true;
  const wrongs: [boolean, string][] = [
    [loss.of === "Redis" && errors > 0, `${errors} requests failed`],
    [lost > 0, `${lost} times a session was lost`],
    [revived > 0, `${revived} times somebody who had logged out was in again`],
    [stale > 0, `${stale} times a list or a history was not MongoDB's`],
    [rtoSeconds > mostRto, `it took ${rtoSeconds.toFixed(0)} s`],
    [hasCopy && rpoSeconds === undefined, "nothing of the copy came back"],
    [!hasCopy && rpoSeconds !== undefined, "an emptied Redis still had what was lost"],
    [over > mostBeyond, `${over.toFixed(1)} s more are lost than the copy is old`],
    [loss.of === "Redis" && undone.logouts + undone.logins > 0, "MongoDB lost a login or a logout, too"],
    [
      loss.of === "MongoDB" && undone.logouts + undone.logins === 0,
      "MongoDB was not taken back: the copy was too young",
    ],
  ];
  return wrongs.flatMap(([wrong, words]) => (wrong ? [`${fault}: ${words}`] : []));
}
