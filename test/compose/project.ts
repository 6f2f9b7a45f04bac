/**
 * A compose project of the shipped files, driven by `docker compose` and `bioxen` as a user drives them.
 */
import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CLI = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));
/** The compose project. `lane.sh` removes what a killed test leaves by this label. */
export const PROJECT = "bioxen-suite";
/** Time limit of one command, ms. `up` waits for all containers. */
const COMMAND_TIMEOUT_MS = 270_000;
/** Logs and descriptions of all containers are long. */
const MAX_OUTPUT_BYTES = 256 * 1_024 * 1_024;

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class ComposeProject {
  readonly port: number;
  /** The variables of the compose files, beside those of this process. */
  readonly variables: Readonly<Record<string, string>>;
  readonly #files: readonly string[];

  /** Default: docker-compose.yml only. */
  constructor(
    port: number,
    variables: Readonly<Record<string, string>> = {},
    files: readonly string[] = ["docker-compose.yml"],
  ) {
    this.port = port;
    this.variables = { ...variables, BIOXEN_NATS_PORT: String(port) };
    this.#files = files;
  }

  /** The same project with a further file. */
  with(file: string): ComposeProject {
    return new ComposeProject(this.port, this.variables, [...this.#files, file]);
  }

  /** Runs `docker compose`, and returns its stdout. Throws when it fails. */
  async compose(...args: string[]): Promise<string> {
    const files = this.#files.flatMap((file) => ["--file", file]);
    return (await this.#run("docker", ["compose", "--project-name", PROJECT, ...files, ...args])).stdout;
  }

  /** Starts the services, by default all, and waits until they are healthy. */
  async up(...services: string[]): Promise<void> {
    await this.compose("up", "--detach", "--wait", "--wait-timeout", "240", ...services);
  }

  /** Runs `bioxen` in the container `cli`, and returns its stdout. Throws when it fails. */
  inContainer(...args: string[]): Promise<string> {
    return this.compose("run", "--rm", "-T", "cli", ...args);
  }

  /** Copies the keys of the project to `<dir>/keys`, and returns the path of the admin's. */
  async copyKeys(dir: string): Promise<string> {
    await mkdir(dir, { recursive: true });
    await this.compose("cp", "keys:/keys", dir);
    return join(dir, "keys", "admin.creds");
  }

  /** Runs `bioxen` on the host. */
  async bioxen(...args: string[]): Promise<Ended> {
    return this.#run(process.execPath, [CLI, ...args]).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }: Ended) => ({ code, stdout, stderr }),
    );
  }

  #run(command: string, args: readonly string[]) {
    return promisify(execFile)(command, args, {
      cwd: ROOT,
      env: { ...process.env, ...this.variables },
      timeout: COMMAND_TIMEOUT_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
    });
  }
}
