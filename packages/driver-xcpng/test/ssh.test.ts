/**
 * The parts of SSH into machines that need no server.
 */
import { spawnSync } from "node:child_process";
import { parseSupervised } from "@bioxen/fake-xapi";
import { describe, expect, it } from "vitest";
import { poolConfiguration } from "../src/driver/configuration.ts";
import { BoundedOutput, CUT_OFF } from "../src/ssh/bounded-output.ts";
import {
  expectedKeys,
  fingerprintOf,
  HOST_KEY_CONFIG,
  HOST_KEY_XENSTORE,
  parseFingerprints,
} from "../src/ssh/host-keys.ts";
import { knownHost, nameAt } from "../src/ssh/known-hosts.ts";
import { MAX_OUTPUT_BYTES } from "../src/ssh/limits.ts";
import { quoted, remoteCommand } from "../src/ssh/remote-shell.ts";
import { thrownBy } from "./connect.ts";

const PIN = `SHA256:${"A".repeat(43)}`;

describe("known_hosts", () => {
  const KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIA==";
  const isKnown = (patterns: string, name: string) =>
    knownHost(`${patterns} ssh-ed25519 ${KEY}`, [name]).keys.length === 1;

  it("matches plain names, lists, wildcards and ports, ignoring case; a negation wins", () => {
    expect(isKnown("web", "web")).toBe(true);
    expect(isKnown("a,WEB,b", "web")).toBe(true);
    expect(isKnown("10.0.0.*", "10.0.0.12")).toBe(true);
    expect(isKnown("10.0.0.?", "10.0.0.12")).toBe(false);
    expect(isKnown("10.0.0.1", "10a0b0c1")).toBe(false);
    expect(isKnown("10.0.0.*,!10.0.0.12", "10.0.0.12")).toBe(false);
    expect(isKnown("!10.0.0.12", "10.0.0.13")).toBe(false);
    expect(nameAt("10.0.0.1", 22)).toBe("10.0.0.1");
    expect(isKnown("10.0.0.1", nameAt("10.0.0.1", 2_222))).toBe(false);
    expect(isKnown("[10.0.0.1]:2222", nameAt("10.0.0.1", 2_222))).toBe(true);
  });

  it("matches hashed names as ssh-keygen -H writes them", () => {
    const hashed = "|1|2RzLFBXKxxWI0E7hArPYEGMBfYg=|Io9/u31IHQh66RBWnIZpGORA+S0=";
    expect([isKnown(hashed, "10.0.0.7"), isKnown(hashed, "10.0.0.8")]).toEqual([true, false]);
    expect(isKnown("|2|AAAA|AAAA", "10.0.0.7")).toBe(false);
    expect(isKnown("|1|", "10.0.0.7")).toBe(false);
  });

  it("ignores comments, authorities and malformed lines; revoked keys are listed separately", () => {
    const text = `# * ssh-ed25519 ${KEY}\n\n*\n* ssh-ed25519\n@cert-authority * ssh-ed25519 ${KEY}\n`;
    expect(knownHost(text, ["web"])).toEqual({ keys: [], revoked: [] });
    const { keys, revoked } = knownHost(`@revoked * ssh-ed25519 ${KEY} a comment\r\n`, ["web"]);
    expect([keys.length, revoked.length]).toEqual([0, 1]);
  });
});

describe("the host key of a machine", () => {
  const machine = { vmId: "x1", address: "10.0.0.7", port: 22, otherConfig: {}, xenstore: {} };
  const none = { hostKeys: new Set<string>(), knownHostsFile: undefined };

  it("comes from the machine's record in the pool, else from the agent's settings; without one exec is UNSUPPORTED", async () => {
    const own = { ...machine, otherConfig: { [HOST_KEY_CONFIG]: PIN } };
    expect([
      ...(await expectedKeys(own, { ...none, hostKeys: new Set(["SHA256:other"]) })).fingerprints,
    ]).toEqual([PIN]);
    const said = { ...machine, xenstore: { [HOST_KEY_XENSTORE]: `${PIN}=` } };
    expect((await expectedKeys(said, none)).source).toBe(`${HOST_KEY_XENSTORE} of its VM in the pool`);
    expect((await expectedKeys(machine, { ...none, hostKeys: new Set([PIN]) })).source).toBe(
      "BIOXEN_XCPNG_SSH_HOST_KEY",
    );
    const error = await thrownBy(expectedKeys(machine, none));
    expect(error.code).toBe("UNSUPPORTED");
    expect(error.message).toMatch(/other_config bioxen:ssh-host-key=SHA256.*"x1" or "10\.0\.0\.7"/);
    const broken = { ...machine, otherConfig: { [HOST_KEY_CONFIG]: "yes" } };
    const unreadable = await thrownBy(expectedKeys(broken, { ...none, hostKeys: new Set([PIN]) }));
    expect(unreadable.message, "a malformed record is not ignored").toMatch(
      /"yes" is not a host key fingerprint/,
    );
    const missing = await thrownBy(expectedKeys(machine, { ...none, knownHostsFile: "/no/such/file" }));
    expect(missing.message).toMatch(/KNOWN_HOSTS: \/no\/such\/file cannot be read: ENOENT/);
  });

  it("has a fingerprint as ssh-keygen prints it", () => {
    expect(fingerprintOf(Buffer.from("abc"))).toBe("SHA256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0");
    expect([...parseFingerprints(` ${PIN}, ${PIN}=`)]).toEqual([PIN]);
    expect(() => parseFingerprints("MD5:aa,SHA256:x")).toThrow(
      /"MD5:aa", "SHA256:x" is not a host key fingerprint/,
    );
    expect(() => parseFingerprints("")).toThrow(/an empty list is not a host key fingerprint/);
  });
});

describe("a program's output", () => {
  it("is kept up to the limit, in whole characters, followed by a mark", () => {
    const output = new BoundedOutput();
    const [first, second] = [Buffer.from("é").subarray(0, 1), Buffer.from("é").subarray(1)];
    output.add(first);
    output.add(second);
    expect(output.text()).toBe("é");
    output.add(Buffer.alloc(MAX_OUTPUT_BYTES - 3, "x"));
    output.add(Buffer.from("é"));
    const text = output.text();
    expect(text.endsWith(`x${CUT_OFF}`)).toBe(true);
    output.add(Buffer.from("more"));
    expect(output.text()).toBe(text);
  });

  it("of exactly the limit has no mark", () => {
    const output = new BoundedOutput();
    output.add(Buffer.alloc(MAX_OUTPUT_BYTES, "x"));
    expect(output.text()).toHaveLength(MAX_OUTPUT_BYTES);
  });
});

describe("the command for sshd", () => {
  const shells = ["sh", "bash", "dash", "zsh", "fish", "busybox"].filter(
    (name) => spawnSync(name, name === "busybox" ? ["true"] : ["-c", "true"]).error === undefined,
  );
  const through = (shell: string, command: string, input: string) => {
    const args = shell === "busybox" ? ["sh", "-c", command] : ["-c", command];
    const { status, signal, stdout, stderr } = spawnSync(shell, args, { input, encoding: "utf8" });
    return { status, signal, stdout, stderr };
  };

  it.each(shells)(
    "in %s: runs a complete program, enforces its deadline, and does not run an incomplete one",
    (shell) => {
      const odd = `printf '%s|' 'it'\\''s' "$HOME/\\$x"; echo err >&2; exit 7`;
      expect(through(shell, remoteCommand(20_000, "m4rk"), `${odd}m4rk`)).toEqual({
        status: 7,
        signal: null,
        stdout: `it's|${process.env["HOME"]}/$x|`,
        stderr: "err\n",
      });
      const late = through(shell, remoteCommand(200, "m4rk"), "sleep 60; echo not reachedm4rk");
      expect(late).toEqual({ status: null, signal: "SIGALRM", stdout: "", stderr: "" });
      const half = through(shell, remoteCommand(20_000, "m4rk"), "echo not reached");
      expect(half).toEqual({ status: null, signal: "SIGUSR2", stdout: "", stderr: "" });
    },
  );

  it("is one line that every login shell accepts, and the fake recognises it", () => {
    const command = remoteCommand(1_250, "abc");
    expect(command).not.toContain("\n");
    expect(command.split("'")).toHaveLength(9);
    expect(parseSupervised(command)).toEqual({ timeoutMs: 1_250, mark: "abc" });
    expect(parseSupervised("exec sh -c 'rm -rf /' bioxen '1' '1' 'abc'")).toBeUndefined();
    expect(spawnSync("sh", ["-c", `printf %s ${quoted('a\'b $(x) "c"')}`], { encoding: "utf8" }).stdout).toBe(
      'a\'b $(x) "c"',
    );
  });
});

describe("configuration", () => {
  const pool = {
    BIOXEN_XCPNG_URL: "https://pool",
    BIOXEN_XCPNG_FINGERPRINT: "AB".repeat(32),
    BIOXEN_XCPNG_PASSWORD: "x",
  };
  const problems = (env: Record<string, string>) => {
    try {
      poolConfiguration({ ...pool, ...env }, "test");
      return "none";
    } catch (thrown) {
      return (thrown as Error).message;
    }
  };

  it("has no SSH unless a variable is set; then the error lists every missing or wrong one", () => {
    expect(poolConfiguration(pool, "test")?.options.ssh).toBeUndefined();
    expect(problems({ BIOXEN_XCPNG_SSH_HOST_KEY: PIN })).toMatch(
      /SSH_USER: is required with BIOXEN_XCPNG_SSH_HOST_KEY.*SSH_KEY_FILE or/,
    );
    const wrong = problems({
      BIOXEN_XCPNG_SSH_USER: "bioxen",
      BIOXEN_XCPNG_SSH_KEY_FILE: "/no/such/key",
      BIOXEN_XCPNG_SSH_HOST_KEY: "aa:bb",
      BIOXEN_XCPNG_SSH_PORT: "99999",
      BIOXEN_XCPNG_SSH_CONNECT_TIMEOUT_MS: "60000",
    });
    expect(wrong).toMatch(
      /KEY_FILE: ENOENT.*HOST_KEY: "aa:bb".*PORT: must be.*65535.*CONNECT_TIMEOUT_MS: must be.*3500/,
    );
  });

  it("takes a password from its variable, and no printable setting contains it", async () => {
    const options = poolConfiguration(
      { ...pool, BIOXEN_XCPNG_SSH_USER: "bioxen", BIOXEN_XCPNG_SSH_PASSWORD: "s3cret" },
      "test",
    )?.options;
    expect(JSON.stringify(options)).not.toContain("s3cret");
    expect(await options?.ssh?.login()).toMatchObject({ user: "bioxen", password: "s3cret" });
  });
});
