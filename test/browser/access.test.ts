import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { root } from "../support/files.ts";
import { password } from "../support/http.ts";
import { haveChromium } from "./chromium.ts";
import { contrastFaults, nameFaults } from "./faults.ts";
import { openHouse } from "./house.ts";

const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

describe.skipIf(!haveChromium)("the web client for everybody", () => {
  const house = openHouse("access");

  it("is used with the keyboard alone", async () => {
    const { page, line } = await house.visit();
    const { keyboard } = page;
    const focused = () =>
      page.evaluate("document.activeElement === document.body ? '' : document.activeElement.textContent");
    const tabTo = async (what: string) => {
      for (let step = 0; step < 30; step++) {
        if (String(await focused()).includes(what)) return;
        await keyboard.press("Tab");
      }
      throw new Error(`Tab never reaches "${what}"`);
    };
    await tabTo("Create an account");
    await keyboard.press("Enter");
    for (const text of ["Rosa", "rosa@example.com", password]) {
      await keyboard.type(text);
      if (text !== password) await keyboard.press("Tab");
    }
    await keyboard.press("Enter");
    await page.locator(".scroller[aria-busy=false]").waitFor();
    await page.locator("#write:focus").waitFor();
    await keyboard.type("Without a mouse");
    await keyboard.press("Shift+Enter");
    await keyboard.type("in two lines");
    await keyboard.press("Enter");
    await line("Without a mouse\nin two lines").waitFor();

    await tabTo("New channel");
    await keyboard.press("Enter");
    await keyboard.press("Escape");
    expect(await focused()).toBe("New channel");
    await keyboard.press("Enter");
    await keyboard.type("By keyboard");
    await keyboard.press("Enter");
    await page.getByRole("heading", { name: "By keyboard", level: 1 }).waitFor();
    await tabTo("General");
    await keyboard.press("Enter");
    await page.getByRole("heading", { name: "General", level: 1 }).waitFor();
    await tabTo("Join Voice Chat");
    await keyboard.press("Enter");
    await tabTo("Leave Voice Chat");
    await keyboard.press("Enter");
    await tabTo("Skip to the message box");
    await keyboard.press("Enter");
    await page.locator("#write:focus").waitFor();
    await tabTo("Log out");
    await keyboard.press("Enter");
    await page.getByText("You are logged out.").waitFor();
  });

  it("fits a phone: both sides slide in, take the focus and give it back", async () => {
    const { page, register, say, line, screenshot } = await house.visit(phone);
    await screenshot("phone-entry");
    await register("Sven");
    await say("From the train, a rather long line that has to wrap because a telephone is so very narrow");
    await line("From the train").waitFor();
    await screenshot("phone-chat");
    const nav = page.getByRole("navigation", { name: "Channels" });
    expect(await nav.isVisible()).toBe(false);
    await page.getByRole("button", { name: "Channels", exact: true }).tap();
    await nav.waitFor();
    expect(await page.evaluate(`document.querySelector("nav").contains(document.activeElement)`)).toBe(true);
    await settled(page);
    await screenshot("phone-channels");
    await page.keyboard.press("Escape");
    await nav.waitFor({ state: "hidden" });
    expect(await page.evaluate("document.activeElement.ariaLabel")).toBe("Channels");
    await page.getByRole("button", { name: /^People here: 1$/ }).tap();
    await page.getByRole("complementary").getByText("Sven").waitFor();
    await page.getByRole("complementary").getByRole("button", { name: "Close" }).tap();
    await page.getByRole("complementary").waitFor({ state: "hidden" });
    const width = await page.evaluate("document.documentElement.scrollWidth");
    expect(width).toBe(390);
    const small = await page.evaluate(
      `[...document.querySelectorAll("button, a.channel, input")].filter((e) => e.checkVisibility()).map((e) => [e.textContent, e.getBoundingClientRect()]).filter(([, r]) => r.width < 24 || r.height < 24).map(([t]) => t)`,
    );
    expect(small).toEqual([]);
  });

  it.each(["light", "dark"] as const)("has enough contrast and a name for every control, %s", async (colorScheme) => {
    const other = await house.visit({ colorScheme });
    const { page, register, say, line, screenshot } = await house.visit({ colorScheme });
    await page.getByRole("button", { name: "Log in" }).click();
    expect(await page.evaluate(contrastFaults)).toEqual([]);
    expect(await page.evaluate(nameFaults)).toEqual([]);
    await screenshot(`entry-${colorScheme}`);
    await other.register(`Tess ${colorScheme}`);
    await register(`Uma ${colorScheme}`);
    await page.getByRole("complementary").getByText(`Tess ${colorScheme}`).waitFor();
    await say("See https://example.org/plan, please");
    await say(`/w Tess ${colorScheme} between us`);
    await line("between us").waitFor();
    await other.say(`/w Uma ${colorScheme} yes, between us only`);
    await line("yes, between us only").waitFor();
    await page.getByRole("button", { name: "Join Voice Chat" }).click();
    await page.getByText("It carries no sound.").waitFor();
    await say("/w Nobody are you there?");
    await page.getByRole("alert").getByText("not available").waitFor();
    expect(await page.evaluate(contrastFaults)).toEqual([]);
    expect(await page.evaluate(nameFaults)).toEqual([]);
    await screenshot(`everything-${colorScheme}`);
    await page.getByRole("button", { name: "New channel" }).click();
    expect(await page.evaluate(contrastFaults)).toEqual([]);
    expect(await page.evaluate(nameFaults)).toEqual([]);
  });

  it("keeps still for those who asked for less motion", async () => {
    const moving = "document.getAnimations().length";
    const lively = await house.visit();
    expect(await lively.page.evaluate(moving)).toBeGreaterThan(0);
    const calm = await house.visit({ reducedMotion: "reduce" });
    expect(await calm.page.evaluate(moving)).toBe(0);
  });

  it("reads a typed line the same way whatever is in it", async () => {
    const { page } = await house.visit();
    const read = (line: string, present: string[] = []) =>
      page.evaluate(`import("/commands.js").then((m) => m.readLine(...${JSON.stringify([line, present])}))`);
    expect(await read("  hello ")).toEqual({ text: "hello" });
    expect(await read("/w Bo  see you ")).toEqual({ to: "Bo", text: "see you" });
    expect(await read("/w bo berg hi", ["Bo", "Bo Berg"])).toEqual({ to: "Bo Berg", text: "hi" });
    expect(await read("/w Bob hi", ["Bo"])).toEqual({ to: "Bob", text: "hi" });
    expect(await read("/well, hello")).toEqual({ text: "/well, hello" });
    expect(await read("/w Bo")).toMatchObject({ problem: expect.stringContaining("/w nickname text") });
    expect(await read("x".repeat(2001))).toMatchObject({ problem: expect.stringContaining("2001") });
  });

  it("is small", () => {
    const folder = join(root, "public");
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((file) => !file.startsWith("ops"))
      .map((file) => join(folder, file));
    const library = join(root, "node_modules/socket.io/client-dist/socket.io.esm.min.js");
    const packed = [...files, library]
      .filter((file) => statSync(file).isFile())
      .map((file) => gzipSync(readFileSync(file)).length);
    expect(packed.reduce((sum, size) => sum + size)).toBeLessThan(60_000);
  });
});

const settled = (page: Page) =>
  page.evaluate("Promise.all(document.getAnimations().map((animation) => animation.finished)).then(() => {})");
