/**
 * A server with its own logins and the five services of BioXen as processes that log in to it.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "@bioxen/client";
import { SERVICES, SupervisedChild } from "@bioxen/local-stack";
import { SETTING_VARIABLES, withoutConnection } from "@bioxen/nats";
import { TestServer } from "@bioxen/testkit";
import { eventually } from "@bioxen/testkit/eventually";
import { type Values, withPort } from "../../../packages/testkit/test/guarded-servers.ts";

/** Longest time until a service is ready, ms. */
const READY_DEADLINE_MS = 60_000;
/** Simulated minutes per second. */
const TIME_SCALE = 60;

export class GuardedStack {
  readonly server: TestServer;
  /** The settings of a client, as environment variables. */
  readonly variables: Readonly<Record<string, string>>;
  readonly #dir: string;
  readonly #children: readonly SupervisedChild[];

  private constructor(
    server: TestServer,
    variables: Readonly<Record<string, string>>,
    dir: string,
    children: readonly SupervisedChild[],
  ) {
    this.server = server;
    this.variables = variables;
    this.#dir = dir;
    this.#children = children;
  }

  /** Starts the server with this configuration, and the services with these settings; waits for the chassis. */
  static async start(configuration: string, settings: Values): Promise<GuardedStack> {
    const server = await TestServer.start(configuration);
    const values = withPort(settings, server.port);
    const variables = Object.fromEntries(
      Object.entries(values).map(([name, value]) => [SETTING_VARIABLES[name as keyof Values], value ?? ""]),
    );
    const dir = await mkdtemp(join(tmpdir(), "bioxen-python-"));
    const children = SERVICES.map(
      (name) =>
        new SupervisedChild({
          name,
          command: process.execPath,
          args: [fileURLToPath(new URL(`../../../services/${name}/main.ts`, import.meta.url))],
          env: {
            ...withoutConnection(process.env),
            ...variables,
            BIOXEN_LOG_LEVEL: "warn",
            BIOXEN_CHASSIS: "ecoli:1",
            BIOXEN_TIME_SCALE: String(TIME_SCALE),
            BIOXEN_AGENT_ID: "local",
          },
          logFile: join(dir, `${name}.log`),
          speaksReady: true,
        }),
    );
    const stack = new GuardedStack(server, variables, dir, children);
    try {
      for (const child of children) child.start();
      for (const child of children) {
        if (!(await child.whenReady(READY_DEADLINE_MS)))
          throw new Error(`${child.spec.name} is not ready: ${await child.tail()}`);
      }
      await stack.#chassisReady(values);
      return stack;
    } catch (thrown) {
      await stack.stop();
      throw thrown;
    }
  }

  async #chassisReady({ servers = "", ca }: Values): Promise<void> {
    const bioxen = await connect({ servers, ...(ca === undefined ? {} : { tls: { ca } }) });
    try {
      await eventually("the chassis takes VMs", async () => {
        const { chassis } = await bioxen.call("chassisList", {});
        return chassis.some(({ state }) => state === "ready") ? true : undefined;
      });
    } finally {
      await bioxen.close();
    }
  }

  async stop(): Promise<void> {
    await this.#children.at(-1)?.stop();
    await Promise.all(this.#children.slice(0, -1).map((child) => child.stop()));
    await this.server.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }
}
