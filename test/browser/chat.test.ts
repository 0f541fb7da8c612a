import { describe, expect, it } from "vitest";
import { until } from "../support/until.ts";
import { haveChromium } from "./chromium.ts";
import { writePast } from "./database.ts";
import { openHouse } from "./house.ts";

describe.skipIf(!haveChromium)("two people in two browsers", () => {
  const house = openHouse("chat");

  it("hear each other in a channel, in order, each line once", async () => {
    const [anna, bo] = await Promise.all([house.visit(), house.visit()]);
    await Promise.all([anna.register("Anna"), bo.register("Bo Berg")]);
    await anna.page.getByRole("complementary").getByText("Bo Berg").waitFor();
    await anna.say("Hello Bo");
    await bo.line("Hello Bo").waitFor();
    await bo.say("Hello Anna,\nhow is the water?");
    await anna.line("how is the water?").waitFor();
    await bo.say("<img src=x onerror=alert(1)> & <b>bold</b>");
    await anna.line("<img src=x onerror=alert(1)> & <b>bold</b>").waitFor();
    for (const { line } of [anna, bo]) {
      expect(await line("Hello Bo").count()).toBe(1);
      expect(await line("how is the water?").count()).toBe(1);
    }
    const texts = await bo.page.locator(".spoken .text").allTextContents();
    expect(texts).toEqual(["Hello Bo", "Hello Anna,\nhow is the water?", "<img src=x onerror=alert(1)> & <b>bold</b>"]);
    // Whoever came second has been announced to the first.
    const announced = [anna.line("Bo Berg joined the channel."), bo.line("Anna joined the channel.")];
    expect(await Promise.all(announced.map((line) => line.count()))).toContain(1);
    await anna.screenshot("chat-light");
  });

  it("whisper so that the third one never sees it, not after a reload either", async () => {
    const [cleo, dan, eve] = await Promise.all([house.visit(), house.visit(), house.visit()]);
    await Promise.all([cleo.register("Cleo"), dan.register("Dan Dane"), eve.register("Eve")]);
    await cleo.page.getByRole("button", { name: "Dan Dane" }).click();
    expect(await cleo.page.locator("#write").inputValue()).toBe("/w Dan Dane ");
    await cleo.page.keyboard.type("the key is under the mat");
    await cleo.page.getByText("Only Dan Dane and you will read this.").waitFor();
    await cleo.screenshot("whisper");
    await cleo.page.keyboard.press("Enter");
    await cleo.line("only to Dan Dane").filter({ hasText: "under the mat" }).waitFor();
    await dan.line("only to you").filter({ hasText: "under the mat" }).waitFor();
    await dan.say("/w cleo thank you");
    await dan.say("Good evening, all");
    await eve.line("Good evening, all").waitFor();
    expect(await eve.line(/under the mat|thank you/).count()).toBe(0);
    await Promise.all([dan.page.reload(), eve.page.reload()]);
    await Promise.all([dan.arrived(), eve.arrived()]);
    await dan.line("under the mat").waitFor();
    await eve.line("Good evening, all").waitFor();
    expect(await eve.page.content()).not.toContain("under the mat");
  });

  it("see a new channel, meet in it, and find its history after a reload", async () => {
    const [finn, gil] = await Promise.all([house.visit(), house.visit()]);
    await Promise.all([finn.register("Finn"), gil.register("Gil")]);
    await finn.page.getByRole("button", { name: "New channel" }).click();
    await finn.page.getByRole("button", { name: "Create channel" }).click();
    await finn.page.getByText("Give the channel a name.").waitFor();
    await finn.page.getByLabel("Name", { exact: true }).fill("Lock Keepers");
    await finn.page.getByLabel("What is it about?").fill("Rosters and levels");
    await finn.screenshot("new-channel");
    await finn.page.getByRole("button", { name: "Create channel" }).click();
    await finn.page.getByRole("heading", { name: "Lock Keepers", level: 1 }).waitFor();
    await finn.page.getByText("The beginning of Lock Keepers").waitFor();
    await finn.say("First!");
    await finn.line("First!").waitFor();
    await finn.screenshot("empty-channel");

    await gil.page.evaluate(`document.dispatchEvent(new Event("visibilitychange"))`);
    await gil.page.getByRole("link", { name: "Lock Keepers" }).click();
    await gil.line("First!").waitFor();
    await gil.page.reload();
    await gil.page.getByRole("heading", { name: "Lock Keepers", level: 1 }).waitFor();
    await gil.line("First!").waitFor();
    await gil.page.goBack();
    await gil.page.getByRole("heading", { name: "General", level: 1 }).waitFor();
  });

  it("see who is in a voice channel", async () => {
    const [hal, ida] = await Promise.all([house.visit(), house.visit()]);
    await Promise.all([hal.register("Hal"), ida.register("Ida")]);
    const inVoice = (who: typeof hal) => who.page.getByRole("list", { name: "In Voice Chat" }).getByRole("listitem");
    await hal.page.getByRole("button", { name: "Join Voice Chat" }).click();
    await hal.page.getByText("It carries no sound.").waitFor();
    await ida.page.getByRole("button", { name: "Join Voice Chat" }).click();
    await until(async () => (await inVoice(hal).allTextContents()).join() === "Hal (you),Ida");
    await until(async () => (await inVoice(ida).allTextContents()).join() === "Ida (you),Hal");
    await ida.screenshot("voice");
    await hal.page.getByRole("button", { name: "Leave Voice Chat" }).click();
    await until(async () => (await inVoice(ida).allTextContents()).join() === "Ida (you)");
    await hal.page.getByRole("button", { name: "Join Voice Chat" }).waitFor();
  });

  it("load what is older, page by page, without losing their place", async () => {
    const jan = await house.visit();
    await jan.register("Jan");
    await jan.page.getByRole("button", { name: "New channel" }).click();
    await jan.page.getByLabel("Name", { exact: true }).fill("Archive");
    await jan.page.getByRole("button", { name: "Create channel" }).click();
    await jan.page.getByRole("heading", { name: "Archive", level: 1 }).waitFor();
    await writePast(house.mongo, "archive", 120);
    await jan.page.reload();
    await jan.arrived();
    await jan.line("Past line 120.").waitFor();
    expect(await jan.line("Past line 40.").count()).toBe(0);
    const older = jan.page.getByRole("button", { name: "Load older messages" });
    const first = jan.page.locator(".spoken").first();
    const text = (await first.locator(".text").textContent()) ?? "";
    await older.click();
    await until(async () => (await first.locator(".text").textContent()) !== text);
    expect(await jan.page.getByText(text, { exact: true }).isVisible()).toBe(true);
    await until(async () => {
      if (await older.isVisible()) await older.click();
      return jan.page.getByText("The beginning of Archive").isVisible();
    });
    const lines = await jan.page.locator(".spoken .text").allTextContents();
    expect(lines).toEqual(Array.from({ length: 120 }, (_, at) => `Past line ${at + 1}.`));
  });
});
