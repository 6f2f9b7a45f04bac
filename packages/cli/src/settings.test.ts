/**
 * The origin of each setting: flag, else environment, else settings file, else default.
 */
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { addConfigCommands } from "./commands/config.ts";
import {
  readSettingsFile,
  resolveSettings,
  SETTINGS,
  settingOf,
  settingOptions,
  settingsFile,
  withSettings,
} from "./settings.ts";
import { withSetting } from "./settings-file.ts";

let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "bioxen-settings-"));
  file = join(directory, "config.yaml");
  vi.stubEnv("BIOXEN_CONFIG", file);
  for (const { variable } of SETTINGS) vi.stubEnv(variable, "");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true, force: true });
});

/** Three values that differ from each other and from the default, for each setting. */
const VALUES: Readonly<Record<string, readonly [flag: string, environment: string, file: string]>> = {
  server: ["nats://flag", "nats://environment", "nats://file"],
  creds: ["/flag.creds", "/environment.creds", "/file.creds"],
  ca: ["/flag.pem", "/environment.pem", "/file.pem"],
  cert: ["/flag.pem", "/environment.pem", "/file.pem"],
  key: ["/flag.key", "/environment.key", "/file.key"],
  domain: ["flag", "environment", "file"],
  timeout: ["1", "2", "3"],
  "up.chassis": ["ecoli:1", "ecoli:2", "ecoli:3"],
  "up.data": ["/flag", "/environment", "/file"],
  "up.port": ["4001", "4002", "4003"],
  "up.timeScale": ["0.5", "2", "3.5"],
  "up.durability": ["relaxed", "relaxed", "relaxed"],
};

async function effective(key: string, args: readonly string[]) {
  const command = new Command();
  for (const option of settingOptions(key)) command.addOption(option);
  command.parse(args, { from: "user" });
  const one = (await withSettings(command)).find(({ setting }) => setting.key === key);
  return { origin: one?.origin, value: one?.value, seen: Object.values(command.opts())[0] };
}

describe("a setting", () => {
  it("has test values for every key", () => {
    expect(Object.keys(VALUES)).toEqual(SETTINGS.map(({ key }) => key));
  });

  it.each(Object.keys(VALUES))("%s: flag, environment, file, default, in this order", async (key) => {
    const { flags, variable, parse, preset } = settingOf(key);
    const [fromFlag, fromEnvironment, fromFile] = VALUES[key] ?? ["", "", ""];
    const flag = [flags.split(" ")[0] ?? "", fromFlag];
    const expected = (origin: string, text: string) => ({ origin, value: parse(text), seen: parse(text) });
    expect(await effective(key, [])).toEqual({ origin: "default", value: preset, seen: preset });
    await writeFile(file, withSetting("", file, key, parse(fromFile)));
    expect(await effective(key, [])).toEqual(expected("file", fromFile));
    vi.stubEnv(variable, fromEnvironment);
    expect(await effective(key, [])).toEqual(expected("environment", fromEnvironment));
    expect(await effective(key, flag)).toEqual(expected("flag", fromFlag));
  });

  it("is refused with its origin when its value is invalid", async () => {
    vi.stubEnv("BIOXEN_TIMEOUT_MS", "soon");
    await expect(resolveSettings()).rejects.toThrow(
      "BIOXEN_TIMEOUT_MS: soon: must be an integer from 1 to 86400000.",
    );
    expect(() => settingOf("sever")).toThrow("unknown setting sever (did you mean server?)");
  });
});

describe("docs/how-to/settings.md", () => {
  it("has one row for every setting", async () => {
    const text = await readFile(new URL("../../../docs/how-to/settings.md", import.meta.url), "utf8");
    const rows = [...text.matchAll(/^\| `([^`]+)` +\| `([^`]+)` +\| `([^`]+)`/gm)];
    const wanted = SETTINGS.map(({ key, variable, flags }) => [key, variable, flags.split(" ")[0]]);
    expect(rows.map(([, key, variable, flag]) => [key, variable, flag?.replace("up ", "")])).toEqual(wanted);
  });
});

describe("the file of settings", () => {
  it("is at BIOXEN_CONFIG, else where XDG says", () => {
    expect(settingsFile({ BIOXEN_CONFIG: "/a" })).toBe("/a");
    expect(settingsFile({ XDG_CONFIG_HOME: "/x" })).toBe("/x/bioxen/config.yaml");
    expect(settingsFile({})).toMatch(/\/\.config\/bioxen\/config\.yaml$/);
  });

  it("names every problem with its line", async () => {
    await writeFile(file, "sever: a\nup:\n  chasis: b\n  port: [1]\ntimeout:\n");
    await expect(readSettingsFile(file)).rejects.toThrow(
      [
        `${file}:1: unknown setting sever (did you mean server?)`,
        `${file}:3: unknown setting up.chasis (did you mean up.chassis?)`,
        `${file}:4: up.port must have a single value`,
        `${file}:5: timeout must have a single value`,
      ].join("\n"),
    );
    await writeFile(file, "a: [");
    await expect(readSettingsFile(file)).rejects.toThrow(`${file}:1: `);
  });

  it("keeps what a person wrote when one setting is changed", () => {
    const before = "# mine\nserver: nats://a # the old one\nup:\n  port: 4000\n";
    const after = withSetting(before, file, "up.chassis", "yeast:1");
    expect(after).toBe("# mine\nserver: nats://a # the old one\nup:\n  port: 4000\n  chassis: yeast:1\n");
    expect(withSetting(after, file, "up.chassis", undefined)).toBe(before);
  });
});

describe("bioxen config", () => {
  async function run(...args: string[]): Promise<string> {
    const program = new Command();
    addConfigCommands(program);
    let out = "";
    const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      out += text;
      return true;
    });
    await program.parseAsync(["config", ...args], { from: "user" }).finally(() => write.mockRestore());
    return out;
  }

  it("sets, shows with its origin, and takes away", async () => {
    expect(await run("set", "up.timeScale", "25")).toContain("up.timeScale is 25");
    expect(await run("set", "up.timeScale", "25")).toContain("already");
    expect(await readFile(file, "utf8")).toBe("up:\n  timeScale: 25\n");
    expect(await run("get", "up.timeScale")).toBe("25\n");
    vi.stubEnv("BIOXEN_NATS_URL", "nats://e");
    const shown = await run("show", "--origin");
    expect(shown).toMatch(/server +nats:\/\/e +BIOXEN_NATS_URL/);
    expect(shown).toMatch(/up\.timeScale +25 +file/);
    expect(shown).toMatch(/timeout +10000 +default/);
    await run("unset", "up.timeScale");
    expect(await run("get", "up.timeScale")).not.toBe("25\n");
  });

  it("never shows a password, token or seed", async () => {
    const url = "nats://alice:s3cret@a:4222,tls://t0ken@b";
    const seed = "SUAKGYTJHJTLAZQGA4Z6QCOMXTMSKPAPFKI4MNYXSLUFFXHDTD6EGUNDSU";
    const shown = [
      await run("set", "server", url),
      await run("set", "creds", seed),
      await run("get", "server"),
      await run("get", "creds"),
      await run("show", "--origin"),
    ].join("");
    expect(shown).toContain("server is nats://a:4222,tls://b in");
    for (const secret of ["s3cret", "t0ken", seed]) expect(shown).not.toContain(secret);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    vi.stubEnv("BIOXEN_NATS_URL", "nats://alice:s3cret");
    expect(await run("get", "server")).toBe("(a malformed URL)\n");
  });

  it("sets nothing that could not be used", async () => {
    await expect(run("set", "up.port", "many")).rejects.toThrow(
      "up.port: many: must be an integer from 1 to 65535.",
    );
    await expect(run("set", "up.durability", "alway")).rejects.toThrow("did you mean always?");
    await expect(readFile(file)).rejects.toThrow("ENOENT");
  });
});
