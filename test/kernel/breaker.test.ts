import { describe, expect, it } from "vitest";
import { createBreaker } from "../../src/kernel/breaker.ts";

function fixture() {
  const time = { now: 0 };
  const ramp = { first: 2, doubleEveryMs: 100, all: 16 };
  return { time, breaker: createBreaker({ strikes: 3, ramp, now: () => time.now }) };
}

describe("breaker", () => {
  it("admits nobody before a first probe went well", () => {
    const { breaker } = fixture();
    expect(breaker.open).toBe(true);
    expect(breaker.admits(0)).toBe(false);
  });

  it("admits a few, then twice as many, then all", () => {
    const { breaker, time } = fixture();
    breaker.close();
    expect([0, 1, 2].map(breaker.admits)).toEqual([true, true, false]);
    time.now = 100;
    expect([3, 4].map(breaker.admits)).toEqual([true, false]);
    time.now = 200;
    expect([7, 8].map(breaker.admits)).toEqual([true, false]);
    time.now = 300;
    expect(breaker.admits(15)).toBe(true);
    expect(breaker.admits(1_000_000)).toBe(true);
  });

  it("opens when so many in a row expire, and says so once", () => {
    const { breaker } = fixture();
    breaker.close();
    const expire = (sentAt: number) => breaker.expired(sentAt, sentAt + 100);
    expect([0, 100].map(expire)).toEqual([false, false]);
    breaker.answered();
    expect([250, 400, 550].map(expire)).toEqual([false, false, true]);
    expect(breaker.open).toBe(true);
    expect(expire(700)).toBe(false);
  });

  it("counts one pause once, however many wait for it", () => {
    const { breaker } = fixture();
    breaker.close();
    const expire = (sentAt: number) => breaker.expired(sentAt, sentAt + 100);
    expect([0, 0, 10, 50, 99].map(expire)).toEqual([false, false, false, false, false]);
    expect([100, 150, 199].map(expire)).toEqual([false, false, false]);
    expect(expire(200)).toBe(true);
  });

  it("begins its ramp anew after each opening", () => {
    const { breaker, time } = fixture();
    breaker.close();
    time.now = 1_000;
    expect(breaker.admits(100)).toBe(true);
    breaker.trip();
    expect(breaker.admits(0)).toBe(false);
    breaker.close();
    expect([1, 2].map(breaker.admits)).toEqual([true, false]);
  });
});
