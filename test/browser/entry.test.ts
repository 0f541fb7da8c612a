import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { createBrowser, password } from "../support/http.ts";
import { haveChromium } from "./chromium.ts";
import { makeAdmin } from "./database.ts";
import { openHouse } from "./house.ts";

const logOutElsewhere = `fetch("/api/logout", {
  method: "POST",
  headers: { Authorization: "Bearer " + sessionStorage.getItem("sluice.token") },
})`;

describe.skipIf(!haveChromium)("the door of the web client", () => {
  const house = openHouse("entry");
  const refused = /the server responded with a status of 4\d\d/;

  it("says what is wrong under the field that is wrong", async () => {
    const { page, screenshot } = await house.visit({ expected: refused });
    await page.getByRole("button", { name: "Log in" }).click();
    expect(await described(page, "Password")).toBe("Enter your password.");
    await page.getByRole("button", { name: "Create an account" }).click();
    await page.getByLabel("Nickname").fill("ab");
    await page.getByLabel("E-mail").fill("someone@nowhere");
    await page.getByLabel("Password").fill("12345");
    await page.getByRole("button", { name: "Create account" }).click();
    expect(await described(page, "Nickname")).toContain("A nickname has at least 3 characters.");
    expect(await described(page, "Password")).toContain("A password has at least 6 characters.");
    await page.getByLabel("Nickname").fill("abc");
    await page.getByLabel("Password").fill("123456");
    await page.getByRole("button", { name: "Create account" }).click();
    await page.locator("[name=email][aria-invalid]").waitFor();
    expect(await described(page, "E-mail")).toMatch(/valid e-mail/);
    await screenshot("entry-errors");
  });

  it("tells a taken nickname and a wrong password in plain words", async () => {
    await createBrowser(house.chat.url).register("Kim");
    const { page, logIn, arrived } = await house.visit({ expected: refused });
    await logIn("Kim", "not this one");
    await page.getByRole("alert").getByText("Nickname or e-mail and password do not match.").waitFor();
    await page.getByRole("button", { name: "Create an account" }).click();
    await page.getByLabel("Nickname").fill("Kim");
    await page.getByLabel("E-mail").fill("kim2@example.com");
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Create account" }).click();
    await page.locator("[name=nickname][aria-invalid]").waitFor();
    expect(await described(page, "Nickname")).toContain("already taken");
    await page.getByRole("button", { name: "Log in" }).click();
    await logIn("KIM@example.com");
    await arrived();
  });

  it("ends token, session and the other tabs at logout", async () => {
    const { page, context, register, logIn, arrived } = await house.visit({ expected: refused });
    await register("Lou");
    const token = await page.evaluate(`sessionStorage.getItem("sluice.token")`);
    const other = await context.newPage();
    await other.goto(house.chat.url);
    await other.getByLabel("Nickname or e-mail").fill("Lou");
    await other.getByLabel("Password").fill(password);
    await other.getByRole("button", { name: "Log in" }).click();
    await other.getByText("Connected", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByText("You are logged out.").waitFor();
    await other.getByText("Your session has ended. Please log in again.").waitFor();
    const again = await fetch(`${house.chat.url}/api/channels`, { headers: { Authorization: `Bearer ${token}` } });
    expect(again.status).toBe(401);
    await page.evaluate(`sessionStorage.setItem("sluice.token", ${JSON.stringify(token)})`);
    await page.reload();
    await page.getByText("Your session has ended. Please log in again.").waitFor();
    await logIn("Lou");
    await arrived();
  });

  it("leaves nothing that was heard in the page at logout, nor when the session ends", async () => {
    const sam = await house.visit({ expected: refused });
    const tess = await house.visit({ expected: refused });
    await Promise.all([sam.register("Sam"), tess.register("Tess")]);
    await tess.page.getByRole("complementary").getByText("Sam").waitFor();
    for (const end of ["Log out", "elsewhere"]) {
      await sam.say(`/w Tess the key is under the mat, says ${end}`);
      await tess.page.locator("#announcer", { hasText: end }).waitFor({ state: "attached" });
      if (end === "elsewhere") await tess.page.evaluate(logOutElsewhere);
      else await tess.page.getByRole("button", { name: end }).click();
      await tess.page.getByLabel("Nickname or e-mail").waitFor();
      expect(await tess.page.content()).not.toContain("under the mat");
      await tess.logIn("Tess");
      await tess.arrived();
    }
  });

  it("tells the muted and the banned, and keeps what could not be said", async () => {
    const admin = createBrowser(house.chat.url);
    await admin.register("Max");
    await makeAdmin(house.mongo, "Max");
    await admin.login("Max");
    const { page, register, say, screenshot } = await house.visit({ expected: refused });
    await register("Nia");
    const { body: users } = await admin.get("/api/users");
    const nia = users.find(({ nickname }: { nickname: string }) => nickname === "Nia")._id;
    await admin.post(`/api/admin/users/${nia}/mute`, { duration: 600 });
    await say("Can you hear me?");
    await page.getByRole("alert").getByText("You are muted and cannot send messages").waitFor();
    expect(await page.locator("#write").inputValue()).toBe("Can you hear me?");
    await screenshot("muted");
    await admin.post(`/api/admin/users/${nia}/ban`, { reason: "Shouting", duration: 3600 });
    await page.getByText("Your account is banned. Reason: Shouting. Until").waitFor();
  });

  it("tells how long to wait after too many attempts, and when the server is out of reach", async () => {
    const { page, logIn } = await house.visit({ expected: /status of 429|ERR_FAILED/ });
    await page.route("**/api/login", (route) =>
      route.fulfill({ status: 429, headers: { "RateLimit-Reset": "42" }, json: { error: "x", message: "x" } }),
    );
    await logIn("Anybody");
    await page.getByText("Too many attempts. Try again in 42 seconds.").waitFor();
    await page.route("**/api/login", (route) => route.abort());
    await logIn("Anybody");
    await page.getByText("The server cannot be reached.").waitFor();
  });
});

/** What a screen reader adds to the field. */
async function described(page: Page, label: string): Promise<string> {
  const ids = (await page.getByLabel(label).getAttribute("aria-describedby")) ?? "";
  const texts = await Promise.all(ids.split(" ").map((id) => page.locator(`[id="${id}"]`).textContent()));
  return texts.join(" ").trim();
}
