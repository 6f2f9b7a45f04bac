/**
 * A stack with a gateway, and requests to it as raw as an attacker would send them.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type LocalStack, type LocalStackOptions, startLocalStack } from "@bioxen/local-stack";
import { CliProcess, environmentIn } from "./cli-process.ts";
import { CLI } from "./world.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: replies of all commands
  readonly json: any;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | object;
}

export class GatewayWorld {
  readonly home: string;
  readonly stack: LocalStack;
  readonly url: string;
  readonly #cli: CliProcess;

  private constructor(home: string, stack: LocalStack) {
    this.home = home;
    this.stack = stack;
    this.url = stack.consoleUrl ?? "";
    this.#cli = new CliProcess(environmentIn(home));
  }

  static async open(options: LocalStackOptions = {}): Promise<GatewayWorld> {
    const home = await mkdtemp(join(tmpdir(), "bioxen-e2e-gateway-"));
    const stack = await startLocalStack({
      ...{ dataDir: join(home, "data"), home, chassis: "ecoli:1", timeScale: 60, logLevel: "warn" },
      gateway: { port: 0 },
      ...options,
    });
    return new GatewayWorld(home, stack);
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  async close(): Promise<void> {
    this.#cli.end();
    await this.stack.stop();
    await rm(this.home, { recursive: true, force: true });
  }

  /** Runs a `bioxen` command, which must succeed, and returns what it prints. */
  async bioxen(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#cli.run(args);
    if (code !== 0) throw new Error(`bioxen ${args.join(" ")}: ${code} ${stdout}${stderr}`);
    return stdout.trim();
  }

  /** Runs lines of a document in a shell that has `bioxen`, with the port of this gateway. */
  async shell(text: string): Promise<string> {
    const bin = join(this.home, "bin");
    const shim = join(bin, "bioxen");
    await promisify(execFile)("mkdir", ["-p", bin]);
    await writeFile(shim, `#!/bin/sh\nexec "${process.execPath}" "${CLI}" "$@"\n`, { mode: 0o755 });
    const env = { ...environmentIn(this.home), PATH: `${bin}:${process.env["PATH"]}` };
    const script = `set -e\n${text.replaceAll("127.0.0.1:7480", `127.0.0.1:${this.port}`)}`;
    return (await promisify(execFile)("bash", ["-c", script], { env })).stdout;
  }

  /** Sends one request. `fetch` would change or refuse some headers and paths of an attack. */
  ask(path: string, { method = "GET", headers = {}, body }: Asked = {}): Promise<Answer> {
    const text = typeof body === "object" ? JSON.stringify(body) : body;
    const json = typeof body === "object" ? { "content-type": "application/json" } : {};
    return new Promise((resolve, reject) => {
      const sent = request(
        { host: "127.0.0.1", port: this.port, path, method, headers: { ...json, ...headers } },
        (response) => {
          let all = "";
          response.setEncoding("utf8");
          response.on("data", (part: string) => {
            all += part;
          });
          response.on("end", () => {
            const { statusCode = 0, headers: got } = response;
            resolve({ status: statusCode, headers: got, text: all, json: parsed(all) });
          });
        },
      );
      sent.once("error", reject);
      sent.end(text);
    });
  }

  /** Reads a stream of events until `isEnough` holds for its text, or until the gateway ends it. */
  stream(
    path: string,
    headers: Readonly<Record<string, string>>,
    isEnough: (text: string) => boolean,
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      const sent = request(
        { host: "127.0.0.1", port: this.port, path, headers: { ...headers } },
        (response) => {
          let all = "";
          response.setEncoding("utf8");
          response.on("data", (part: string) => {
            all += part;
            if (isEnough(all)) sent.destroy();
          });
          response.on("close", () => resolve(all));
        },
      );
      sent.once("error", reject);
      sent.end();
    });
  }

  /** Writes bytes on a connection, and resolves with what comes back when the gateway ends it. */
  raw(text: string): Promise<string> {
    return new Promise((resolve) => {
      let all = "";
      const socket = connect(this.port, "127.0.0.1", () => socket.write(text));
      socket.setEncoding("utf8");
      socket.on("data", (part: string) => {
        all += part;
      });
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(all));
    });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The envelopes in the text of a stream of events. */
export function eventsIn(text: string): { id: number; type: string; data: Record<string, unknown> }[] {
  return text.split("\n\n").flatMap((block) => {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1];
    const data = field("data");
    return data === undefined
      ? []
      : [{ id: Number(field("id")), type: field("event") ?? "", data: JSON.parse(data) }];
  });
}
