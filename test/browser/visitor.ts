import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from "playwright-core";
import { root } from "../support/files.ts";
import { password } from "../support/http.ts";

/** One person with a browser of their own, who notices everything the browser complains about. */
export interface Visitor {
  page: Page;
  context: BrowserContext;
  /** Console errors and warnings, uncaught errors, violations of the content security policy. */
  complaints: string[];
  register(nickname: string): Promise<void>;
  logIn(identifier: string, password?: string): Promise<void>;
  /** Waits until the chat is there, connected, with its channel open. */
  arrived(): Promise<void>;
  say(line: string): Promise<void>;
  /** The line of the conversation with that text. */
  line(text: string | RegExp): Locator;
  screenshot(name: string): Promise<void>;
  close(): Promise<void>;
}

export interface VisitorOptions extends BrowserContextOptions {
  /** What the browser says by itself about an answer or a socket that this test provokes. */
  expected?: RegExp;
}

const shots = join(root, "test-results");

const tellViolations = `document.addEventListener("securitypolicyviolation", (event) =>
  console.error("CSP: " + event.violatedDirective + " " + event.blockedURI));`;

export async function createVisitor(browser: Browser, url: string, options: VisitorOptions = {}): Promise<Visitor> {
  const { expected, ...contextOptions } = options;
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...contextOptions });
  const complaints: string[] = [];
  const complain = (text: string) => {
    if (!expected?.test(text)) complaints.push(text);
  };
  context.setDefaultTimeout(15_000);
  await context.addInitScript(tellViolations);
  const page = await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complain(message.text());
  });
  page.on("pageerror", (error) => complain(error.stack ?? error.message));
  await page.goto(url);

  const visitor: Visitor = {
    page,
    context,
    complaints,
    async register(nickname) {
      await page.getByRole("button", { name: "Create an account" }).click();
      await page.getByLabel("Nickname").fill(nickname);
      await page.getByLabel("E-mail").fill(`${nickname.replace(/\W/g, "")}@example.com`);
      await page.getByLabel("Password").fill(password);
      await page.getByRole("button", { name: "Create account" }).click();
      await visitor.arrived();
    },
    async logIn(identifier, pw = password) {
      await page.getByLabel("Nickname or e-mail").fill(identifier);
      await page.getByLabel("Password").fill(pw);
      await page.getByRole("button", { name: "Log in" }).click();
    },
    async arrived() {
      await page.getByText("Connected", { exact: true }).waitFor({ state: "attached" });
      await page.locator(".scroller[aria-busy=false]").waitFor();
    },
    async say(line) {
      await page.locator("#write").fill(line);
      await page.locator("#write").press("Enter");
    },
    line: (text) => page.getByRole("region", { name: "Messages" }).getByRole("listitem").filter({ hasText: text }),
    async screenshot(name) {
      mkdirSync(shots, { recursive: true });
      await page.screenshot({ path: join(shots, `${name}.png`) });
    },
    close: () => context.close(),
  };
  return visitor;
}
