/**
 * Stacks that test files share: the global set-up of the Vitest project `e2e`, which runs in Vitest's main process.
 *
 * A stack has six processes, and its start and stop take longer than many tests. A file that needs neither kills nor
 * special settings takes a shared stack for its whole run (`World.shared`). A stack serves one file at a time. It
 * starts without a chassis; the file registers its own. Afterwards its VMs, chassis, quotas and alert rules are
 * removed, so that the next file finds an empty cluster with a longer log.
 *
 * An open connection of the test process is the claim: a test process that dies therefore releases its stack. A stack
 * that cannot be emptied is replaced.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type LocalStack, startLocalStack } from "@bioxen/local-stack";
import type { TestProject } from "vitest/node";
import { emptyCluster } from "./empty-cluster.ts";
import { connectRaw } from "./raw-connection.ts";

/** The settings that no command can change: each combination has its own shared stack. */
export interface SharedSettings {
  /** Simulated minutes per second. */
  readonly timeScale: number;
}

/** The answer to a claim. */
export type Claimed = { readonly url: string; readonly dir: string } | { readonly problem: string };

interface Running {
  readonly dir: string;
  readonly stack: LocalStack;
}

declare module "vitest" {
  interface ProvidedContext {
    /** The loopback port on which `shared-stacks.ts` accepts claims. */
    sharedStacksPort: number;
  }
}

class SharedStack {
  readonly #settings: SharedSettings;
  #running: Promise<Running> | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(settings: SharedSettings) {
    this.#settings = settings;
  }

  /** Queues a claim. The stack serves one socket after the other, each until it closes. */
  claim(socket: Socket): void {
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    this.#last = this.#last.then(() => this.#serve(socket, closed));
  }

  async #serve(socket: Socket, closed: Promise<void>): Promise<void> {
    if (socket.destroyed) return;
    this.#running ??= this.#start();
    const answer = await this.#running.then(
      ({ stack, dir }): Claimed => ({ url: stack.url, dir }),
      (thrown: unknown): Claimed => ({ problem: String(thrown) }),
    );
    socket.write(`${JSON.stringify(answer)}\n`);
    await closed;
    if ("problem" in answer) this.#running = undefined;
    else await this.#empty(answer.dir);
  }

  async #start(): Promise<Running> {
    const dir = await mkdtemp(join(tmpdir(), "bioxen-shared-"));
    const { timeScale } = this.#settings;
    const stack = await startLocalStack({
      timeScale,
      chassis: "",
      logLevel: "warn",
      dataDir: join(dir, "data"),
      home: dir,
    });
    return { dir, stack };
  }

  async #empty(home: string): Promise<void> {
    const nats = await connectRaw(home);
    try {
      await emptyCluster(nats);
    } catch (thrown) {
      console.log(`a shared stack cannot be emptied and is replaced: ${String(thrown)}`);
      await this.#stop();
    } finally {
      await nats.close();
    }
  }

  async #stop(): Promise<void> {
    const running = await this.#running?.catch(() => undefined);
    this.#running = undefined;
    if (running === undefined) return;
    await running.stack.stop();
    await rm(running.dir, { recursive: true, force: true });
  }

  async end(): Promise<void> {
    await this.#last;
    await this.#stop();
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const stacks = new Map<string, SharedStack>();
  const server: Server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    createInterface({ input: socket }).once("line", (line) => {
      const settings = JSON.parse(line) as SharedSettings;
      const key = JSON.stringify(settings);
      const stack = stacks.get(key) ?? new SharedStack(settings);
      stacks.set(key, stack);
      stack.claim(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  project.provide("sharedStacksPort", (server.address() as AddressInfo).port);
  return async () => {
    server.close();
    await Promise.all([...stacks.values()].map((stack) => stack.end()));
  };
}
