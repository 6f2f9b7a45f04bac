/**
 * The Python client on the five services: a whole life, an exec, refused commands, and a watch over a restart of the
 * server; on an open server and on servers with logins.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { certificateAuthority } from "@bioxen/testkit/certificates";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Values } from "../../../packages/testkit/test/guarded-servers.ts";
import { PYTHON, PythonProgram, requirePythonUnderCi, runPython } from "./python.ts";
import { GuardedStack } from "./services.ts";

requirePythonUnderCi();

const PASSWORD = "p:4223/a@b,c%25";
const TOKEN = "t0ken-that-is-secret";

interface Kind {
  readonly kind: string;
  /** Configuration of the server, and the settings of its clients. */
  readonly guard: (dir: string) => Promise<{ readonly configuration: string; readonly settings: Values }>;
}

const KINDS: readonly Kind[] = [
  {
    kind: "an open server",
    guard: async () => ({ configuration: "", settings: { servers: "nats://HOST" } }),
  },
  {
    kind: "a server with users and TLS",
    guard: async (dir) => {
      const authority = certificateAuthority("test authority");
      const { cert, key } = authority.issue({ commonName: "nats", names: ["localhost", "127.0.0.1"] });
      const put = async (name: string, text: string) => {
        await writeFile(join(dir, name), text, { mode: 0o600 });
        return join(dir, name);
      };
      const tls = `cert_file: "${await put("server.pem", cert)}", key_file: "${await put("server.key", key)}"`;
      return {
        configuration: `tls { ${tls} }
authorization { users: [ { user: "alice", password: ${JSON.stringify(PASSWORD)} } ] }`,
        settings: {
          servers: `tls://alice:${encodeURIComponent(PASSWORD)}@HOST`,
          ca: await put("ca.pem", authority.ca),
        },
      };
    },
  },
  {
    kind: "a server with a token",
    guard: async () => ({
      configuration: `authorization { token: "${TOKEN}" }`,
      settings: { servers: `nats://${TOKEN}@HOST` },
    }),
  },
];

describe.skipIf(PYTHON === undefined).each(KINDS)("on $kind", ({ guard }) => {
  let dir: string;
  let stack: GuardedStack | undefined;
  /** A retry must not find the VMs of the first attempt. */
  let attempts = 0;
  const running = (): GuardedStack => {
    if (stack === undefined) throw new Error("the stack did not start");
    return stack;
  };
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "bioxen-python-life-"));
    const { configuration, settings } = await guard(dir);
    stack = await GuardedStack.start(configuration, settings);
  });
  afterAll(async () => {
    await stack?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it("a VM lives its whole life, and refusals are exceptions of their code", async () => {
    attempts += 1;
    const prefix = `py-${attempts}`;
    const { code, stdout, stderr } = await runPython(["test/life_program.py", prefix], running().variables);
    expect(code, stderr).toBe(0);
    expect(stderr).toBe("");
    for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), TOKEN])
      expect(stdout).not.toContain(secret);
    const { history, watched, ...seen } = JSON.parse(stdout);
    expect(seen).toMatchObject({
      created: "created",
      started: "running",
      exec: { result: 4, stdout: "hello\n" },
      log: true,
      paused: "paused",
      resumed: "running",
      resized: 400,
      later: 400,
      changed: 100_000,
      usage: 400,
      copy: "created",
      listed: [`${prefix}-copy`, `${prefix}-life`],
      stopped: "stopped",
      destroyed: "destroyed",
      refused: {
        twice: { class: "VmAlreadyExists", code: "VM_ALREADY_EXISTS" },
        resume: {
          class: "InvalidTransition",
          code: "INVALID_TRANSITION",
          details: { state: "created", command: "resume", allowed: expect.arrayContaining(["start"]) },
        },
        absent: { class: "VmNotFound", code: "VM_NOT_FOUND" },
        malformed: { class: "BadRequest", details: { problems: [{ path: "vmId" }] } },
        chassis: { class: "ChassisNotFound" },
        exec: { class: "GuestError", details: { traceback: expect.stringContaining("exec:1") } },
        loop: { class: "GuestTimeout" },
        snapshot: { class: "SnapshotNotFound" },
        "too much": { class: "CapacityExceeded", details: { resource: "ribosomes", requested: 1_000_000 } },
      },
    });
    expect(seen.doublingTimeMinutes).toBeCloseTo(150.4, 1);
    expect(watched).toEqual(history);
  });

  it("a watch and the commands go on after the server was killed and has restarted", async () => {
    attempts += 1;
    const { server, variables } = running();
    const program = new PythonProgram(["test/restart_program.py", `py-${attempts}`], variables);
    try {
      await program.first(1);
      await server.kill();
      await server.startAgain();
      program.say("go");
      const [, outcome] = await program.first(2);
      expect(await program.ended(), program.stderr).toBe(0);
      expect(program.stderr).toBe("");
      const { watched, events, ...rest } = outcome as { watched: number[]; events: number };
      expect(rest).toEqual({ measured: true, result: 42, connected: true });
      // As many events as the history has, in order: no gap and no repeat.
      expect(watched).toHaveLength(events);
      expect(watched).toEqual([...new Set(watched)].sort((a, b) => a - b));
    } finally {
      program.kill();
    }
  });
});
