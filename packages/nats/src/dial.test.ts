/**
 * The settings of a connection: every problem in one error, and no secret in it.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IDENTITIES_SETTING } from "@bioxen/contracts";
import { nkeys } from "@nats-io/nats-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type ConnectionSettings,
  OPTION_NAMES,
  SETTING_VARIABLES,
  settingsOfEnvironment,
} from "./connection-settings.ts";
import { CredentialSource, isSecretText, parseCredentials } from "./credentials.ts";
import { connectionProblems } from "./dial.ts";
import { findSettings } from "./find-server.ts";
import * as browser from "./platform-browser.ts";

const seedOf = (pair: ReturnType<typeof nkeys.createUser>) => new TextDecoder().decode(pair.getSeed());
const USER = nkeys.createUser();
const SEED = seedOf(USER);

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-dial-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const problemsOf = (settings: ConnectionSettings) =>
  connectionProblems(settings).map(({ path, message }) => `${path}: ${message}`);

describe("the settings of a service", () => {
  it("are refused with every problem at once, each with its variable, path and reason", async () => {
    const empty = join(dir, "empty.creds");
    const notPem = join(dir, "not.pem");
    await writeFile(empty, "");
    await writeFile(notPem, "no certificate");
    const environment = {
      BIOXEN_NATS_URL: "nats://h:x",
      BIOXEN_NATS_CREDS: empty,
      BIOXEN_NATS_CA: join(dir, "absent.pem"),
      BIOXEN_NATS_CERT: notPem,
      BIOXEN_NATS_DOMAIN: "a.b",
    };
    expect(problemsOf(settingsOfEnvironment(environment, ""))).toEqual([
      "BIOXEN_NATS_URL: the URL has no valid host and port",
      `BIOXEN_NATS_CREDS: ${empty} has no nkey seed of a user: it must be a .creds file, or a file with a seed (SU…)`,
      `BIOXEN_NATS_CA: cannot read ${join(dir, "absent.pem")}: no such file`,
      `BIOXEN_NATS_CERT: ${notPem} has no usable certificate in PEM form`,
      "BIOXEN_NATS_KEY: is missing: a certificate and its key go together",
      "BIOXEN_NATS_DOMAIN: must be one word without blank, dot, * and >",
    ]);
    expect(problemsOf(settingsOfEnvironment({ BIOXEN_NATS_CREDS: dir }, "nats://h"))).toEqual([
      `BIOXEN_NATS_CREDS: cannot read ${dir}: it is a directory`,
    ]);
  });

  it("are not secrets themselves: a variable must name a file", () => {
    const pem = "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n";
    const environment = { BIOXEN_NATS_CREDS: SEED, BIOXEN_NATS_CERT: pem, BIOXEN_NATS_KEY: pem };
    const problems = problemsOf(settingsOfEnvironment(environment, "nats://h"));
    expect(problems).toEqual([
      "BIOXEN_NATS_CREDS: must be the path of a file, not the credentials themselves",
      "BIOXEN_NATS_CERT: must be the path of a file, not its content",
      "BIOXEN_NATS_KEY: must be the path of a file, not its content",
    ]);
    // The library takes content: a page has no files.
    expect(problemsOf({ servers: "nats://h", creds: SEED })).toEqual([]);
  });

  it("name no web socket: only a browser connects to one", () => {
    expect(problemsOf(settingsOfEnvironment({ BIOXEN_NATS_URL: "nats://h,wss://t0ken@h" }, ""))).toEqual([
      "BIOXEN_NATS_URL: ws:// and wss:// are for browsers: use nats:// or tls://",
    ]);
  });

  it("count as absent when they are empty", () => {
    const empty = Object.fromEntries(Object.values(SETTING_VARIABLES).map((name) => [name, ""]));
    const { names: _, ...settings } = settingsOfEnvironment(empty, "nats://h");
    expect(settings).toEqual({ servers: "nats://h", creds: undefined, tls: undefined, domain: undefined });
  });
});

describe("credentials", () => {
  it("are a seed with anything around it, or a JWT with the seed of its user", () => {
    expect(parseCredentials(`\n${SEED}\n`).user).toBe(USER.getPublicKey());
    const jwt = (claims: object) =>
      `-----BEGIN NATS USER JWT-----\neyJ0.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.c2ln\n------END NATS USER JWT------\n`;
    const own = jwt({ sub: USER.getPublicKey(), name: "älice", exp: 1_700_000_000 });
    expect(parseCredentials(own + SEED)).toMatchObject({
      user: `älice (${USER.getPublicKey()})`,
      expiresAtMs: 1_700_000_000_000,
    });
    const other = jwt({ sub: nkeys.createUser().getPublicKey() });
    expect(() => parseCredentials(other + SEED)).toThrow("has a JWT and a seed of different users");
    expect(() => parseCredentials(own)).toThrow("has no nkey seed");
  });

  it("of other kinds, and damaged ones, are refused without a quotation", () => {
    const account = seedOf(nkeys.createAccount());
    expect(() => parseCredentials(account)).toThrow("not that of a user, which begins with SU");
    const damaged = `${SEED.slice(0, 20)}${SEED[20] === "A" ? "B" : "A"}${SEED.slice(21)}`;
    expect(() => parseCredentials(damaged)).toThrow(/^has a damaged nkey seed$/);
    for (const secret of [SEED, damaged, account, `${SEED}\n`, "-----BEGIN x"])
      expect(isSecretText(secret)).toBe(true);
    for (const path of ["/etc/bioxen/alice.creds", "alice.nk", "SU.creds", "./S3"])
      expect(isSecretText(path)).toBe(false);
  });

  it("stay in use while their file is being replaced", () => {
    let text = SEED;
    const source = new CredentialSource(() => {
      if (text === "") throw new Error("cannot read it");
      return text;
    });
    const next = nkeys.createUser();
    for (const broken of ["", "SU", SEED.slice(0, 30)]) {
      text = broken;
      expect(source.current().user).toBe(USER.getPublicKey());
    }
    text = seedOf(next);
    expect(source.current().user).toBe(next.getPublicKey());
  });
});

describe("a page in a browser", () => {
  it("has the settings that its program gives, and credentials as text", async () => {
    expect(await browser.findSettings({})).toBeUndefined();
    const given = { servers: "wss://h", creds: SEED };
    expect(await browser.findSettings(given)).toEqual(given);
    expect(browser.readCredentials(SEED)).toBe(SEED);
    expect(browser.tlsProblems(undefined, OPTION_NAMES)).toEqual([]);
    expect(browser.tlsProblems({ ca: "ca.pem" }, OPTION_NAMES)).toEqual([
      { path: "tls.ca", message: expect.stringContaining("omit tls, and use wss://") },
    ]);
  });
});

/** Volumes of keys that do not have the name of their container. */
const KEY_VOLUMES: Readonly<Record<string, readonly string[]>> = {
  "fake-pool": [],
  provision: ["key-provisioner"],
  cli: ["key-admin"],
  "cluster-provision": ["cluster-key-provisioner"],
  "cluster-cli": ["cluster-key-admin"],
  cluster: ["cluster-key-chassis-agent"],
};

describe("the containers of docker-compose.yml", () => {
  const root = (path: string) => readFile(new URL(`../../../${path}`, import.meta.url), "utf8");

  it("get every setting of a connection, and the files that the settings name", async () => {
    const listed = [...(await root("deploy/nats/connection.env")).matchAll(/^(\w+)=/gm)].map(
      ([, name]) => name,
    );
    expect(listed).toEqual([...Object.values(SETTING_VARIABLES), IDENTITIES_SETTING]);
    const compose = await root("docker-compose.yml");
    const service = /^x-service:[\s\S]*?(?=^x-)/m.exec(compose)?.[0] ?? "";
    expect(service).toContain("deploy/nats/connection.env");
    expect(service).toContain(":/run/nats:ro");
    // A list of volumes replaces that of the template. The fake pool has no connection.
    const own = [
      ...compose.matchAll(/^ {2}([\w-]+):\n {4}<<: \[?\*(?:service|replicated)[\s\S]*?(?=^ {2}\S|^\S)/gm),
    ];
    expect(own.length).toBeGreaterThan(8);
    const without = own.filter(
      ([text]) => /^ {4}volumes:/m.test(text) && !text.includes("*connection-files"),
    );
    expect(without.map(([, name]) => name)).toEqual(["fake-pool"]);
    // Each process has a volume with its own key; the command has the admin's.
    const keys = own.map(([text, name]) => [
      name,
      [...text.matchAll(/"([\w-]*key-[\w-]+):\/run\/key:ro"/g)].map(([, key]) => key),
    ]);
    const wanted = own.map(([, name = ""]) => [
      name,
      KEY_VOLUMES[name] ?? [name.replace(/^(cluster-)?/, "$1key-")],
    ]);
    expect(keys).toEqual(wanted);
  });
});

describe("the settings of the library", () => {
  const environment = {
    BIOXEN_NATS_URL: "nats://environment",
    BIOXEN_NATS_CREDS: "/environment.creds",
    BIOXEN_NATS_CA: "/environment.pem",
    BIOXEN_NATS_DOMAIN: "environment",
  };

  it("are those of the environment where the program gives none", async () => {
    expect(await findSettings({}, environment)).toMatchObject({
      servers: "nats://environment",
      creds: "/environment.creds",
      tls: { ca: "/environment.pem" },
      domain: "environment",
      names: { creds: "BIOXEN_NATS_CREDS" },
    });
    expect(await findSettings({ creds: "/own.creds", domain: "own" }, environment)).toMatchObject({
      creds: "/own.creds",
      domain: "own",
      names: { creds: "creds", domain: "domain", ca: "BIOXEN_NATS_CA" },
    });
  });

  it("have no credentials of the environment beside a login that the program gives", async () => {
    const found = await findSettings({ servers: "nats://alice:secret@own" }, environment);
    expect(found).toMatchObject({ servers: "nats://alice:secret@own", creds: undefined });
  });
});
