import { beforeEach, describe, expect, it } from "vitest";
import { createEvents } from "../../src/kernel/events.ts";
import { createStatus, type Status } from "../../src/redis/status.ts";
import type { DoorEvents } from "../../src/redis/types.ts";
import { createRecorder } from "../support/recorder.ts";

describe("what the log has of the state of Redis", () => {
  let log: ReturnType<typeof createRecorder>;
  let status: Status;
  const told = () => log.lines.map(({ level, message }) => `${level}: ${message}`);
  beforeEach(() => {
    log = createRecorder();
    status = createStatus(
      { state: "recovering", reason: "connecting for the first time" },
      { where: "redis.example:6379", events: createEvents<DoorEvents>(), log, clock: { now: () => 0 } },
    );
  });

  it("is each reason of an outage once, with the address", () => {
    for (const reason of ["no server has answered yet", "refused", "refused", "no server has answered yet", "refused"])
      status.set("down", reason);
    expect(told()).toEqual([
      "warn: Redis at redis.example:6379 is out; going on without it (no server has answered yet)",
      "warn: Redis at redis.example:6379 is still out (refused)",
    ]);
    expect(status.reason).toBe("refused");
  });

  it("is the same reason again in the next outage", () => {
    status.set("down", "refused");
    status.set("recovering", "Redis answers");
    status.set("recovering", "a stage failed");
    status.set("up", "in order");
    status.set("down", "refused");
    expect(told().map((line) => line.split(/[;(]/)[0]?.trim())).toEqual([
      "warn: Redis at redis.example:6379 is out",
      "info: Redis comes back",
      "info: Redis is in use",
      "warn: Redis at redis.example:6379 is out",
    ]);
  });

  it("is that Redis is wanted again, before anybody knows whether it comes", () => {
    status.set("disabled", "the kill switch is on");
    status.set("recovering", "the kill switch is off");
    status.set("down", "refused");
    expect(told().slice(1)).toEqual([
      "info: Redis is wanted again; connecting (the kill switch is off)",
      "warn: Redis at redis.example:6379 is out; going on without it (refused)",
    ]);
  });
});
