/**
 * Runs programs in machines for the driver port: finds a machine's address and host keys, connects, and reports the
 * outcome.
 *
 * Each new connection reads the machine's address from the pool, because the address can change when the guest boots.
 */
import { DriverError, type ExecOptions, type ExecOutcome } from "@bioxen/vm-driver";
import { Connection, type Login } from "../ssh/connection.ts";
import { type ConnectionLimits, Connections } from "../ssh/connections.ts";
import { type ExpectedKeys, expectedKeys, type HostKeySources } from "../ssh/host-keys.ts";
import { ANSWER_MARGIN_MS, MAX_PROGRAM_TIMEOUT_MS, MAX_SOURCE_BYTES } from "../ssh/limits.ts";
import { failureOf, type ProgramExit, type RemoteCall, type RunLimits } from "../ssh/run.ts";
import type { XapiClient } from "../xapi/client.ts";
import { NULL_REF } from "../xapi/ref.ts";
import { asDriverError } from "./failures.ts";
import type { OwnVm } from "./inventory.ts";

export interface SshSettings extends HostKeySources {
  /** Reads the SSH credentials. Called for each new connection. Its errors never contain a secret. */
  readonly login: () => Promise<Login>;
  readonly port: number;
  /** Maximum time until a program has started, ms. It includes the opening of a connection. */
  readonly connectTimeoutMs: number;
  readonly limits?: Partial<ConnectionLimits> | undefined;
}

/** Error text of `exec` when SSH is not configured. */
export const NO_SSH =
  "programs run in a machine over SSH, which is not configured for this agent: set BIOXEN_XCPNG_SSH_USER, BIOXEN_XCPNG_SSH_KEY_FILE and a host key (docs/how-to/xcpng.md)";

export class Programs {
  readonly #ssh: SshSettings;
  readonly #client: Pick<XapiClient, "call">;
  readonly #connections: Connections;

  constructor(ssh: SshSettings, client: Pick<XapiClient, "call">) {
    this.#ssh = ssh;
    this.#client = client;
    this.#connections = new Connections(ssh.limits);
  }

  /** Number of connections that are open or being opened. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Runs a program in the machine that `target` returns. `target` is called a second time right before the program
   * starts, and throws when the machine no longer runs under the same fence.
   */
  async run(target: () => OwnVm, source: string, { timeoutMs }: ExecOptions): Promise<ExecOutcome> {
    requireProgram(source, timeoutMs);
    const { vmId } = target().tags;
    const exit = await this.#connected(target, timeoutMs + ANSWER_MARGIN_MS, (connection, limits) =>
      connection.run(source, { timeoutMs, ...limits }),
    );
    const failure = failureOf(vmId, exit, timeoutMs);
    if (failure !== undefined) throw failure;
    return { result: { exitCode: 0, stderr: exit.stderr }, stdout: exit.stdout, instructions: 0 };
  }

  /**
   * Runs a command that ends by itself in the machine that `target` returns, as `run` does. Resolves with the exit of
   * the command, which is complete within `withinMs`.
   */
  call(target: () => OwnVm, call: RemoteCall, withinMs: number): Promise<ProgramExit> {
    return this.#connected(target, withinMs, (connection, limits) => connection.call(call, limits));
  }

  #connected(
    target: () => OwnVm,
    withinMs: number,
    work: (connection: Connection, limits: Omit<RunLimits, "timeoutMs">) => Promise<ProgramExit>,
  ): Promise<ProgramExit> {
    const vm = target();
    const { vmId, fence } = vm.tags;
    const startedMs = performance.now();
    const left = (ms: number): number => Math.max(1, startedMs + ms - performance.now());
    const beginWithin = (): number => left(this.#ssh.connectTimeoutMs);
    return this.#connections.with(
      vmId,
      fence,
      () => this.#open(vm, beginWithin),
      (connection) => {
        target();
        return work(connection, { beginWithinMs: beginWithin(), answerWithinMs: left(withinMs) });
      },
    );
  }

  async #open(vm: OwnVm, leftMs: () => number): Promise<Connection> {
    const { vmId } = vm.tags;
    const login = await this.#ssh.login().catch((cause: Error) => {
      throw new DriverError("UNSUPPORTED", cause.message, { cause });
    });
    const [machine, expected] = await this.#find(vm).catch((thrown) => {
      throw asDriverError(thrown, `looking for "${vmId}" in the pool`);
    });
    return Connection.open(machine, login, expected, leftMs());
  }

  async #find(vm: OwnVm): Promise<readonly [Connection["machine"], ExpectedKeys]> {
    const { vmId } = vm.tags;
    const { port } = this.#ssh;
    const record = await this.#client.call("VM.get_record", [vm.ref]);
    const networks =
      record.guest_metrics === NULL_REF
        ? {}
        : (await this.#client.call("VM_guest_metrics.get_record", [record.guest_metrics])).networks;
    const address = networks["0/ip"] || networks["0/ipv4/0"] || networks["0/ipv6/0"];
    if (!address) {
      const message = `"${vmId}" has not reported an address: wait until it has booted, or install the guest tools (xe-guest-utilities) in it`;
      throw new DriverError("UNAVAILABLE", message, { details: { vmId, ran: "no" } });
    }
    const { other_config: otherConfig, xenstore_data: xenstore } = record;
    const machine = { vmId, address, port };
    return [machine, await expectedKeys({ ...machine, otherConfig, xenstore }, this.#ssh)];
  }

  /** Closes the connection to a machine whose run ended or whose state was replaced. */
  end(vmId: string, why: string): void {
    this.#connections.end(vmId, why);
  }

  close(): Promise<void> {
    return this.#connections.close();
  }
}

/** Throws `BAD_REQUEST` or `TOO_LARGE` for a program that no machine runs. */
export function requireProgram(source: string, timeoutMs: number): void {
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > MAX_PROGRAM_TIMEOUT_MS) {
    const message = `timeoutMs must be an integer from 1 to ${MAX_PROGRAM_TIMEOUT_MS}`;
    throw new DriverError("BAD_REQUEST", message);
  }
  const bytes = Buffer.byteLength(source);
  if (bytes > MAX_SOURCE_BYTES) {
    const details = { bytes, limit: MAX_SOURCE_BYTES };
    throw new DriverError("TOO_LARGE", `the program has ${bytes} bytes; the limit is ${MAX_SOURCE_BYTES}`, {
      details,
    });
  }
  if (source.includes("\0"))
    throw new DriverError("BAD_REQUEST", "the program contains a NUL character: a machine runs text only");
}
