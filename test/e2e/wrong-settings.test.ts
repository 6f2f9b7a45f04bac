/**
 * `bioxen up` with a setting that a service refuses, or a data directory that cannot be created.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CLI } from "./world.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-settings-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe("a stack with a wrong setting", () => {
  it("ends at once, with exit code 2 and one sentence", { timeout: 60_000 }, async () => {
    const up = (data: string, more: Readonly<Record<string, string>>) =>
      new Promise<{ readonly code: unknown; readonly stderr: string }>((resolve) => {
        const env = { ...process.env, BIOXEN_HOME: join(dir, "home"), ...more };
        execFile(process.execPath, [CLI, "up", "--data", data], { env }, (error, _stdout, stderr) =>
          resolve({ code: error?.code ?? 0, stderr }),
        );
      });
    const wrong = await up(join(dir, "data"), { BIOXEN_LOG_LEVEL: "shout" });
    expect(wrong).toEqual({
      code: 2,
      stderr: expect.stringMatching(/configuration is wrong:\n {2}BIOXEN_LOG_LEVEL: must be one of/),
    });
    expect(wrong.stderr).not.toContain("ConfigError");
    const impossible = await up(join(CLI, "below-a-file"), {});
    expect(impossible).toEqual({ code: 2, stderr: expect.stringContaining("cannot be created") });
  });
});
