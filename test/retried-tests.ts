/**
 * A Vitest reporter that lists the tests that were tried again.
 *
 * A retry hides a flaky test: the run ends green and says nothing. The list at the end makes each of them visible, also
 * when it is empty.
 */
import type { Reporter, TestCase } from "vitest/node";

export class RetriedTests implements Reporter {
  readonly #retried: string[] = [];

  onTestRunStart(): void {
    this.#retried.length = 0;
  }

  onTestCaseResult(test: TestCase): void {
    const retries = test.diagnostic()?.retryCount ?? 0;
    if (retries === 0) return;
    const state = test.result().state;
    this.#retried.push(
      `${test.module.relativeModuleId} > ${test.fullName}: ${state} after ${retries} ${retries === 1 ? "retry" : "retries"}`,
    );
  }

  onTestRunEnd(): void {
    if (this.#retried.length === 0) console.log("Retried tests: none");
    else console.log(["Retried tests:", ...this.#retried.map((line) => `  ${line}`)].join("\n"));
  }
}
