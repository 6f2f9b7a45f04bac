import { defineConfig } from "vitest/config";

/**
 * Projects by cost. `unit`: no process, no port. `int`: a real nats-server or worker per file. `e2e`: the whole stack as processes,
 * mostly waiting for each other. `compose`: images and containers; it needs a Docker engine, so `pnpm test` leaves it out, and CI has a
 * lane for it (test/compose/lane.sh).
 */
export default defineConfig({
  test: {
    projects: [
      { test: { name: "tidy", include: ["test/{tidy,documents}.test.ts"] } },
      {
        test: {
          name: "unit",
          include: [
            "packages/*/{src,test}/**/*.test.ts",
            "services/*/{src,test}/**/*.test.ts",
            "examples/*/test/**/*.test.ts",
            "test/{sim,data}/**/*.test.ts",
            "test/chaos/checks.test.ts",
            "test/observability.test.ts",
          ],
          exclude: ["**/*.int.test.ts", "**/node_modules/**"],
          // Some compute for seconds; on a busy machine for many. None is about time.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "int",
          include: [
            "packages/*/{src,test}/**/*.int.test.ts",
            "services/*/{src,test}/**/*.int.test.ts",
            "test/contract/**/*.test.ts",
          ],
          exclude: ["**/node_modules/**"],
          testTimeout: 30_000,
          hookTimeout: 30_000,
          maxWorkers: 2,
          // Workers and servers that share two busy cores with other suites: an answer may come late. What is broken fails each time.
          retry: 2,
        },
      },
      {
        test: {
          name: "e2e",
          include: [
            "test/e2e/**/*.test.ts",
            "test/examples/**/*.test.ts",
            "test/chaos/{smoke,cluster,power-cut}.test.ts",
          ],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          // One stack of six processes at a time: two on two cores keep each other waiting past what a person would.
          maxWorkers: 1,
          retry: 1,
        },
      },
      {
        test: {
          name: "compose",
          include: ["test/compose/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          maxWorkers: 1,
        },
      },
    ],
  },
});
