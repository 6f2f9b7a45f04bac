/**
 * Programs in a machine by the command, for `xcpng.test.ts`: what they print, how they fail, and that a time limit holds.
 */
import type { FakeXapi } from "@bioxen/fake-xapi";
import { expect } from "vitest";
import type { Json, World } from "./world.ts";

/** What an agent is given that is to have a way into the guests of this fake. */
export function wayInto({ ssh }: FakeXapi): Readonly<Record<string, string | undefined>> {
  return {
    BIOXEN_XCPNG_SSH_USER: ssh?.username,
    BIOXEN_XCPNG_SSH_PASSWORD: ssh?.password,
    BIOXEN_XCPNG_SSH_PORT: String(ssh?.port),
  };
}

/** The stack anew, its agent with these settings, and no later one. */
export async function restartWith(
  world: World,
  settings: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  Object.assign(process.env, settings);
  await world.restart().finally(() => {
    for (const name of Object.keys(settings)) delete process.env[name];
  });
}

export async function programsRunIn(world: World, vmId: string): Promise<void> {
  const exec = (source: string, ...more: string[]): Promise<Json> =>
    world.bioxen("vm", "exec", vmId, "-e", source, ...more);
  const well = await exec("hostname; uname; echo careful >&2");
  expect(well).toMatchObject({ code: 0, stderr: "careful\n" });
  expect(well.stdout).toMatch(new RegExp(`^bioxen/local/${vmId}/.*\nFake\n$`));
  const badly = await exec("echo before; echo why >&2; exit 3");
  expect(badly).toMatchObject({ code: 1, stdout: "before\n" });
  expect(badly.stderr).toMatch(/^why\nGUEST_ERROR: .*exit status 3: why/);
  const late = await exec("sleep 60", "--timeout-ms", "200", "--json");
  expect(JSON.parse(late.stdout).error.code).toBe("GUEST_TIMEOUT");
  const prompt = await world.bioxen("vm", "console", vmId);
  expect([prompt.code, prompt.stderr]).toEqual([1, expect.stringContaining("has no Lua prompt")]);
}
