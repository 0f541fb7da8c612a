import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { launchChromium } from "./chromium.ts";
import { createVisitor, type Visitor, type VisitorOptions } from "./visitor.ts";

/**
 * A browser for one test file; after each test nobody may have heard a complaint. To be opened after the hooks of what is
 * visited: the hooks that end are called in reverse.
 */
export function openVisits(): (url: string, options?: VisitorOptions) => Promise<Visitor> {
  let browser: Browser;
  let visitors: Visitor[] = [];

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterEach(async () => {
    const complaints = visitors.flatMap((visitor) => visitor.complaints);
    await Promise.all(visitors.map((visitor) => visitor.close()));
    visitors = [];
    expect(complaints).toEqual([]);
  });
  afterAll(() => browser?.close());

  return async (url, options) => {
    const visitor = await createVisitor(browser, url, options);
    visitors.push(visitor);
    return visitor;
  };
}
