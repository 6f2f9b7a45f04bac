/**
 * Whether there is a Docker engine with `docker compose` to test on. On a developer's machine its absence is a reason to skip, in CI
 * a failure: a lane that nobody notices is gone holds nothing.
 */
import { execFile } from "node:child_process";
import { createServer } from "node:net";
import { promisify } from "node:util";

/** An engine that does not answer a question about its version in this time will not run a stack, ms. */
const ANSWER_TIMEOUT_MS = 20_000;

// Ryuk, which removes what a killed test leaves, is an image of a registry that may be out of reach; `lane.sh` removes by label.
process.env["TESTCONTAINERS_RYUK_DISABLED"] = "true";

/** undefined: there is one. Throws with `CI` set and none. */
export async function whyNoEngine(): Promise<string | undefined> {
  const run = promisify(execFile);
  try {
    await run("docker", ["version"], { timeout: ANSWER_TIMEOUT_MS });
    await run("docker", ["compose", "version"], { timeout: ANSWER_TIMEOUT_MS });
    return undefined;
  } catch (thrown) {
    const [line] = String(thrown instanceof Error && "stderr" in thrown ? thrown.stderr : thrown).split("\n");
    const reason = `no Docker engine with compose answers: ${line}`;
    if (process.env["CI"]) throw new Error(reason, { cause: thrown });
    return reason;
  }
}

/** Of the loopback interface, free a moment ago: the mapped port of a container changes with each restart, one that is chosen stays. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("a port has no number");
  return address.port;
}

export const NATS_IMAGE = process.env["NATS_IMAGE"] ?? "nats:2.12.1-alpine";
