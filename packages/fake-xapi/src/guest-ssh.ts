/**
 * SSH servers of fake guests. Each running guest answers on its own loopback address; all share one port and the host
 * key of their template.
 *
 * A system with only one loopback address (macOS) cannot run these servers. Its guests therefore report no address,
 * like guests without tools.
 */
import { createHash, randomBytes } from "node:crypto";
import type { Connection, Server, ServerChannel } from "ssh2";
import type { GuestAgents } from "./guest-agents.ts";
import { runScript } from "./guest-shell.ts";
import { NOT_RUN, parseSupervised, TIMED_OUT } from "./supervised-program.ts";

export interface GuestSshOptions {
  /** Port of the SSH servers of all guests. Default: a free one. */
  readonly port?: number | undefined;
  /** Public key that grants access besides the password, as a line of an OpenSSH public key file. Default: none. */
  readonly authorizedKey?: string | undefined;
}

/** Maximum number of tries to generate a readable host key: a broken key generator causes an error, no endless loop. */
const MAX_KEY_ATTEMPTS = 20;

/**
 * First two octets of the guests' addresses: 127.20.0.0/16 has room for 65 000 guests, and other programs rarely use
 * it.
 */
const NETWORK = "127.20";
const USERNAME = "root";

interface Guest {
  readonly server: Server;
  readonly connections: Set<Connection>;
}

export class GuestSsh {
  readonly username = USERNAME;
  /** The guest agents that the guests' shells can call. */
  agents: GuestAgents | undefined;
  readonly password = randomBytes(12).toString("base64url");
  /** Fingerprint of the host key, as `ssh-keygen -l` prints it. */
  readonly fingerprint: string;
  readonly #ssh2: typeof import("ssh2");
  readonly #hostKey: string;
  readonly #authorized: Buffer | undefined;
  readonly #guests = new Map<string, Guest>();
  #port: number;
  #nextAddress = 0;

  private constructor(ssh2: typeof import("ssh2"), options: GuestSshOptions) {
    this.#ssh2 = ssh2;
    this.#port = options.port ?? 0;
    this.#hostKey = newHostKey(ssh2.utils);
    this.fingerprint = fingerprintOf(publicPart(ssh2, this.#hostKey));
    this.#authorized =
      options.authorizedKey === undefined ? undefined : publicPart(ssh2, options.authorizedKey);
  }

  static async open(options: GuestSshOptions): Promise<GuestSsh> {
    const loaded = await import("ssh2");
    const ssh = new GuestSsh(loaded.default ?? loaded, options);
    // The first server, which belongs to no guest, finds a free port.
    await ssh.begin("", "");
    return ssh;
  }

  /** The port of all guests. */
  get port(): number {
    return this.#port;
  }

  /** Number of connected clients. */
  get connections(): number {
    return [...this.#guests.values()].reduce((sum, { connections }) => sum + connections.size, 0);
  }

  /** Starts a guest's server. Resolves with its address, or with undefined when this system cannot provide one. */
  async begin(vm: string, hostname: string): Promise<string | undefined> {
    this.#nextAddress += 1;
    const address = `${NETWORK}.${this.#nextAddress >> 8}.${this.#nextAddress & 0xff}`;
    const connections = new Set<Connection>();
    const server = new this.#ssh2.Server({ hostKeys: [this.#hostKey] }, (connection) => {
      connections.add(connection);
      connection.on("close", () => connections.delete(connection));
      // Errors of a client, such as a wrong key or a lost connection, do not concern the server.
      connection.on("error", () => undefined);
      this.#serve(connection, vm, hostname);
    });
    const isListening = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(this.#port, address, () => resolve(true));
    });
    if (!isListening) return undefined;
    this.#port ||= (server.address() as { port: number }).port;
    this.#guests.set(vm, { server, connections });
    return address;
  }

  /** Stops a guest's server and closes its connections. */
  end(vm: string): void {
    const guest = this.#guests.get(vm);
    this.#guests.delete(vm);
    guest?.server.close();
    for (const connection of guest?.connections ?? []) connection.end();
  }

  close(): void {
    for (const vm of [...this.#guests.keys()]) this.end(vm);
  }

  #serve(connection: Connection, vm: string, hostname: string): void {
    connection.on("authentication", (context) => {
      const isByPassword = context.method === "password" && context.password === this.password;
      const isByKey =
        context.method === "publickey" &&
        this.#authorized !== undefined &&
        context.key.data.equals(this.#authorized) &&
        (context.signature === undefined || this.#isSigned(context));
      if (context.username === USERNAME && (isByPassword || isByKey)) context.accept();
      else context.reject(["publickey", "password"]);
    });
    connection.on("ready", () => {
      connection.on("session", (accept) => {
        accept().on("exec", (acceptExec, _reject, { command }) => {
          const call = (input: string, signal: AbortSignal) => this.agents?.call(vm, input, signal);
          void execute(acceptExec(), command, hostname, async (...args) => call(...args));
        });
      });
    });
  }

  #isSigned(context: import("ssh2").PublicKeyAuthContext): boolean {
    const key = this.#ssh2.utils.parseKey(`${context.key.algo} ${context.key.data.toString("base64")}`);
    if (key instanceof Error || context.blob === undefined || context.signature === undefined) return false;
    return key.verify(context.blob, context.signature, context.hashAlgo) === true;
  }
}

type KeyTools = Pick<typeof import("ssh2")["utils"], "generateKeyPairSync" | "parseKey">;

/**
 * Returns a new ed25519 key in OpenSSH format. ssh2 1.17 writes 2 of 1 000 such keys in a form that it cannot read
 * (measured: 6 of 3 000), so an unreadable key is replaced. Throws when ssh2 generates only unreadable keys.
 */
export function newHostKey({ generateKeyPairSync, parseKey }: KeyTools): string {
  for (let attempt = 0; attempt < MAX_KEY_ATTEMPTS; attempt += 1) {
    const key = generateKeyPairSync("ed25519").private;
    if (!(parseKey(key) instanceof Error)) return key;
  }
  throw new Error(`ssh2 generated ${MAX_KEY_ATTEMPTS} unreadable host keys`);
}

function publicPart(ssh2: typeof import("ssh2"), key: string): Buffer {
  const parsed = ssh2.utils.parseKey(key);
  if (parsed instanceof Error) throw parsed;
  return parsed.getPublicSSH();
}

/** Returns the fingerprint of a public key in its wire form, as `ssh-keygen -l` prints it. */
function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

async function execute(
  channel: ServerChannel,
  command: string,
  hostname: string,
  callAgent: (
    input: string,
    signal: AbortSignal,
  ) => Promise<{ status: number; stdout: string; stderr: string } | undefined>,
): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of channel) pieces.push(piece as Buffer);
  const input = Buffer.concat(pieces).toString("utf8");
  const supervised = parseSupervised(command);
  const isComplete = supervised === undefined || input.endsWith(supervised.mark);
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(TIMED_OUT), supervised?.timeoutMs ?? 0);
  if (supervised === undefined) clearTimeout(timer);
  channel.on("close", () => abort.abort());
  const io = {
    hostname,
    out: (text: string) => void channel.write(text),
    err: (text: string) => void channel.stderr.write(text),
    signal: abort.signal,
    callAgent: () => callAgent(supervised === undefined ? input : "", abort.signal),
  };
  const source = supervised === undefined ? command : input.slice(0, input.length - supervised.mark.length);
  try {
    if (!isComplete) channel.exit(NOT_RUN, false, "");
    else channel.exit(await runScript(source, io));
  } catch {
    channel.exit(TIMED_OUT, false, "");
  } finally {
    clearTimeout(timer);
    channel.end();
  }
}
