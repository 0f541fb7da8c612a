import { expect, it } from "vitest";
import { audit, type Stored, type Wrong } from "../../drills/realtime/audit.ts";
import type { Refused, Said, Visitor } from "../../drills/realtime/visitor.ts";

const began = Date.parse("2026-01-01T00:00:00Z");
const stored = (id: string, text: string, author: string, target: string | null = null): Stored => ({
  ...{ id, text, author, target, type: target ? "private" : "public" },
  at: began + Number(id),
});

function visitor(name: string, shown: readonly Stored[], more: Partial<Visitor> = {}): Visitor {
  const live = shown.map(({ id, at }) => ({ id, timestamp: new Date(at).toISOString() }));
  const about = { name, room: "hall", url: "", closed: false, settled: true, waiting: 0 };
  const told = { present: [], refusals: [], reasons: {} };
  const acts = { say: () => true, whisper: () => true, close() {} };
  return {
    ...about,
    ...told,
    ...acts,
    said: [],
    errors: [],
    stretches: [{ history: live.slice(0, 1), live: live.slice(1) }],
    ...more,
  };
}

const word = stored("1", "word", "ann");
const whisper = stored("2", "whisper", "ann", "bob");
const wrongs = (visitors: Visitor[], mayBreak?: (at: number) => boolean) => {
  const { counts } = audit(visitors, new Map([["hall", [word, whisper]]]), mayBreak);
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)) as Partial<Record<Wrong, number>>;
};

it("a whisper is for its two people, and for nobody else", () => {
  const ann = visitor("ann", [word, whisper]);
  expect(wrongs([ann, visitor("bob", [word, whisper]), visitor("eve", [word])])).toEqual({});
  expect(wrongs([ann, visitor("bob", [word])])).toEqual({ missing: 1 });
  expect(wrongs([ann, visitor("eve", [word, whisper])])).toEqual({ strange: 1 });
});

const said = (text: string, more: Partial<Said> = {}): Said => ({ way: "message", text, at: began, over: 1, ...more });
const of = (more: Partial<Visitor>, mayBreak?: (at: number) => boolean) =>
  wrongs([visitor("ann", [word, whisper], more)], mayBreak);

it("an error excuses one word of its kind, its time and its connection, and no more", () => {
  const error = (after: number, over = 1): Refused => ({ way: "message", words: "", at: began + after, over });
  const one = [said("gone")];
  expect(of({ said: one })).toEqual({ unsaid: 1 });
  expect(of({ said: one, errors: [error(100)] })).toEqual({});
  expect(of({ said: [...one, said("gone too")], errors: [error(100)] })).toEqual({ unsaid: 1 });
  expect(of({ said: [said("gone", { way: "private_message" })], errors: [error(100)] })).toEqual({ unsaid: 1 });
  expect(of({ said: one, errors: [error(-1), error(60_000), error(100, 2)] })).toEqual({ unsaid: 1 });
});

it("a word is in doubt only where connections break before it was shown", () => {
  const one = [said("gone", { unshownFor: 10 })];
  expect(of({ said: one })).toEqual({ unsaid: 1 });
  expect(of({ said: one }, (at) => at === began)).toEqual({});
  expect(of({ said: [said("gone")] }, (at) => at === began)).toEqual({ unsaid: 1 });
});
