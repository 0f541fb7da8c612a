import type { Toolbox } from "./toolbox.ts";

/** The ids of the living sessions in order, so that whoever stopped can go on behind the last one. */
export async function* livingIds(box: Toolbox, after: string | undefined, portion: number): AsyncGenerator<string[]> {
  let last = after;
  for (;;) {
    const behind = last === undefined ? {} : { _id: { $gt: last } };
    const found = await box.sessions
      .find({ ...behind, ...box.alive() }, { projection: { _id: 1 } })
      .sort({ _id: 1 })
      .limit(portion)
      .toArray();
    const ids = found.map(({ _id }) => _id);
    if (ids.length > 0) yield ids;
    if (ids.length < portion) return;
    last = ids.at(-1);
  }
}

/** The ids of all copies, as SCAN finds them: some more than once, those made or dropped meanwhile perhaps not. */
export async function* copiedIds({ door, prefix, insist }: Toolbox, portion: number): AsyncGenerator<string[]> {
  const pattern = `${prefix.replaceAll(/[\\*?[\]]/g, "\\$&")}*`;
  let cursor = "0";
  do {
    const at = cursor;
    const page = await insist(() =>
      door.call("session.scan", (redis) => redis.scan(at, { MATCH: pattern, COUNT: portion })),
    );
    cursor = String(page.cursor);
    const ids = page.keys.map((key) => String(key).slice(prefix.length));
    if (ids.length > 0) yield ids;
  } while (cursor !== "0");
}
