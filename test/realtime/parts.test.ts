import { describe, expect, it } from "vitest";
import { createBatch } from "../../src/realtime/batch.ts";
import { signedSid } from "../../src/realtime/cookies.ts";
import { createPace } from "../../src/realtime/pace.ts";
import { createRecentIds } from "../../src/realtime/recent-ids.ts";
import { createRoster } from "../../src/realtime/roster.ts";
import { createWork } from "../../src/realtime/work.ts";
import { createRecorder } from "../support/recorder.ts";
import { until } from "../support/until.ts";

describe("the line of work of a socket", () => {
  it("does one thing after the other, and the next although one failed", async () => {
    const work = createWork({ deadlineMs: 5_000 });
    const seen: string[] = [];
    work.add(async () => {
      await Promise.resolve();
      seen.push("first");
    }, console.error);
    work.add(
      () => Promise.reject(new Error("no")),
      (error) => void seen.push(String(error)),
    );
    work.add(async () => void seen.push("third"), console.error);
    await work.idle();
    expect(seen).toEqual(["first", "Error: no", "third"]);
  });

  it("says once what is late, does not begin it any more, and refuses what finds the line full", async () => {
    const work = createWork({ deadlineMs: 30, length: 2 });
    const failed: string[] = [];
    let letGo = () => {};
    const fail = (name: string) => (error: unknown) => failed.push(`${name}: ${(error as { code: string }).code}`);
    const slow = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const begun: string[] = [];
    work.add(() => slow, fail("slow"));
    work.add(async () => void begun.push("waiting"), fail("waiting"));
    work.add(async () => {}, fail("waiting too"));
    work.add(async () => {}, fail("one too many"));
    expect(failed).toEqual(["one too many: RATE_LIMITED"]);
    await until(() => failed.length === 4);
    letGo();
    await work.idle();
    expect(failed).toEqual([
      "one too many: RATE_LIMITED",
      "slow: UNAVAILABLE",
      "waiting: UNAVAILABLE",
      "waiting too: UNAVAILABLE",
    ]);
    expect(begun).toEqual([]);
  });
});

describe("a batch", () => {
  const merge = (_older: number, newer: number) => newer;

  it("writes together what comes together, the newest of a key", async () => {
    const written: [string, number][][] = [];
    const write = async (entries: [string, number][]) => void written.push(entries);
    const batch = createBatch({ name: "Test", write, merge, log: createRecorder(), everyMs: 5 });
    batch.put("a", 1);
    batch.put("b", 2);
    batch.put("a", 3);
    expect(batch.get("a")).toBe(3);
    await until(() => written.length > 0);
    expect(written).toEqual([
      [
        ["a", 3],
        ["b", 2],
      ],
    ]);
    await batch.close();
  });

  it("lets what may wait go with what may not", async () => {
    const written: [string, number][][] = [];
    const write = async (entries: [string, number][]) => written.push(entries);
    const batch = createBatch({ name: "Test", write, merge, log: createRecorder(), everyMs: 1, laterMs: 600_000 });
    batch.put("a", 1, "later");
    batch.put("b", 2);
    await until(() => written.length > 0);
    expect(written.flat()).toEqual([
      ["a", 1],
      ["b", 2],
    ]);
    batch.put("c", 3, "later");
    await batch.close();
    expect(written.flat().at(-1)).toEqual(["c", 3]);
  });

  it("keeps what could not be written, newer values first, and says so once", async () => {
    const log = createRecorder();
    const written = new Map<string, number>();
    let failures = 3;
    const write = async (entries: [string, number][]) => {
      if (failures-- > 0) throw new Error("away");
      for (const [key, value] of entries) written.set(key, value);
    };
    const batch = createBatch({ name: "Test", write, merge, log, everyMs: 1, retryMs: 5 });
    batch.put("a", 1);
    batch.put("b", 1);
    await batch.flush();
    batch.put("a", 2);
    await until(() => written.size === 2);
    expect([...written].sort()).toEqual([
      ["a", 2],
      ["b", 1],
    ]);
    expect(log.said("warn", /cannot be written/)).toHaveLength(1);
    expect(log.said("info", /written again/)).toHaveLength(1);
    await batch.close();
  });

  it("gives up the oldest rather than fill the memory", async () => {
    const batch = createBatch({
      name: "Test",
      write: () => Promise.reject(new Error("away")),
      merge,
      log: createRecorder(),
      retryMs: 60_000,
      most: 10,
    });
    for (let i = 0; i < 100; i++) batch.put(`key ${i}`, i);
    expect(batch.get("key 89")).toBeUndefined();
    expect(batch.get("key 99")).toBe(99);
    await batch.close();
  });
});

it("remembers the newest ids, and no more than twice as many as asked", () => {
  const ids = createRecentIds(100);
  for (let i = 0; i < 1_000; i++) expect(ids.add(`id ${i}`)).toBe(true);
  for (let i = 900; i < 1_000; i++) expect(ids.add(`id ${i}`)).toBe(false);
  expect(ids.has("id 799")).toBe(false);
});

it("a roster that has stopped still lists who is there, and lets nobody leave by time", async () => {
  const gone: string[] = [];
  const roster = createRoster(1, ({ userId }) => gone.push(userId));
  const [ann, bob] = ["ann", "bob"].map((userId) => ({ userId, nickname: userId, role: "member" as const }));
  for (const member of [ann, bob]) if (member) roster.add(member, `socket of ${member.userId}`);
  roster.remove("ann", "socket of ann", "lost");
  roster.stop();
  await until(() => new Promise<boolean>((resolve) => setTimeout(resolve, 10, true)));
  expect(roster.list()).toEqual([ann, bob]);
  expect(gone).toEqual([]);
});

it("counts signals per window", () => {
  let now = 0;
  const pace = createPace(2, 100, { now: () => now });
  expect([pace(), pace(), pace()]).toEqual([true, true, false]);
  now = 100;
  expect(pace()).toBe(true);
});

describe("the cookie of a session", () => {
  // Signed by express-session's own cookie-signature with "keyboard cat".
  const signed = "s:abc.BpxCrWRpvZMh/wk/djl34N+m+VQEU7K/5WenLwJCgFU";
  it("gives the sid only when one of the secrets signed it", () => {
    const header = `theme=dark; chatSession=${encodeURIComponent(signed)}; x=y`;
    expect(signedSid(header, "chatSession", ["new", "keyboard cat"])).toBe("abc");
    expect(signedSid(header, "chatSession", ["new"])).toBeUndefined();
    expect(signedSid(header, "other", ["keyboard cat"])).toBeUndefined();
  });

  it.each([
    undefined,
    "",
    "chatSession",
    "chatSession=",
    "chatSession=abc",
    "chatSession=s:",
    "chatSession=s:.",
    "chatSession=s%3Aabc.%E0%A4%A",
    `chatSession=${signed}x`,
  ])("is nothing when it reads %j", (header) => {
    expect(signedSid(header, "chatSession", ["keyboard cat"])).toBeUndefined();
  });
});
