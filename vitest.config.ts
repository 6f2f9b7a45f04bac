import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { LongFilesFirst } from "./test/long-files-first.ts";
import { RetriedTests } from "./test/retried-tests.ts";

/** The end-to-end file of `pnpm test`: a VM from create to destroy on real processes. */
const LIFE = "test/e2e/life.test.ts";
const DEPENDENCIES = "**/node_modules/**";

// Node stores what it made of each TypeScript file. Without the store, every worker thread and child process of a test
// compiles Node's WebAssembly module for TypeScript, which takes half of its start. It can also crash: V8 has a fault
// that ends a process in which threads compile and free WebAssembly at the same time (nodejs/node#64500).
process.env["NODE_COMPILE_CACHE"] ??= join(tmpdir(), "node-compile-cache");

/**
 * Test projects, ordered by cost.
 *
 * `tidy` checks the rules for source files and documents. `unit` tests open no port and start no process. `int` tests
 * use a real nats-server or worker per file. `life` runs one VM on the whole stack. `pnpm test` runs these four
 * projects, without retries.
 *
 * `e2e` has all other tests on real processes, with the examples and short chaos runs (`pnpm test:e2e`). `compose`
 * tests images and containers, and needs a Docker engine (test/compose/lane.sh). CI runs all projects.
 *
 * Timeouts only end a test that hangs. They are long because on a busy machine every test takes ten times as long.
 */
export default defineConfig({
  test: {
    reporters: ["default", new RetriedTests()],
    sequence: { sequencer: LongFilesFirst },
    projects: [
      {
        test: { name: "tidy", include: ["test/{tidy,documents,symptoms}.test.ts"], testTimeout: 300_000 },
      },
      {
        test: {
          name: "unit",
          include: [
            "packages/*/{src,test}/**/*.test.ts",
            "services/*/{src,test}/**/*.test.ts",
            "examples/*/test/**/*.test.ts",
            "test/{sim,data}/**/*.test.ts",
            "test/chaos/checks.test.ts",
            "test/fuzz/requests.test.ts",
            "test/observability.test.ts",
            "test/pool-document.test.ts",
          ],
          exclude: ["**/*.{int,e2e}.test.ts", DEPENDENCIES],
          // With isolation, the imports of zod and the contracts for every file take 40 % of the CPU time of this
          // project. Without it, a unit test must leave no global state behind: each file undoes its own stubs.
          isolate: false,
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
            "clients/*/test/**/*.int.test.ts",
            "test/images.test.ts",
          ],
          exclude: [DEPENDENCIES],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Files mostly wait for their servers: a third worker keeps two cores busy.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "life",
          include: [LIFE],
          testTimeout: 300_000,
          hookTimeout: 120_000,
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
            "test/chaos/{smoke,cluster,power-cut,experiment}.test.ts",
            "test/fuzz/smoke.test.ts",
            "packages/*/test/**/*.e2e.test.ts",
            "clients/*/test/**/*.e2e.test.ts",
          ],
          exclude: [LIFE, DEPENDENCIES],
          globalSetup: ["test/e2e/shared-stacks.ts"],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          // One stack of six processes at a time: two stacks on two cores slow each other down until user deadlines
          // expire.
          maxWorkers: 1,
          // One retry, because six processes share the cores with the test. The reporter lists every test that needed
          // it.
          retry: 1,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: "compose",
          include: ["test/compose/**/*.test.ts"],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
