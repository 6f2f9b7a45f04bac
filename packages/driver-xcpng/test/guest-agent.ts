/**
 * Fake pools whose machines run the real guest agent, for tests.
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FakeOptions, GuestAgentOptions } from "@bioxen/fake-xapi";

/** The script that builds the guest agent as one file. It is no part of the package's declarations. */
const BUILD = new URL("../../guest-agent/scripts/build.ts", import.meta.url).href;

let built: Promise<string> | undefined;

async function build(): Promise<string> {
  const { buildBundle } = (await import(BUILD)) as { buildBundle: (folder: string) => Promise<string> };
  return buildBundle(mkdtempSync(join(tmpdir(), "bioxen-cell-")));
}

/** Returns the command of the guest agent as machines have it: one file, built once per process. */
export async function agentCommand(): Promise<[string, string]> {
  built ??= build();
  return [process.execPath, await built];
}

/** Returns the options of a fake pool whose machines answer SSH and run the guest agent. */
export async function withAgents(agent: Partial<GuestAgentOptions> = {}): Promise<FakeOptions> {
  return { guestSsh: {}, guestAgent: { command: await agentCommand(), ...agent } };
}
