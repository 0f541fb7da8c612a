import { describe, expect, it } from "vitest";
import { until } from "../support/until.ts";
import { haveChromium } from "./chromium.ts";
import { openHouse } from "./house.ts";

describe.skipIf(!haveChromium)("when the server goes away", () => {
  const house = openHouse("reconnect");

  it("the page says so, keeps what is typed, comes back by itself into its rooms and misses nothing", async () => {
    const expected = /ERR_CONNECTION|WebSocket connection|Failed to load resource/;
    const [olga, pia] = await Promise.all([house.visit({ expected }), house.visit({ expected })]);
    await Promise.all([olga.register("Olga"), pia.register("Pia")]);
    await olga.page.getByRole("button", { name: "Join Voice Chat" }).click();
    await pia.page.getByRole("button", { name: "Join Voice Chat" }).click();
    await olga.say("Before the storm");
    await pia.line("Before the storm").waitFor();

    await house.chat.kill();
    await olga.page.getByText("Reconnecting…").waitFor();
    await olga.say("In the storm");
    await olga.page.getByRole("alert").getByText("Not connected. Your text stays here").waitFor();
    expect(await olga.page.locator("#write").inputValue()).toBe("In the storm");
    await olga.screenshot("reconnecting");

    await house.rebuild();
    await Promise.all([olga.arrived(), pia.arrived()]);
    await olga.page.locator("#write").press("Enter");
    await pia.line("In the storm").waitFor();
    await until(async () => (await olga.line("In the storm").count()) === 1);
    expect(await pia.line("Before the storm").count()).toBe(1);
    const members = olga.page.getByRole("list", { name: "In Voice Chat" }).getByRole("listitem");
    await until(async () => (await members.allTextContents()).join() === "Olga (you),Pia");
  });

  it("also after the server has sent everybody away", async () => {
    const expected = /ERR_CONNECTION|WebSocket connection|Failed to load resource/;
    const quin = await house.visit({ expected });
    await quin.register("Quin");
    await house.chat.stop();
    await quin.page.getByText("Reconnecting…").waitFor();
    await house.rebuild();
    await quin.arrived();
    await quin.say("Back again");
    await quin.line("Back again").waitFor();
  });
});
