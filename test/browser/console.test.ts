import { describe, expect, it } from "vitest";
import { atDesk } from "../support/desk.ts";
import { until } from "../support/until.ts";
import { haveChromium } from "./chromium.ts";
import { confirmWith, openConsoleHouse, shows, tokens } from "./console-house.ts";

const refused = /the server responded with a status of 4\d\d/;

describe.skipIf(!haveChromium)("the console changes what stands in MongoDB:", () => {
  const house = openConsoleHouse("changes");
  const sluice = (...args: string[]) => atDesk(args, { MONGODB_URL: house.mongo, REDIS_URL: house.redis.url });

  it("lets nobody in with a wrong token, keeps the right one out of the address, and ends at logout", async () => {
    const { page } = await house.open(tokens.full, { expected: refused });
    expect(page.url()).toBe(`${house.chat.url}/ops`);
    await page.reload();
    await page.getByText("live", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByText("You are logged out.").waitFor();
    await page.reload();
    await page.getByLabel("Token").fill("not this one");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("alert").getByText("This is not the console's token.").waitFor();
    await page.getByLabel("Token").fill(tokens.full);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("live", { exact: true }).waitFor();
  });

  it("opens for somebody who is not in without a complaint of the browser", async () => {
    const { page } = await house.open();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByText("You are logged out.").waitFor();
    await page.reload();
    await page.locator("#token:focus").waitFor();
  });

  it("the dial, by its steps, by hand, and with the keyboard alone", async () => {
    await house.sessions(8);
    const { page } = await house.open();
    await page.getByRole("button", { name: "50", exact: true }).click();
    await shows(page, "#moving", /From 0 % to 50 %: about \d+ of \d+ live sessions move to Redis\./);
    await page.getByRole("button", { name: "Turn the dial…" }).click();
    await page
      .getByRole("dialog")
      .getByText(/live sessions move to Redis/)
      .waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Turn it" }).click();
    expect((await house.stored()).line).toBeUndefined();
    await confirmWith(page, "Turn it", "half of them");
    const { settings, line } = await house.stored();
    expect(settings).toMatchObject({ sessions: { mode: "serve", percent: 50, oldServers: true } });
    expect(line).toMatchObject({ _id: 1, who: "console at 127.0.0.1", why: "half of them" });
    await shows(page, "#share", "50 %");
    await shows(page, "#history", "half of them");

    await page.locator("#slider").focus();
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowLeft");
    for (let step = 0; step < 20; step++) {
      await page.keyboard.press("Tab");
      if ((await page.evaluate("document.activeElement.id")) === "turn") break;
    }
    await page.keyboard.press("Enter");
    await page.locator("#reason:focus").waitFor();
    await page.keyboard.type("by keyboard");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor({ state: "hidden", timeout: 30_000 });
    expect((await house.stored()).settings).toMatchObject({ sessions: { percent: 48 } });
    await page.locator("#turn:disabled").waitFor();
    await page.locator("#dial-title:focus").waitFor();
  });

  it("the mode, and whether old servers run beside", async () => {
    const { page } = await house.open();
    await page.getByLabel("Mode").selectOption("shadow");
    await page.getByLabel("Old servers run beside").uncheck();
    await page.getByRole("button", { name: "Turn the dial…" }).click();
    await page.getByText("The mode becomes shadow; it is serve.").waitFor();
    await page.getByText("No old server runs beside any more.").waitFor();
    await confirmWith(page, "Turn it", "only to compare");
    expect((await house.stored()).settings).toMatchObject({ sessions: { mode: "shadow", oldServers: false } });
    await shows(page, "#share", "0 %");
    await page.getByLabel("Mode").selectOption("serve");
    await page.getByLabel("Percent", { exact: true }).fill("12.5");
    await page.getByRole("button", { name: "Turn the dial…" }).click();
    await confirmWith(page, "Turn it", "an eighth");
    expect((await house.stored()).settings).toMatchObject({ sessions: { mode: "serve", percent: 12.5 } });
  });

  it("a ramp, and its end", async () => {
    const { page } = await house.open();
    await page.getByLabel("To", { exact: true }).fill("80");
    await page.getByLabel("By", { exact: true }).fill("20");
    await page.getByLabel("Every").selectOption("60000");
    await page.getByRole("button", { name: "Start a ramp…" }).click();
    await page.getByText("4 steps of 20 %, one every 1 min: about 4 min.").waitFor();
    await confirmWith(page, "Start the ramp", "slowly up");
    const ramp = { to: 80, step: 20, everyMs: 60_000 };
    expect((await house.stored()).settings).toMatchObject({ sessions: { percent: 12.5, ramp } });
    await shows(page, "#ramping", "It goes on to 80 % by 20 every 1 min");
    await page.getByRole("button", { name: "End the ramp…" }).click();
    await confirmWith(page, "End it", "not now");
    const { settings, line } = await house.stored();
    expect(settings.sessions).toEqual({ mode: "serve", percent: 12.5, oldServers: false });
    expect(line).toMatchObject({ who: "console at 127.0.0.1", why: "not now" });
  });

  it("a ramp with the keyboard alone, which does not lose its place in the page", async () => {
    const { page } = await house.open();
    await page.locator("#ramp-to").fill("90");
    for (const [opener, instead] of [
      ["#ramp", "#abort"],
      ["#abort", "#ramp"],
    ] as const) {
      await page.locator(opener).press("Enter");
      await page.locator("#reason:focus").waitFor();
      await page.keyboard.type("by keyboard");
      await page.keyboard.press("Enter");
      await page.getByRole("dialog").waitFor({ state: "hidden", timeout: 30_000 });
      await page.locator(instead).waitFor();
      await page.locator("#dial-title:focus").waitFor();
    }
  });

  it("keeps the place also when the change was seen before it was confirmed", async () => {
    const { page } = await house.open();
    await page.getByRole("button", { name: "10", exact: true }).click();
    await page.locator("#turn").press("Enter");
    await page.locator("#reason:focus").waitFor();
    expect((await sluice("dial", "set", "10", "--reason", "the same thought")).code).toBe(0);
    await page.locator("#turn:disabled").waitFor();
    await page.keyboard.press("Escape");
    await page.locator("#dial-title:focus").waitFor();
  });

  it("not over the head of somebody who was faster, and says who that was", async () => {
    const { page } = await house.open(tokens.full, { expected: refused });
    await page.getByRole("button", { name: "25", exact: true }).click();
    await page.getByRole("button", { name: "Turn the dial…" }).click();
    const before = await sluice("dial", "set", "5", "--reason", "a suspicion", "--who", "ann");
    expect(before.code).toBe(0);
    await shows(page, "#share", /^5 %/);
    await page.getByLabel(/^Why\?/).fill("onward");
    await page.getByRole("button", { name: "Turn it", exact: true }).click();
    await page.getByRole("alert").getByText("ann was faster (“a suspicion”)").waitFor();
    expect((await house.stored()).settings).toMatchObject({ sessions: { percent: 5 } });
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Turn the dial…" }).click();
    await page
      .getByRole("dialog")
      .getByText(/From 5 % to 25 %/)
      .waitFor();
    await confirmWith(page, "Turn it", "onward all the same");
    expect((await house.stored()).settings).toMatchObject({ sessions: { percent: 25 } });
  });

  it("the switch of a cache", async () => {
    const { page } = await house.open();
    const users = page.getByRole("switch", { name: "Cache users" });
    expect(await users.getAttribute("aria-checked")).toBe("true");
    await users.click();
    await confirmWith(page, "Switch it off", "it looks wrong");
    expect((await house.stored()).settings).toMatchObject({ caches: { users: false } });
    await until(async () => (await users.getAttribute("aria-checked")) === "false");
    await users.press("Enter");
    await confirmWith(page, "Switch it on", "it was right");
    const { settings, line } = await house.stored();
    expect(settings).toMatchObject({ caches: { users: true } });
    expect(line).toMatchObject({ who: "console at 127.0.0.1", why: "it was right" });
  });

  it("what Redis holds of a cache, which it explains and throws away", async () => {
    const { page } = await house.open();
    await page.getByRole("button", { name: "Explain" }).click();
    await shows(page, "#explained", /^cache:users:list /);
    await page.locator("#one-cache").selectOption("messages");
    await page.locator("#one-key").fill("general");
    await page.getByRole("button", { name: "Explain" }).click();
    await shows(page, "#explained", /^cache:messages:recent:general /);
    await page.locator("#one-cache").selectOption("users");
    expect(await page.locator("#one-key").isVisible()).toBe(false);
    await house.redis.ask("SET", "cache:users:list:more", "x");
    await page.getByRole("button", { name: "Throw away…" }).click();
    await page.getByText("Throw the cache users away?").waitFor();
    await confirmWith(page, "Throw it away", "it tells lies");
    await shows(page, "#explained", /^[1-9]\d* keys of users are deleted\.$/);
    await shows(page, "#history", /cache flush users: keys \d+, epoch \d+it tells lies–/);
    const { line } = await house.stored();
    expect(line).toMatchObject({
      who: "console at 127.0.0.1",
      why: "it tells lies",
      act: { what: "cache flush users", outcome: expect.stringMatching(/^keys [1-9]/) },
    });
    expect(await house.redis.ask("EXISTS", "cache:users:list:more")).toBe(0);
  });

  it("sessions that a stock connect-redis wrote, which it brings in", async () => {
    const cookie = { originalMaxAge: 86_400_000, httpOnly: true, path: "/" };
    await house.redis.ask("SET", "session:stock", JSON.stringify({ cookie, n: 1 }), "PX", 3_600_000);
    const { page } = await house.open();
    await page.getByRole("button", { name: "Import…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Begin" }).click();
    expect(await house.session("stock")).toBeNull();
    await confirmWith(page, "Begin", "connect-redis is gone");
    await shows(page, "#job", /Import, begun .*Done\.\d+ keys in .*1 created: MongoDB did not know them/);
    expect(await house.session("stock")).toMatchObject({ _id: "stock" });
    await shows(page, "#history", /sessions import: keys \d+, .*created 1.*connect-redis is gone/);
  });

  it("the kill switch", async () => {
    const { page, screenshot } = await house.open();
    await page.getByRole("button", { name: "Switch Redis off…" }).click();
    await page.getByText("Nobody is logged out.").waitFor();
    await confirmWith(page, "Switch Redis off", "it burns");
    expect((await house.stored()).settings).toMatchObject({ redisDisabled: true });
    await page.locator("#notices").getByText("Redis is switched off by the kill switch").waitFor();
    await shows(page, "#servers", "disabled");
    await screenshot("console-killed");
    await page.getByRole("button", { name: "Let Redis in again…" }).click();
    await confirmWith(page, "Let Redis in", "the fire is out");
    expect((await house.stored()).settings).toMatchObject({ redisDisabled: false });
    await shows(page, "#servers", /up.*closed/);
  });

  it("the copies of sessions, which it verifies and makes", async () => {
    const gone = "for _, key in ipairs(redis.call('keys', 'session:*')) do redis.call('del', key) end";
    await house.redis.ask("EVAL", gone, 0);
    const { page } = await house.open();
    async function copied(): Promise<boolean> {
      await page.getByRole("button", { name: "Backfill…" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Begin" }).click();
      await shows(page, "#job", /Backfill, begun .*Done\.\d+ sessions in /);
      await page.getByRole("button", { name: "Verify" }).click();
      await shows(page, "#job", /Verify, begun .* from the console at 127\.0\.0\.1Clean/);
      return ((await page.locator("#job").textContent()) ?? "").includes("Clean, and every session has a copy.");
    }
    // Redis was let in again a moment ago: an epoch that is raised meanwhile makes copies old, and they are made again.
    await until(copied, { timeoutMs: 40_000 });
    await shows(page, "#history", /sessions backfill: sessions \d+/);
    const copies = Number(String(await house.redis.ask("EVAL", "return #redis.call('keys', 'session:*')", 0)));
    expect(copies).toBeGreaterThanOrEqual(8);
  });

  it("up only when nothing stands in the way, or by force", async () => {
    const { page, screenshot } = await house.open(tokens.full, { expected: refused });
    await house.redis.kill();
    await shows(page, "#servers", /down.*open/);
    await page.getByRole("button", { name: "100", exact: true }).click();
    await page.getByRole("button", { name: "Turn the dial…" }).click();
    await page.getByLabel(/^Why\?/).fill("it must be");
    await page.getByRole("button", { name: "Turn it", exact: true }).click();
    await page
      .getByRole("alert")
      .getByText(/in the way Redis is/)
      .waitFor({ timeout: 30_000 });
    expect((await house.stored()).settings).toMatchObject({ sessions: { percent: 25 } });
    await screenshot("console-refused");
    await page.getByLabel("Do it all the same").check();
    await page.getByRole("button", { name: "Turn it", exact: true }).click();
    await page.getByRole("dialog").waitFor({ state: "hidden", timeout: 30_000 });
    expect((await house.stored()).settings).toMatchObject({ sessions: { percent: 100 } });
    await house.redis.start();
    await shows(page, "#servers", /up.*closed/);
  });
});
