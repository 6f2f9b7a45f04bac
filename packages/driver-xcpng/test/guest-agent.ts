/**
 * Fake pools whose machines run the real guest agent, for tests.
 */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FakeOptions, GuestAgentOptions } from "@bioxen/fake-xapi";

export { AGENT_KEY } from "@bioxen/guest-agent/protocol";

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

/** A guest agent that the test can hold back, and whose replies the test can replace. */
export class ScriptedAgent {
  readonly #folder: string;
  readonly #command: readonly [string, string];

  private constructor(folder: string, command: readonly [string, string]) {
    this.#folder = folder;
    this.#command = command;
  }

  static async create(): Promise<ScriptedAgent> {
    const folder = mkdtempSync(join(tmpdir(), "scripted-cell-"));
    const agent = new ScriptedAgent(folder, await agentCommand());
    const [node, file] = agent.#command;
    writeFileSync(
      agent.#path("agent"),
      `#!/bin/sh
case $1 in
  run) while [ -e "${agent.#path("held")}" ]; do /bin/sleep 0.05; done ;;
  call)
    echo begun >> "${agent.#path("calls")}"
    if [ -e "${agent.#path("reply")}" ]; then /bin/cat > /dev/null; /bin/cat "${agent.#path("reply")}"; else "${node}" "${file}" "$@"; fi
    status=$?
    echo ended >> "${agent.#path("calls")}"
    exit $status ;;
esac
exec "${node}" "${file}" "$@"
`,
    );
    chmodSync(agent.#path("agent"), 0o700);
    return agent;
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  /** Options of a fake pool whose machines run this agent. */
  options(more: Partial<GuestAgentOptions> = {}): FakeOptions {
    return { guestSsh: {}, guestAgent: { command: [this.#path("agent")], ...more } };
  }

  /** Lets the agents of machines that boot from now on wait until {@link release}. */
  hold(): void {
    writeFileSync(this.#path("held"), "");
  }

  release(): void {
    rmSync(this.#path("held"), { force: true });
  }

  /** Answers every request from now on with this reply. */
  answer(reply: object): void {
    writeFileSync(this.#path("reply"), `${JSON.stringify(reply)}\n`);
  }

  /** How many requests have reached the machine, and how many were answered. */
  get calls(): { readonly begun: number; readonly ended: number } {
    const path = this.#path("calls");
    const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
    const count = (word: string) => lines.filter((line) => line === word).length;
    return { begun: count("begun"), ended: count("ended") };
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
