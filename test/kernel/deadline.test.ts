import { afterEach, describe, expect, it, vi } from "vitest";
import { createDeadlines } from "../../src/kernel/deadline.ts";
import { until } from "../support/until.ts";

const opened: { close(): void }[] = [];
function deadlines() {
  const made = createDeadlines();
  opened.push(made);
  return made;
}

afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

/** Keeps the process busy, as a long synchronous piece of work would. */
function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe("deadlines", () => {
  it("call everybody whose time is up, once, and keep them in line until their reply", async () => {
    const line = deadlines().line();
    const late = vi.fn();
    const wait = line.add(20, late);
    await until(() => late.mock.calls.length > 0);
    expect(line.size).toBe(1);
    expect(line.age()).toBeGreaterThanOrEqual(20);
    expect(line.done(wait)).toBe(false);
    expect(line.done(wait)).toBe(false);
    expect(line.size).toBe(0);
    expect(late).toHaveBeenCalledOnce();
  });

  it("leave those alone who were answered", async () => {
    const line = deadlines().line();
    const early = vi.fn();
    const late = vi.fn();
    const first = line.add(30, early);
    line.add(60, late);
    expect(line.done(first)).toBe(true);
    await until(() => late.mock.calls.length > 0);
    expect(early).not.toHaveBeenCalled();
  });

  it("take whoever leaves from the front, the middle and the end of a line", () => {
    const line = deadlines().line();
    const waits = [1, 2, 3, 4, 5].map(() => line.add(1_000, () => {}));
    for (const index of [2, 0, 4, 3, 1]) expect(line.done(waits[index] as never)).toBe(true);
    expect(line.size).toBe(0);
    expect(line.age()).toBe(0);
  });

  it("tell of a stuck line by the age of its oldest, again only for another oldest", async () => {
    const onStuck = vi.fn();
    const line = deadlines().line({ patienceMs: 30, onStuck });
    const first = line.add(Number.POSITIVE_INFINITY, () => {});
    await until(() => onStuck.mock.calls.length > 0);
    const seen = vi.fn();
    line.add(40, seen);
    await until(() => seen.mock.calls.length > 0);
    expect(onStuck).toHaveBeenCalledOnce();
    line.done(first);
    await until(() => onStuck.mock.calls.length === 2);
  });

  it("do not blame the other side for what this process was busy with", async () => {
    const line = deadlines().line({ patienceMs: 250, onStuck: () => expect.unreachable() });
    const late = vi.fn();
    const wait = line.add(150, late);
    block(400);
    await new Promise((resolve) => setImmediate(resolve));
    expect(line.done(wait)).toBe(true);
    expect(late).not.toHaveBeenCalled();
  });

  it("end a line at once: everybody in it is told", () => {
    const line = deadlines().line();
    const told = vi.fn();
    const wait = line.add(10_000, () => told(wait.left));
    line.add(10_000, told);
    line.clear();
    expect(told).toHaveBeenCalledTimes(2);
    expect(told).toHaveBeenCalledWith(true);
    expect(line.done(wait)).toBe(false);
    expect(line.size).toBe(0);
  });

  it("let nobody into a line that has ended", async () => {
    const line = deadlines().line();
    line.clear();
    const told = vi.fn();
    const wait = line.add(10_000, told);
    expect(line.size).toBe(0);
    await until(() => told.mock.calls.length > 0);
    expect(line.done(wait)).toBe(false);
    expect(told).toHaveBeenCalledOnce();
  });

  it("bound a promise", async () => {
    const { within } = deadlines();
    await expect(within(1_000, Promise.resolve(7), () => new Error("late"))).resolves.toBe(7);
    await expect(within(10, new Promise(() => {}), () => new Error("late"))).rejects.toThrow("late");
    await expect(within(1_000, Promise.reject(new Error("its own")), () => new Error("late"))).rejects.toThrow(
      "its own",
    );
  });

  it("use one timer for all, and none when nobody has waited for a while", async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const ticking = vi.spyOn(globalThis, "setInterval");
    const line = deadlines().line();
    for (let n = 0; n < 1_000; n += 1) line.done(line.add(100, () => {}));
    expect(ticking).toHaveBeenCalledOnce();
    const stopped = vi.spyOn(globalThis, "clearInterval");
    await until(() => stopped.mock.calls.some(([timer]) => timer === ticking.mock.results[0]?.value));
    expect(timers()).toBeLessThan(10);
    vi.restoreAllMocks();
  });
});
