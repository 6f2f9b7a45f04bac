import { defineConfig } from "vitest/config";
import { RetriedTests } from "./test/retried-tests.ts";

/** The one end-to-end file that `pnpm test` runs: a VM from create to destroy on real processes. */
const LIFE = "test/e2e/life.test.ts";

/**
 * Projects by cost.
 *
 * `tidy`: the rules of the tree and of its documents. `unit`: no port, no process of its own. `int`: a real nats-server or worker per
 * file. `life`: one VM on the whole stack. `pnpm test` runs these four, none of them with a retry.
 *
 * `e2e`: the rest on real processes, with examples and chaos (`pnpm test:e2e`). `compose`: images and containers, which need a Docker
 * engine (test/compose/lane.sh). CI runs all of them.
 */
export default defineConfig({
  test: {
    reporters: ["default", new RetriedTests()],
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
          // Importing zod and the contracts again for every file is 40 % of the processor time of this project. Unit tests leave no
          // global state behind: stubs are undone in the file that made them.
          isolate: false,
          // Some compute for seconds, on a busy machine for many. None measures time.
          testTimeout: 300_000,
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
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "life",
          include: [LIFE],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
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
          exclude: [LIFE, "**/node_modules/**"],
          globalSetup: ["test/e2e/shared-stacks.ts"],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          // One stack of six processes at a time: two stacks on two cores slow each other past the deadlines of a user.
          maxWorkers: 1,
          // Six processes share the cores with the test. The reporter lists every test that needed the second try.
          retry: 1,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: "compose",
          include: ["test/compose/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
