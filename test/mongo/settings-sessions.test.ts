import { describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { bootSettings } from "../../src/mongo/settings-boot.ts";
import { readSettings, type SettingsDocument, unusable } from "../../src/mongo/settings-document.ts";
import { readSessionSettings } from "../../src/mongo/settings-sessions.ts";

const ramp = { to: 100, step: 10, everyMs: 600_000, next: new Date() };
const dial = { mode: "serve", percent: 10, oldServers: true } as const;

describe("the dial as it is stored", () => {
  it.each([
    ["a whole one", { ...dial, ramp }],
    ["one without a ramp", dial],
    ["one turned by a fraction", { ...dial, percent: 0.125 }],
    ["one with what a newer server keeps in it", { ...dial, invented: { later: 1 } }],
  ])("can be %s", (_, stored) => {
    expect(readSessionSettings(stored)).toEqual(stored);
  });

  it("says that old servers run while nobody says otherwise", () => {
    expect(readSessionSettings({ mode: "off", percent: 0 })).toEqual({ mode: "off", percent: 0, oldServers: true });
  });

  it.each([
    ["nothing", undefined],
    ["null", null],
    ["a number", 50],
    ["a mode that is none", { ...dial, mode: "on" }],
    ["more than everything", { ...dial, percent: 100.1 }],
    ["less than nothing", { ...dial, percent: -1 }],
    ["no number", { ...dial, percent: Number.NaN }],
    ["a text", { ...dial, percent: "50" }],
    ["a ramp without an end", { ...dial, ramp: { ...ramp, to: undefined } }],
    ["a ramp that stands", { ...dial, ramp: { ...ramp, step: 0 } }],
    ["a ramp in no time", { ...dial, ramp: { ...ramp, everyMs: 0 } }],
    ["a ramp without a next step", { ...dial, ramp: { ...ramp, next: "soon" } }],
  ])("is never %s", (_, stored) => {
    expect(readSessionSettings(stored)).toBeUndefined();
    expect(unusable({ sessions: stored as never })).toBe("sessions");
  });

  it("begins where the environment says, and keeps that while the document says nothing of it", () => {
    const config = loadConfig({ SESSION_REDIS_MODE: "shadow", SESSION_REDIS_PERCENT: "12.5" });
    const boot = bootSettings(config);
    expect(boot.sessions).toEqual({ mode: "shadow", percent: 12.5, oldServers: true });
    const older: SettingsDocument = { _id: "settings", revision: 4, changedAt: new Date(), redisDisabled: true };
    const asFarAsSaid = { revision: 4, redisDisabled: true, sessions: boot.sessions, caches: {} };
    expect(readSettings(older, boot)).toEqual(asFarAsSaid);
    expect(readSettings({ ...older, sessions: dial }, boot).sessions).toEqual(dial);
  });
});
