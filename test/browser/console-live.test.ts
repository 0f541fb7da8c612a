import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, describe, expect, it } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { root } from "../support/files.ts";
import { createBrowser } from "../support/http.ts";
import { until } from "../support/until.ts";
import { haveChromium } from "./chromium.ts";
import { openConsoleHouse, shows, tokens } from "./console-house.ts";
import { contrastFaults, nameFaults } from "./faults.ts";

const lost = /ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|Failed to load resource/;
const phone = { viewport: { width: 320, height: 700 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const small = `[...document.querySelectorAll("button, input, select, summary")]
  .filter((e) => e.checkVisibility()).map((e) => [e.id || e.textContent, e.getBoundingClientRect()])
  .filter(([, r]) => r.width < 20 || r.height < 20).map(([name]) => name)`;

const wide = `[...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && !e.closest(".plot, table:not(.plain) thead"))
  .filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80))`;

describe.skipIf(!haveChromium)("the console shows what is so:", () => {
  const house = openConsoleHouse("live");
  let second: Chat | undefined;
  afterAll(() => second?.stop());

  /** While people read the chat's lists. */
  async function inTraffic(work: () => Promise<void>): Promise<void> {
    const readers = [createBrowser(house.chat.url), createBrowser(house.chat.url)];
    const mark = Date.now().toString(36).slice(-5);
    for (const [at, reader] of readers.entries()) await reader.register(`reader ${mark} ${at}`);
    let on = true;
    const reading = readers.map(async ({ get }) => {
      for (let round = 0; on; round++) {
        await get(round % 4 === 0 ? "/api/channels" : "/api/users");
        if (round % 7 === 0) await get("/api/channels/general/messages?limit=20");
        await new Promise((resume) => setTimeout(resume, 30));
      }
    });
    try {
      await work();
    } finally {
      on = false;
      await Promise.all(reading);
    }
  }
  const drawn = (page: Page) =>
    page.evaluate(`[...document.querySelectorAll("#charts canvas")].map((canvas) => {
      const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      return new Set(pixels.filter((_, at) => at % 4 === 3)).size > 1;
    })`);

  it("charts and figures of what the servers do", () =>
    inTraffic(async () => {
      const { page, screenshot } = await house.open();
      await shows(page, "#charts", /hits [1-9]\d* %/);
      await shows(page, "#caches", /users.*on\d+ %[\d.]+/);
      await until(async () => (await page.locator("#charts").textContent())?.match(/reads saved [1-9]/));
      expect(await drawn(page)).toEqual([true, true, true, true]);
      await page.getByText("In figures: Mean time of a read").click();
      await page
        .getByRole("figure", { name: "Mean time of a read" })
        .getByRole("row", { name: /MongoDB .* ms/ })
        .waitFor();
      await screenshot("console-charts");
    }));

  it("the servers, and whether they agree", async () => {
    const { page } = await house.open();
    await shows(page, "#converged", "converged");
    second = await startChat({
      env: { MONGODB_URL: house.mongo, REDIS_URL: house.redis.url, OPS_TOKEN: tokens.full, SERVER_ID: "two" },
    });
    await page.getByRole("row", { name: /^two / }).waitFor({ timeout: 30_000 });
    await shows(page, "#converged", /^converged$/);
  });

  it("that it is stale while the server is away, and goes on when it is back", async () => {
    const { page, screenshot } = await house.open(tokens.full, { expected: lost });
    await house.chat.kill();
    await page
      .getByRole("status")
      .getByText(/^stale since \d\d:\d\d:\d\d$/)
      .waitFor();
    await page
      .locator("#notices")
      .getByText(/^No connection to the server. What you see is from/)
      .waitFor();
    expect(await page.getByRole("button", { name: "Switch Redis off…" }).isDisabled()).toBe(true);
    expect(await page.locator("#slider").isDisabled()).toBe(true);
    await screenshot("console-stale");
    await house.rebuild();
    await page.getByText("The server was started again.").waitFor({ state: "attached", timeout: 30_000 });
    await page.getByText("live", { exact: true }).waitFor({ timeout: 30_000 });
    await page.locator("#notices:empty").waitFor({ state: "attached" });
    expect(await page.getByRole("button", { name: "Switch Redis off…" }).isDisabled()).toBe(false);
  });

  it("that a token only looks: no control can be used", async () => {
    const { page, screenshot } = await house.open(tokens.read);
    await page.getByText("You are here to look: this token changes nothing.").waitFor();
    const usable = await page.evaluate(
      `[...document.querySelectorAll("main :is(button, input, select)")].filter((e) => e.checkVisibility() && !e.matches(":disabled")).map((e) => e.id || e.textContent)`,
    );
    expect(usable).toEqual(["one-cache", "explain"]);
    await screenshot("console-reader");
  });

  it("all of it on a phone of 320 pixels", () =>
    inTraffic(async () => {
      const { page } = await house.open(tokens.full, phone);
      await shows(page, "#charts", /hits \d+ %/);
      await shows(page, "#servers", /one.*two/);
      expect(await page.evaluate(wide)).toEqual([]);
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(320);
      expect(await page.evaluate(small)).toEqual([]);
      await page.screenshot({ path: join(root, "test-results/console-phone.png") });
      await page.screenshot({ path: join(root, "test-results/console-phone-whole.png"), fullPage: true });
      await page.getByRole("button", { name: "10", exact: true }).tap();
      await page.getByRole("button", { name: "Turn the dial…" }).tap();
      await page.getByRole("dialog").waitFor();
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(320);
      await page.screenshot({ path: join(root, "test-results/console-phone-dialog.png") });
    }));

  it.each(["light", "dark"] as const)("with enough contrast, and a name for every control, %s", async (colorScheme) => {
    const { page, screenshot } = await house.open(tokens.full, {
      colorScheme,
      viewport: { width: 1280, height: 1500 },
    });
    await shows(page, "#servers", "one");
    await page.getByRole("button", { name: "Verify" }).click();
    await shows(page, "#job", /sessions in/);
    expect(await page.evaluate(contrastFaults)).toEqual([]);
    expect(await page.evaluate(nameFaults)).toEqual([]);
    await screenshot(`console-${colorScheme}`);
    await page.getByRole("button", { name: "10", exact: true }).click();
    for (const name of ["10", "Turn the dial…", "Verify", "Switch Redis off…"]) {
      await page.getByRole("button", { name, exact: true }).hover();
      expect(await page.evaluate(contrastFaults)).toEqual([]);
    }
    await page.getByRole("button", { name: "Switch Redis off…" }).click();
    expect(await page.evaluate(contrastFaults)).toEqual([]);
    expect(await page.evaluate(nameFaults)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByText("You are logged out.").waitFor();
    expect(await page.evaluate(contrastFaults)).toEqual([]);
    expect(await page.evaluate(nameFaults)).toEqual([]);
  });

  it("without motion for those who asked for less", async () => {
    const { page } = await house.open(tokens.full, { reducedMotion: "reduce" });
    expect(await page.evaluate("getComputedStyle(document.getElementById('level')).transitionDuration")).toBe("0s");
    expect(await page.evaluate("document.getAnimations().length")).toBe(0);
  });

  it("from little", () => {
    const own = readdirSync(join(root, "public/ops")).map((file) => join(root, "public/ops", file));
    const charts = ["uPlot.iife.min.js", "uPlot.min.css"].map((file) => join(root, "node_modules/uplot/dist", file));
    const sizes = [...own, ...charts, join(root, "public/dom.js")].map((file) => statSync(file).size);
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(120_000);
    expect(readFileSync(join(root, "public/ops/index.html"), "utf8")).not.toMatch(/ style=|<script>|<style>| on\w+=/);
  });
});
