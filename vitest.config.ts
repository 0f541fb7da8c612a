import { defineConfig } from "vitest/config";
import LongestFirst from "./test/support/longest-first.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/browser/**", "node_modules/**"],
    globalSetup: ["test/support/databases.ts"],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // One more than the processors of a small machine: tests on real servers wait for much of their time.
    maxWorkers: 3,
    pool: "forks",
    sequence: { sequencer: LongestFirst },
    env: { NODE_ENV: "test" },
  },
});
