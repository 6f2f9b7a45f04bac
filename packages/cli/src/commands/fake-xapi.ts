/**
 * `bioxen fake-xapi`: a simulated XCP-ng pool, to try xcpng VMs without a real one.
 */
import { access, constants, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { FakeOptions, FakeXapi } from "@bioxen/fake-xapi";
import type { Command } from "commander";
import { Interruption } from "../interruption.ts";
import { CommandEnd, EXIT_REFUSED, usage } from "../outcome.ts";
import { given, integerIn, portOption } from "../parse.ts";
import { conclude, globalsOf, note, say, sayJson } from "../run.ts";

interface FakeXapiOptions {
  readonly port?: number;
  readonly hosts?: number;
  readonly cpus?: number;
  readonly memory?: number;
  readonly secrets?: string;
  readonly guestAgent?: string;
}

/**
 * Names of the files that `--secrets` writes. Each is also the suffix of the environment variable by which the agent
 * finds that file.
 */
const PASSWORD_FILE = "password";
const FINGERPRINT_FILE = "fingerprint";
/** Mode of the secret files: readable by their owner only. The agent must run as the same user. */
const OWNER_ONLY = 0o600;

/** Limits of a fake pool; no real pool exceeds them. The minimum memory holds the host's dom0 and one small machine. */
const MAX_HOSTS = 64;
const MAX_CPUS = 4_096;
const MIN_MEMORY_MIB = 1_024;
const MAX_MEMORY_MIB = 64 * 1_024 * 1_024;

const EXAMPLE = `
Example, in two terminals:
  bioxen fake-xapi
  BIOXEN_XCPNG_PASSWORD=… bioxen up --xcpng URL --xcpng-fingerprint SHA256
  bioxen vm create x1 --type ecoli --vm-type xcpng --start`;

export function addFakeXapiCommand(program: Command): void {
  program
    .command("fake-xapi")
    .description("run a fake XCP-ng pool, to try xcpng VMs; its state is lost at the end")
    .option("--port <n>", "port; default: a free port", portOption)
    .option("--hosts <n>", "hosts of the pool; default 2", integerIn({ min: 1, max: MAX_HOSTS }))
    .option("--cpus <n>", "processors of each host; default 16", integerIn({ min: 1, max: MAX_CPUS }))
    .option(
      "--memory <MiB>",
      "memory of each host, MiB; default 65536",
      integerIn({ min: MIN_MEMORY_MIB, max: MAX_MEMORY_MIB }),
    )
    .option(
      "--guest-agent <file>",
      "run this bioxen-cell.mjs in each machine, so that the machines are cells; default: no guest agent",
    )
    .option(
      "--secrets <folder>",
      "folder for files with password and fingerprint, which are then not printed",
    )
    .addHelpText("after", EXAMPLE)
    .action(async (options: FakeXapiOptions, command: Command) => {
      const json = globalsOf(command).json === true;
      try {
        await serve(options, json);
      } catch (thrown) {
        const { code } = thrown as NodeJS.ErrnoException;
        if (code !== "EADDRINUSE") throw thrown;
        const message = `port ${options.port} is in use: choose another with --port, or omit --port for a free one`;
        conclude(
          new CommandEnd(EXIT_REFUSED, message, { code: "CONFLICT", message, retryable: false }),
          json,
        );
      }
    });
}

async function serve(options: FakeXapiOptions, json: boolean): Promise<void> {
  // Loaded only here, because no other command needs it.
  const { createFakeXapi, TEMPLATE_NAME } = await import("@bioxen/fake-xapi");
  const settings: FakeOptions = given({
    port: options.port,
    hosts: options.hosts,
    cpusPerHost: options.cpus,
    memoryMiBPerHost: options.memory,
  });
  const { guestAgent } = options;
  const agent = guestAgent === undefined ? {} : { guestAgent: { command: await agentCommand(guestAgent) } };
  const fake = await createFakeXapi({ ...settings, guestSsh: {}, ...agent });
  const { url, fingerprint, username, password, ssh } = fake;
  const guests = ssh && { username: ssh.username, password: ssh.password, port: ssh.port };
  if (options.secrets !== undefined) {
    await writeSecrets(fake, options.secrets);
    if (json) sayJson({ url, fingerprint, username });
    else say(`a fake XCP-ng pool runs on ${url}; its password and fingerprint are in ${options.secrets}`);
  } else if (json)
    sayJson({ url, fingerprint, username, password, ...(guests === undefined ? {} : { guests }) });
  else {
    say(`a fake XCP-ng pool runs on ${url}; its template is "${TEMPLATE_NAME}". Use it with:`);
    say(`  BIOXEN_XCPNG_USERNAME=${username} BIOXEN_XCPNG_PASSWORD=${password} \\`);
    if (guests !== undefined) {
      say(`  BIOXEN_XCPNG_SSH_USER=${guests.username} BIOXEN_XCPNG_SSH_PASSWORD=${guests.password} \\`);
      say(`  BIOXEN_XCPNG_SSH_PORT=${guests.port} \\`);
    }
    say(`    bioxen up --xcpng ${url} --xcpng-fingerprint ${fingerprint}`);
    if (guests !== undefined) {
      say("Its guests accept SSH and have a few commands: bioxen vm exec ID --shell -e 'hostname; uname'");
    }
  }
  const interruption = Interruption.listen({ withLauncher: true });
  await interruption.requested;
  note("stopping…");
  await fake.close();
  interruption.end();
}

/** Returns the command of the guest agent in `file`, which the Node.js of this process runs. */
async function agentCommand(file: string): Promise<[string, string]> {
  const path = resolve(file);
  await access(path, constants.R_OK).catch(() => {
    throw usage(
      `--guest-agent ${file}: the file cannot be read: build it with pnpm run cell, or see docs/how-to/xcpng.md`,
    );
  });
  return [process.execPath, path];
}

/**
 * Writes each file atomically, and the fingerprint last. When the fingerprint file exists, both files are therefore
 * complete.
 */
async function writeSecrets({ password, fingerprint }: FakeXapi, folder: string): Promise<void> {
  for (const [name, content] of [
    [PASSWORD_FILE, password],
    [FINGERPRINT_FILE, fingerprint],
  ] as const) {
    const path = join(folder, name);
    await writeFile(`${path}.new`, `${content}\n`, { mode: OWNER_ONLY });
    await rename(`${path}.new`, path);
  }
}
