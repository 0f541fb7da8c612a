import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/browser/**/*.test.ts"],
    globalSetup: ["test/support/databases.ts"],
    testTimeout: 60_000,
    hookTimeout: 90_000,
    // One browser at a time: two of them on two cores make each other late.
    fileParallelism: false,
    pool: "forks",
    env: { NODE_ENV: "test" },
  },
});
