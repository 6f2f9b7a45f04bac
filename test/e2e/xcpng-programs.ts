/**
 * Programs in a machine by `vm exec`, for `xcpng.test.ts`: their output, their failures and their deadline.
 */
import type { FakeXapi } from "@bioxen/fake-xapi";
import { expect } from "vitest";
import type { Json, World } from "./world.ts";

/** Environment variables that give an agent SSH access to the guests of this fake. */
export function sshSettingsOf({ ssh }: FakeXapi): Readonly<Record<string, string | undefined>> {
  return {
    BIOXEN_XCPNG_SSH_USER: ssh?.username,
    BIOXEN_XCPNG_SSH_PASSWORD: ssh?.password,
    BIOXEN_XCPNG_SSH_PORT: String(ssh?.port),
  };
}

/** Restarts the stack with these variables. Later stacks do not get them. */
export async function restartWith(
  world: World,
  settings: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  Object.assign(process.env, settings);
  await world.restart().finally(() => {
    for (const name of Object.keys(settings)) delete process.env[name];
  });
}

/** Checks programs in the machine of `vmId`, which must run. */
export async function programsRunIn(world: World, vmId: string): Promise<void> {
  const exec = (source: string, ...more: string[]): Promise<Json> =>
    world.bioxen("vm", "exec", vmId, "-e", source, ...more);
  const well = await exec("hostname; uname; echo careful >&2");
  expect(well).toMatchObject({ code: 0, stderr: "careful\n" });
  expect(well.stdout).toMatch(new RegExp(`^BioXen ${vmId} .*\nFake\n$`));
  const badly = await exec("echo before; echo why >&2; exit 3");
  expect(badly).toMatchObject({ code: 1, stdout: "before\n" });
  expect(badly.stderr).toMatch(/^why\nGUEST_ERROR: .*exit status 3: why/);
  const late = await exec("sleep 60", "--timeout-ms", "200", "--json");
  expect(JSON.parse(late.stdout).error.code).toBe("GUEST_TIMEOUT");
  const prompt = await world.bioxen("vm", "console", vmId);
  expect([prompt.code, prompt.stderr]).toEqual([1, expect.stringContaining("without a Lua prompt")]);
}
