import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const path = process.env.CHROMIUM_PATH || "/usr/bin/chromium";

export const haveChromium = existsSync(path);
if (!haveChromium) console.warn(`SKIPPED: no browser at ${path}. Install chromium, or set CHROMIUM_PATH.`);

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: path,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
    ],
  });
}
