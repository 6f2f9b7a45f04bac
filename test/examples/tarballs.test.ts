/**
 * A user without this workspace: the packed tarballs install in an empty directory. The whole library runs the README's
 * program on its own stack. The client alone stays small and runs in browsers.
 */
import { type ChildProcess, execFile, fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { builtinModules, createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { createContext, runInContext } from "node:vm";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { TestServer } from "@bioxen/testkit";
import { build } from "esbuild";
import { publint } from "publint";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiReport, storedApiReport } from "../../deploy/api-report.ts";
import { pack } from "../../deploy/pack.ts";
import { newOperator } from "../../packages/testkit/test/nats-identities.ts";

const run = promisify(execFile);
/** Time limit for one installation or program: enough for a slow machine with a cold npm cache, ms. */
const DEADLINE_MS = 180_000;
/** Upper bounds for the client and all its dependencies, as `npm install` puts them into an empty project. */
const MAX_PACKAGES = 14;
const MAX_BYTES = 12_000_000;
const ROOT = new URL("../../", import.meta.url);
// npm must run on the Node version that the packages require: with an older Node it skips the bundled nats-server
// package.
const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env["PATH"]}` };
const TSC = createRequire(import.meta.url)
  .resolve("typescript/package.json")
  .replace("package.json", "bin/tsc");
const CHECKED = ["--noEmit", "--strict", "--target", "esnext", "--module", "nodenext"];

let dir: string;
let tarballs: string[];
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-empty-"));
  tarballs = await pack(join(dir, "tarballs"));
}, DEADLINE_MS);
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Creates an empty project, installs these tarballs in it and returns its path. */
async function projectWith(name: string, packages: readonly string[]): Promise<string> {
  const project = join(dir, name);
  await mkdir(project);
  await writeFile(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  await inFolder(project, "npm", "install", "--no-audit", "--no-fund", "--prefer-offline", ...packages);
  return project;
}

/** Returns the stdout of the command. When it fails, throws an error that quotes its output. */
async function inFolder(cwd: string, command: string, ...args: string[]): Promise<string> {
  const printed = await run(command, args, { cwd, env, timeout: DEADLINE_MS }).catch((thrown) => {
    throw new Error(`${command} ${args[0]}: ${thrown.stdout}${thrown.stderr}`, { cause: thrown });
  });
  return printed.stdout;
}

/** The README's program, changed as the README explains so that it starts its own local stack. */
async function programOfReadme(): Promise<string> {
  const readme = await readFile(new URL("README.md", ROOT), "utf8");
  const shown = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const program = shown
    .replace('{ connect } from "@bioxen/client"', '{ startLocalStack } from "@bioxen/client/local"')
    .replace(/connect\(\{ servers: [^}]*\}\)/, `startLocalStack({ dataDir: "data", home: "home" })`);
  expect(program).toContain("await startLocalStack");
  return program;
}

it(
  "the packed library installs with npm, type-checks the README's program and runs it",
  async () => {
    expect(
      apiReport(),
      "the exported declarations changed: run `node deploy/api-report.ts` and review its diff",
    ).toBe(storedApiReport());
    const project = await projectWith("whole", tarballs);
    await writeFile(join(project, "program.ts"), await programOfReadme());
    await inFolder(project, process.execPath, TSC, ...CHECKED, "--types", "node", "program.ts");

    const lines = (await inFolder(project, process.execPath, "program.ts")).trim().split("\n");
    expect(Number(lines[0])).toBeCloseTo(150.42, 1);
    expect(Number(lines[1])).toBeCloseTo(Math.LN2 / 150.42, 5);
    expect(lines.at(-1)).toMatch(/^\d+ bioxen\.vm\.destroyed\.v1$/);

    const bioxen = join("node_modules", ".bin", "bioxen");
    expect(await inFolder(project, bioxen, "--version")).toMatch(/^\d+\.\d+\.\d+/);
  },
  DEADLINE_MS,
);

it("publint and the types of every tarball are without a finding", async () => {
  const findings: string[] = [];
  for (const path of tarballs) {
    const bytes = await readFile(path);
    const { messages } = await publint({ pack: { tarball: new Uint8Array(bytes).buffer }, strict: true });
    for (const { code, args } of messages)
      findings.push(`${basename(path)}: ${code} ${JSON.stringify(args)}`);
    const { problems = [] } = await checkPackage(createPackageFromTarballData(new Uint8Array(bytes))).then(
      (result) => (result.types === false ? { problems: [] } : result),
    );
    for (const problem of problems) {
      // The packages are modules for Node and bundlers; neither `require` nor Node 10 can load them.
      const isExpected =
        problem.kind === "CJSResolvesToESM" ||
        ("resolutionKind" in problem && problem.resolutionKind === "node10");
      if (!isExpected) findings.push(`${basename(path)}: ${JSON.stringify(problem)}`);
    }
  }
  expect(findings).toEqual([]);
});

it("the tarball of the guest agent has the agent as one file, and its service", async () => {
  const tarball = tarballs.find((path) => basename(path).startsWith("bioxen-guest-agent-")) ?? "";
  const folder = join(dir, "guest-agent");
  await mkdir(folder);
  await inFolder(folder, "tar", "-xzf", tarball);
  const file = join("package", "bioxen-cell.mjs");
  expect(await inFolder(folder, process.execPath, file, "--version")).toMatch(/^\d+\.\d+\.\d+\n$/);
  const service = await readFile(join(folder, "package", "bioxen-cell.service"), "utf8");
  expect(service).toContain("bioxen-cell.mjs run");
});

/** The workspace packages that `name` depends on, directly or indirectly, with `name` itself. */
async function ownClosure(name: string, found = new Set<string>()): Promise<Set<string>> {
  if (found.has(name)) return found;
  found.add(name);
  const manifest = new URL(`packages/${basename(name)}/package.json`, ROOT);
  const { dependencies } = JSON.parse(await readFile(manifest, "utf8")) as { dependencies: object };
  for (const other of Object.keys(dependencies)) {
    if (other.startsWith("@bioxen/")) await ownClosure(other, found);
  }
  return found;
}

describe("the client alone", () => {
  let project: string;
  beforeAll(async () => {
    // The name of a tarball ends with the version of the package.
    const own = [...(await ownClosure("@bioxen/client"))].map(
      (name) => new RegExp(`^bioxen-${basename(name)}-\\d`),
    );
    project = await projectWith(
      "client",
      tarballs.filter((path) => own.some((name) => name.test(basename(path)))),
    );
  }, DEADLINE_MS);

  it("installs at most 14 packages and 12 MB: no service, no driver, no binary", async () => {
    const lock = JSON.parse(await readFile(join(project, "node_modules", ".package-lock.json"), "utf8")) as {
      packages: Record<string, unknown>;
    };
    const packages = Object.keys(lock.packages);
    expect(packages.length, packages.join("\n")).toBeLessThanOrEqual(MAX_PACKAGES);
    const heavy =
      /lifecycle|allocator|scheduler|monitor|agent|driver|local-stack|service|nats-server|ssh2|wasmoon/;
    expect(packages.filter((name) => heavy.test(name))).toEqual([]);

    const files = (await inFolder(project, "find", "node_modules", "-type", "f")).trim().split("\n");
    const sizes = await Promise.all(files.map(async (path) => (await stat(join(project, path))).size));
    expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(MAX_BYTES);
  });

  it("type-checks without the types of Node", async () => {
    const shown = (await programOfReadme())
      .replace('{ startLocalStack } from "@bioxen/client/local"', '{ connect } from "@bioxen/client"')
      .replace(/startLocalStack\([^)]*\)/, "connect()");
    await writeFile(join(project, "program.ts"), shown);
    await inFolder(project, process.execPath, TSC, ...CHECKED, "--lib", "esnext,dom", "program.ts");
  });

  it("names the missing package when a program starts a local stack", async () => {
    const start = `import("@bioxen/client/local").then((m) => m.startLocalStack()).catch((e) => console.log(e.message))`;
    expect(await inFolder(project, process.execPath, "-e", start)).toContain(
      "npm install --save-dev @bioxen/local-stack",
    );
  });

  it(
    "runs in a browser: its bundle needs no Node built-in, and it connects and creates a VM",
    async () => {
      await writeFile(join(project, "page.js"), PAGE);
      const { metafile, outputFiles } = await build({
        entryPoints: [join(project, "page.js")],
        absWorkingDir: project,
        bundle: true,
        platform: "browser",
        format: "iife",
        globalName: "page",
        metafile: true,
        write: false,
      });
      const imported = Object.values(metafile.inputs).flatMap(({ imports }) => imports);
      const builtins = imported.filter(({ path }) => builtinModules.includes(path.replace(/^node:/, "")));
      expect(builtins).toEqual([]);

      const port = await freePort();
      const operator = newOperator();
      const server = await TestServer.start(
        `websocket { listen: "127.0.0.1:${port}", no_tls: true }\n${operator.configuration}`,
      );
      const creds = join(project, "services.creds");
      await writeFile(creds, operator.creds("services").text);
      const lifecycle = fork(new URL("services/lifecycle/main.ts", ROOT), {
        env: { ...env, BIOXEN_NATS_URL: server.url, BIOXEN_NATS_CREDS: creds },
        silent: true,
      });
      try {
        await serving(lifecycle);
        const page = pageOf(outputFiles[0]?.text ?? "");
        const url = `ws://127.0.0.1:${port}`;
        const { text } = operator.creds("page");
        expect(await page.main(url, text)).toBe("created cell-1, seen bioxen.vm.created.v1");
        await expect(page.main(url, newOperator().creds("page").text)).rejects.toThrow(
          /refused the login of user page/,
        );
      } finally {
        lifecycle.kill();
        await server.stop();
      }
    },
    DEADLINE_MS,
  );
});

/** The program of the page: it sends a command and a query, and reads the first event of the log. */
const PAGE = `
import { connect } from "@bioxen/client";

export async function main(servers, creds) {
  const bioxen = await connect({ servers, creds });
  const vm = await bioxen.createBioVm("cell-1", "syn3a");
  const { vmId, state } = await vm.status({ atSeq: 1 });
  for await (const { type } of vm.watchEvents({ from: 1 })) {
    await bioxen.close();
    return state + " " + vmId + ", seen " + type;
  }
}
`;

/**
 * Runs the bundle in a scope with the globals of a browser only, so that any use of a Node global fails. `ArrayBuffer`
 * and `Uint8Array` come from this realm, as do `TextEncoder` and `WebSocket`: therefore `instanceof` holds for their
 * arrays, as in a browser.
 */
function pageOf(bundle: string): { main(servers: string, creds: string): Promise<string> } {
  const browser = {
    ...{ AbortController, AbortSignal, TextDecoder, TextEncoder, URL, WebSocket, ArrayBuffer, Uint8Array },
    ...{ clearInterval, clearTimeout, console, crypto, performance, queueMicrotask, setInterval, setTimeout },
    ...{ atob, btoa },
  };
  const scope = createContext(browser);
  return runInContext(`globalThis.self = globalThis; ${bundle}; page`, scope);
}

/** Resolves when the service reports that it is ready. */
async function serving(service: ChildProcess): Promise<void> {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  for (;;) {
    const [message] = (await once(service, "message", { signal })) as [{ kind?: unknown }];
    if (message.kind === "ready") return;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" ? (address?.port ?? 0) : 0));
    });
  });
}
