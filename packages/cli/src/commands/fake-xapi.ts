/**
 * `bioxen fake-xapi`: a pool that is not there, to try xcpng VMs without one.
 */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { FakeOptions, FakeXapi } from "@bioxen/fake-xapi";
import type { Command } from "commander";
import { CommandEnd, EXIT_REFUSED } from "../outcome.ts";
import { given, integerOption } from "../parse.ts";
import { conclude, globalsOf, note, say, sayJson } from "../run.ts";
import { untilInterrupted } from "../until.ts";

interface FakeXapiOptions {
  readonly port?: number;
  readonly hosts?: number;
  readonly cpus?: number;
  readonly memory?: number;
  readonly secrets?: string;
}

/** Files of `--secrets`, named as an agent's variables end. */
const PASSWORD_FILE = "password";
const FINGERPRINT_FILE = "fingerprint";
/** For nobody but the user both run as. */
const OWNER_ONLY = 0o600;

const EXAMPLE = `
Example, in two terminals:
  bioxen fake-xapi
  BIOXEN_XCPNG_PASSWORD=… bioxen up --xcpng URL --xcpng-fingerprint SHA256
  bioxen vm create x1 --type ecoli --vm-type xcpng --start`;

export function addFakeXapiCommand(program: Command): void {
  program
    .command("fake-xapi")
    .description("a fake XCP-ng pool on this machine, to try xcpng VMs on; nothing of it is kept")
    .option("--port <n>", "port; default: a free one", integerOption)
    .option("--hosts <n>", "hosts of the pool", integerOption)
    .option("--cpus <n>", "processors of each host", integerOption)
    .option("--memory <MiB>", "memory of each host, MiB", integerOption)
    .option("--secrets <folder>", "where password and fingerprint are left for an agent, and printed nowhere")
    .addHelpText("after", EXAMPLE)
    .action(async (options: FakeXapiOptions, command: Command) => {
      const json = globalsOf(command).json === true;
      try {
        await serve(options, json);
      } catch (thrown) {
        const { code } = thrown as NodeJS.ErrnoException;
        if (code !== "EADDRINUSE") throw thrown;
        const message = `port ${options.port} is taken: choose another with --port, or leave it out`;
        conclude(
          new CommandEnd(EXIT_REFUSED, message, { code: "CONFLICT", message, retryable: false }),
          json,
        );
      }
    });
}

async function serve(options: FakeXapiOptions, json: boolean): Promise<void> {
  // Loaded here: no other command needs it.
  const { createFakeXapi, TEMPLATE_NAME } = await import("@bioxen/fake-xapi");
  const settings: FakeOptions = given({
    port: options.port,
    hosts: options.hosts,
    cpusPerHost: options.cpus,
    memoryMiBPerHost: options.memory,
  });
  const fake = await createFakeXapi({ ...settings, guestSsh: {} });
  const { url, fingerprint, username, password, ssh } = fake;
  const guests = ssh && { username: ssh.username, password: ssh.password, port: ssh.port };
  if (options.secrets !== undefined) {
    await leave(fake, options.secrets);
    if (json) sayJson({ url, fingerprint, username });
    else say(`a fake XCP-ng pool answers on ${url}; how to get in is in ${options.secrets}`);
  } else if (json)
    sayJson({ url, fingerprint, username, password, ...(guests === undefined ? {} : { guests }) });
  else {
    say(`a fake XCP-ng pool answers on ${url}; its template is "${TEMPLATE_NAME}". Use it with:`);
    say(`  BIOXEN_XCPNG_USERNAME=${username} BIOXEN_XCPNG_PASSWORD=${password} \\`);
    if (guests !== undefined) {
      say(`  BIOXEN_XCPNG_SSH_USER=${guests.username} BIOXEN_XCPNG_SSH_PASSWORD=${guests.password} \\`);
      say(`  BIOXEN_XCPNG_SSH_PORT=${guests.port} \\`);
    }
    say(`    bioxen up --xcpng ${url} --xcpng-fingerprint ${fingerprint}`);
    if (guests !== undefined) {
      say(
        "Its guests answer SSH and have a few commands of their own: bioxen vm exec ID -e 'hostname; uname'",
      );
    }
  }
  await untilInterrupted();
  note("ending…");
  await fake.close();
}

/** The fingerprint last, and each file at once: who finds it finds both, whole. */
async function leave({ password, fingerprint }: FakeXapi, folder: string): Promise<void> {
  for (const [name, content] of [
    [PASSWORD_FILE, password],
    [FINGERPRINT_FILE, fingerprint],
  ] as const) {
    const path = join(folder, name);
    await writeFile(`${path}.new`, `${content}\n`, { mode: OWNER_ONLY });
    await rename(`${path}.new`, path);
  }
}
