/**
 * Logins and TLS of the Python client at real servers: the right one works, a wrong one fails at once, and nothing that
 * the program prints contains a secret.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SETTING_VARIABLES } from "@bioxen/nats";
import { TestServer } from "@bioxen/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type GuardedServer,
  guardedServers,
  type Values,
  withPort,
} from "../../../packages/testkit/test/guarded-servers.ts";
import { PYTHON, requirePythonUnderCi, runPython } from "./python.ts";

requirePythonUnderCi();

/** Connects, asks for something that no service answers, and prints all that an error shows. */
const PROGRAM = `
import bioxen, json, traceback
try:
    with bioxen.connect(timeout=20) as bx:
        try:
            bx.call("qry.vm.list", timeout=0.2)
        except bioxen.Unavailable as error:
            print(json.dumps({"connected": repr(bx), "text": str(error)}))
except bioxen.BioXenError as error:
    print(json.dumps({"error": error.to_dict(), "repr": repr(error), "text": str(error), "trace": traceback.format_exc()}))
`;

let dir: string;
let guarded: readonly GuardedServer[];
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-python-logins-"));
  guarded = await guardedServers(dir);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function connecting(values: Values): Promise<{ output: string; json: Record<string, unknown> }> {
  const variables = Object.entries(values).map(([setting, value]) => [
    SETTING_VARIABLES[setting as keyof Values],
    value ?? "",
  ]);
  const { code, stdout, stderr } = await runPython(["-c", PROGRAM], Object.fromEntries(variables));
  expect(code, stderr).toBe(0);
  return { output: stdout + stderr, json: JSON.parse(stdout) };
}

describe.skipIf(PYTHON === undefined)("the Python client", () => {
  it.each(["user and password", "token", "TLS", "mutual TLS"])("at a server with %s", async (kind) => {
    const guard = guarded.find((one) => one.kind === kind);
    if (guard === undefined) throw new Error(`no server with ${kind}`);
    const server = await TestServer.start(guard.configuration);
    try {
      const right = await connecting(withPort(guard.right, server.port));
      const scheme = guard.right.servers?.split(":")[0];
      expect(right.json).toEqual({
        connected: `<BioXen at ${scheme}://127.0.0.1:${server.port}>`,
        text: "UNAVAILABLE: no service answers on bioxen.qry.vm.list: retry",
      });
      for (const { what, values, says } of guard.wrong) {
        const startedAtMs = performance.now();
        const { output, json } = await connecting(withPort(values, server.port));
        const reason = expect.stringMatching(/^(?:login|tls)$/);
        expect(json, what).toMatchObject({
          error: { code: "UNAVAILABLE", retryable: false, details: { reason } },
        });
        // The client waits up to 20 s for a server that is away, but not for one that refuses.
        expect(performance.now() - startedAtMs, what).toBeLessThan(15_000);
        // The Python client has no credentials files, so that its texts do not name the setting for them.
        for (const text of says.filter((one) => one !== "BIOXEN_NATS_CREDS"))
          expect(json["text"], what).toMatch(text);
        for (const secret of guard.secrets) expect(output, what).not.toContain(secret);
      }
    } finally {
      await server.stop();
    }
  });

  it("says that nkeys and credentials files are not supported, and shows nothing of them", async () => {
    const kinds = guarded.filter(({ kind }) => kind === "nkey" || kind === "credentials file");
    expect(kinds).toHaveLength(2);
    for (const { right, secrets } of kinds) {
      const { output, json } = await connecting(withPort(right, 4222));
      expect(json).toMatchObject({ error: { code: "BAD_REQUEST", retryable: false } });
      expect(json["text"]).toMatch(/BIOXEN_NATS_CREDS: nkeys and \.creds files are not supported.*Ed25519/);
      for (const secret of secrets) expect(output).not.toContain(secret);
    }
  });
});
