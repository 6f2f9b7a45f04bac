/**
 * Checks for a Docker engine with `docker compose`. Without one, the tests are skipped on a developer's machine but
 * fail in CI, so that CI cannot silently lose these tests.
 */
import { execFile } from "node:child_process";
import { createServer } from "node:net";
import { promisify } from "node:util";

/** Time limit for `docker version`, ms: a slower engine cannot run the stack. */
const ANSWER_TIMEOUT_MS = 20_000;

// Ryuk, the cleanup container of testcontainers, needs an image registry that may be unreachable. `lane.sh` cleans up
// by label instead.
process.env["TESTCONTAINERS_RYUK_DISABLED"] = "true";

/**
 * The reason why no engine can be used, or undefined if one answers. Throws instead of returning a reason when `CI` is
 * set.
 */
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

/**
 * A free port of the loopback interface. Docker chooses a new mapped port at each restart of a container, but keeps a
 * port that is given.
 */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("a port has no number");
  return address.port;
}

export const NATS_IMAGE = process.env["NATS_IMAGE"] ?? "nats:2.12.1-alpine";
