/**
 * Programs in a machine over a real OpenSSH server, which the fake's server only imitates. The pool is the fake; it
 * reports the address of an sshd on this host as the machine's.
 */

import { createHmac, randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { poolConfiguration } from "../src/driver/configuration.ts";
import type { XcpngDriver } from "../src/driver/driver-options.ts";
import type { SshSettings } from "../src/driver/programs.ts";
import { createXcpngDriver } from "../src/driver/xcpng-driver.ts";
import { MAX_OUTPUT_BYTES } from "../src/ssh/limits.ts";
import { thrownBy } from "./connect.ts";
import { driverOf, machineSpec, ownerOf } from "./fleet.ts";
import { processesWith, type Sshd, sshdPath, startSshd } from "./sshd.ts";

const path = sshdPath();
const why = "sshd (openssh-server) is not installed: the tests with a real SSH server are skipped";
if (path === undefined) console.warn(why);

it("sshd is installed under CI", () => {
  if (process.env["CI"]) expect(path, why).toBeDefined();
});

describe.skipIf(path === undefined)("programs through OpenSSH", () => {
  let sshd: Sshd;
  let fake: FakeXapi;
  let driver: XcpngDriver;

  beforeAll(async () => {
    sshd = await startSshd(path ?? "");
    fake = await createFakeXapi();
    driver = driverOf(fake, { ssh: settings() });
    await begin(driver);
  });
  afterAll(async () => {
    await driver.close();
    expect(driver.connections).toBe(0);
    await eventually("every connection is closed", () => sshd.connections() === 0 || undefined);
    await fake.close();
    await sshd.close();
  });

  function settings(changed: Partial<SshSettings> = {}, keyFile = sshd.keyFile): SshSettings {
    return {
      login: async () => ({ user: sshd.user, privateKey: await readFile(keyFile) }),
      hostKeys: new Set([sshd.fingerprint]),
      knownHostsFile: undefined,
      port: sshd.port,
      connectTimeoutMs: 3_000,
      ...changed,
    };
  }

  /** Starts a machine and lets the pool report the real server's address for it. */
  async function begin(which: XcpngDriver): Promise<void> {
    await which.whenReady();
    await which.start(machineSpec("m1", 10));
    for (const [ref] of fake.pool.db.all("VM_guest_metrics")) {
      fake.pool.db.update("VM_guest_metrics", ref, { networks: { "0/ip": "127.0.0.1" } });
    }
  }

  const run = (source: string, timeoutMs = 10_000) => driver.exec("m1", 10, source, { timeoutMs });

  /** Runs `body` with a driver that has other SSH settings for the same machine. */
  async function withOther<T>(ssh: SshSettings, body: (other: XcpngDriver) => Promise<T>): Promise<T> {
    const other = driverOf(fake, { ssh });
    try {
      await other.whenReady();
      return await body(other);
    } finally {
      await other.close();
    }
  }
  const execWith = (ssh: SshSettings) =>
    withOther(ssh, (other) => other.exec("m1", 10, "echo $((6 * 7))", { timeoutMs: 5_000 }));

  it("output, errors and exit status are separate, and special characters arrive unchanged", async () => {
    expect(await run("echo out; echo err >&2")).toEqual({
      result: { exitCode: 0, stderr: "err\n" },
      stdout: "out\n",
      instructions: 0,
    });
    const odd = `it's "odd" \\ $(echo nested) \`x\` ; & | é 🧬 !`;
    const { stdout } = await run(`cat <<'END'\n${odd}\nEND`);
    expect(stdout).toBe(`${odd}\n`);
    const failed = await thrownBy(run("echo before; echo 'no such thing' >&2; exit 3"));
    expect(failed).toMatchObject({
      code: "GUEST_ERROR",
      retryable: false,
      details: { exitCode: 3, stdout: "before\n", stderr: "no such thing\n" },
    });
    expect(failed.message).toMatch(/exit status 3: no such thing/);
    expect(await thrownBy(run("kill -9 $$"))).toMatchObject({ details: { exitCode: 137 } });
    expect(await thrownBy(run("if"))).toMatchObject({ code: "GUEST_ERROR" });
    expect(await thrownBy(run("exit 142")), "an exit status is never taken for a deadline").toMatchObject({
      code: "GUEST_ERROR",
    });
  });

  it("a program has no input, and its background processes keep running after it", async () => {
    expect(await run("cat; echo read $?")).toMatchObject({ stdout: "read 0\n" });
    const { stdout } = await run("sleep 20 >/dev/null 2>&1 & echo $!");
    expect(await run(`kill -0 ${stdout.trim()} && kill ${stdout.trim()} && echo lived`)).toMatchObject({
      stdout: "lived\n",
    });
    const held = await run("sleep 20 & echo $!");
    await run(`kill ${held.stdout.trim()}`);
  });

  it("long output is cut at 64 KiB with a mark; a large program arrives whole", async () => {
    const { stdout, result } = await run(
      "head -c 3000000 /dev/zero | tr '\\0' x; seq 100000 >&2; echo end > /dev/null",
    );
    expect(stdout).toHaveLength(MAX_OUTPUT_BYTES + "… (cut off)".length);
    expect(stdout.endsWith("x… (cut off)")).toBe(true);
    expect((result as { stderr: string }).stderr.endsWith("… (cut off)")).toBe(true);
    const large = `: '${"'\\''".repeat(15_000)}'\necho done`;
    expect((await run(large)).stdout).toBe("done\n");
    expect(await thrownBy(run("#".repeat(65_537)))).toMatchObject({ code: "TOO_LARGE" });
  });

  it("at its deadline a program is ended in the machine with all its processes", async () => {
    const sign = randomBytes(8).toString("hex");
    const late = await thrownBy(run(`echo begun; (sleep 300; : ${sign}) & sleep 300; echo ${sign}`, 500));
    expect(late).toMatchObject({ code: "GUEST_TIMEOUT", details: { stdout: "begun\n" } });
    await eventually("no process of it is left", () => processesWith(sign).length === 0 || undefined);
    const ignoring = await thrownBy(run(`trap '' TERM INT HUP; while :; do sleep 1; done # ${sign}`, 300));
    expect(ignoring).toMatchObject({ code: "GUEST_TIMEOUT" });
    await eventually("it is gone", () => processesWith(sign).length === 0 || undefined);
    expect((await run("echo on")).stdout).toBe("on\n");
  });

  it("a wrong host key is rejected before the login, with both fingerprints and the remedy", async () => {
    const other = `SHA256:${"A".repeat(43)}`;
    const error = await thrownBy(execWith(settings({ hostKeys: new Set([other]) })));
    expect(error).toMatchObject({
      code: "UNAVAILABLE",
      retryable: false,
      details: { offered: sshd.fingerprint, expected: [other], ran: "no" },
    });
    expect(error.message).toContain(`presents the ssh-ed25519 host key ${sshd.fingerprint}`);
    expect(error.message).toContain(other);
    expect(error.message).toMatch(/Nothing was sent to it.*ssh-keygen -lf/);
  });

  it("known_hosts works with plain, hashed and VM names; @revoked wins; without a known key exec is UNSUPPORTED", async () => {
    const file = join(sshd.folder, "known_hosts");
    const named = `[127.0.0.1]:${sshd.port}`;
    const salt = randomBytes(20);
    const hash = createHmac("sha1", salt).update(named).digest("base64");
    const ssh = settings({ hostKeys: new Set(), knownHostsFile: file });
    for (const name of [named, `elsewhere,${named}`, "m1", `|1|${salt.toString("base64")}|${hash}`]) {
      await writeFile(file, `# ours\n${name} ${sshd.hostKey}\n`);
      expect((await execWith(ssh)).stdout, name).toBe("42\n");
    }
    await writeFile(file, `127.0.0.1 ${sshd.hostKey}\n!m1,m? ssh-rsa AAAA\n`);
    const unknown = await thrownBy(execWith(ssh));
    expect(unknown).toMatchObject({ code: "UNSUPPORTED" });
    expect(unknown.message).toMatch(
      /no SSH host key is known for "m1".*bioxen:ssh-host-key.*BIOXEN_XCPNG_SSH_HOST_KEY/,
    );
    await writeFile(file, `m1 ssh-rsa ${Buffer.from("an old key of another type").toString("base64")}\n`);
    const changed = await thrownBy(execWith(ssh));
    expect(changed).toMatchObject({ retryable: false, details: { offered: sshd.fingerprint } });
    await writeFile(file, `@revoked * ${sshd.hostKey}\n`);
    const revoked = await thrownBy(execWith(settings({ knownHostsFile: file })));
    expect(revoked.message).toContain("revokes");
  });

  it("an unaccepted user key and an unreadable key file are explained", async () => {
    const error = await thrownBy(execWith(settings({}, sshd.strangerKeyFile)));
    expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: false, details: { ran: "no" } });
    expect(error.message).toMatch(/rejects the login of ".+".*authorized_keys.*BIOXEN_XCPNG_SSH_USER/);
    const file = join(sshd.folder, "garbage");
    await writeFile(file, "this is no key");
    const unusable = await thrownBy(execWith(settings({}, file)));
    expect(unusable).toMatchObject({ code: "UNSUPPORTED", details: { ran: "no" } });
    expect(unusable.message).toMatch(
      /^BIOXEN_XCPNG_SSH_KEY_FILE contains no usable private key.*without a passphrase/,
    );
  });

  it("the agent's environment variables configure all of it", async () => {
    const env = {
      BIOXEN_XCPNG_URL: fake.url,
      BIOXEN_XCPNG_FINGERPRINT: fake.fingerprint,
      BIOXEN_XCPNG_PASSWORD: fake.password,
      BIOXEN_XCPNG_SSH_USER: sshd.user,
      BIOXEN_XCPNG_SSH_KEY_FILE: sshd.keyFile,
      BIOXEN_XCPNG_SSH_HOST_KEY: sshd.fingerprint,
      BIOXEN_XCPNG_SSH_PORT: String(sshd.port),
    };
    const pool = poolConfiguration(env, "test");
    if (pool === undefined) throw new Error("the configuration must name a pool");
    const configured = createXcpngDriver({ ...pool.options, owner: ownerOf("test") });
    await configured.whenReady();
    expect((await configured.exec("m1", 10, "echo $((6 * 7))", { timeoutMs: 5_000 })).stdout).toBe("42\n");
    await configured.close();
  });

  it("if the server dies while a program runs, the outcome is unknown, and the machine still enforces the deadline", async () => {
    const own = await startSshd(path ?? "");
    const ssh = {
      ...settings({ port: own.port, hostKeys: new Set([own.fingerprint]) }),
      login: async () => ({ user: own.user, privateKey: await readFile(own.keyFile) }),
    };
    const sign = randomBytes(8).toString("hex");
    await withOther(ssh, async (other) => {
      // Only the inner shell, which starts after the output, has the joined name.
      const program = `echo begun; name=inner; sh -c 'sleep 300; :' $name-${sign}`;
      const running = thrownBy(other.exec("m1", 10, program, { timeoutMs: 3_000 }));
      await eventually("it has printed", () => processesWith(`inner-${sign}`).length > 0 || undefined);
      // The server passes on the output of its channels in turn: it sent that output before this answer.
      await other.exec("m1", 10, "true", { timeoutMs: 1_000 });
      own.kill();
      const error = await running;
      expect(error).toMatchObject({
        code: "UNAVAILABLE",
        retryable: false,
        details: { ran: "unknown", stdout: "begun\n" },
      });
      expect(error.message).toMatch(/it is unknown whether the program finished/);
      await eventually("the connection is closed", () => other.connections === 0 || undefined);
      const gone = await thrownBy(other.exec("m1", 10, "true", { timeoutMs: 1_000 }));
      expect(gone).toMatchObject({ code: "UNAVAILABLE", retryable: true, details: { ran: "no" } });
    });
    await eventually("its own watchdog ends it", () => processesWith(sign).length === 0 || undefined);
    await own.close();
  });
});
