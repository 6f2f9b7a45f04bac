/**
 * The rules of the house that a compiler does not know. Each failure says why the rule is there.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BIOXEN_VERSION } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SERVICES = "lifecycle allocator chassis-scheduler monitor experiments chassis-agent gateway".split(" ");
const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: ROOT,
  encoding: "utf8",
})
  .split("\n")
  .filter((path) => path !== "" && existsSync(join(ROOT, path)));
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const sources = tracked.filter((path) => path.endsWith(".ts"));
const isTest = (path: string) => /\.test\.ts$|(^|\/)test\/|\/testing\.ts$/.test(path);

/** What a file says to the machine: without its comments. */
const codeOf = (path: string) => read(path).replaceAll(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*$/gm, "");

/** Every module a file imports. */
function importsOf(path: string): string[] {
  return [
    ...codeOf(path).matchAll(/^\s*(?:import|export)\b[^;]*?from\s+"([^"]+)"|^\s*import\s+"([^"]+)"/gm),
  ].map((match) => match[1] ?? match[2] ?? "");
}

function offenders(paths: readonly string[], isWrong: (path: string) => string | false): string[] {
  return paths.flatMap((path) => {
    const wrong = isWrong(path);
    return wrong === false ? [] : [`${path}: ${wrong}`];
  });
}

const under = (folder: string) => sources.filter((path) => path.startsWith(folder));
const foreign = (path: string, isAllowed: (module: string) => boolean) => {
  const wrong = importsOf(path).filter((module) => !isAllowed(module));
  return wrong.length > 0 && `imports ${wrong.join(", ")}`;
};
const relative = (module: string) => module.startsWith(".");

describe("who may import whom", () => {
  it("the kernel imports nothing of ours: everything stands on it", () => {
    const production = under("packages/kernel/src").filter((path) => !isTest(path));
    expect(offenders(production, (path) => foreign(path, relative))).toEqual([]);
  });

  it("contracts know the kernel, zod, a hash and the checks of cells only: every client reads them, in browsers too", () => {
    const inNodeOnly = (path: string) => path.endsWith("/sha256-node.ts");
    const production = under("packages/contracts/src").filter((path) => !isTest(path) && !inNodeOnly(path));
    const CELL_CHECKS = ["@bioxen/cell-models/declarations", "@bioxen/cell-models/genes"];
    const allowed = (module: string) =>
      relative(module) || [...CELL_CHECKS, "@bioxen/kernel", "zod", "#sha256"].includes(module);
    expect(offenders(production, (path) => foreign(path, allowed))).toEqual([]);
  });

  it("only packages/nats imports NATS: the rest runs on ports, in a simulation too", () => {
    // Benchmarks compare with raw NATS.
    const others = sources.filter((path) => !/^(packages\/nats|bench)\//.test(path) && !isTest(path));
    expect(offenders(others, (path) => foreign(path, (module) => !module.startsWith("@nats-io/")))).toEqual(
      [],
    );
  });

  it("services know neither each other nor the bus: they meet in the log and over subjects", () => {
    const names = [...SERVICES, "nats"];
    const allowed = (module: string) => !names.some((name) => module === `@bioxen/${name}`);
    expect(offenders(under("services/"), (path) => foreign(path, allowed))).toEqual([]);
    const outside = (path: string) =>
      importsOf(path).some((module) => /(\.\.\/){3,}/.test(module) && relative(module)) &&
      "reaches out of its service";
    expect(offenders(under("services/"), outside)).toEqual([]);
  });

  it("a domain is pure: no clock, no randomness, no platform, so that equal inputs decide equally", () => {
    const domain = sources.filter(
      (path) => /^services\/.*\/src\/domain\/|^packages\/placement\/src\//.test(path) && !isTest(path),
    );
    expect(domain.length).toBeGreaterThan(10);
    const allowed = (module: string) =>
      module === "@bioxen/kernel" ||
      module === "@bioxen/contracts" ||
      module === "@bioxen/placement" ||
      module.startsWith("./");
    expect(offenders(domain, (path) => foreign(path, allowed))).toEqual([]);
    const impure = /\bDate\b|Math\.random|\bprocess\.|\bconsole\.|setTimeout|\bcrypto\b|\bawait\b/;
    expect(offenders(domain, (path) => impure.test(codeOf(path)) && "is not pure")).toEqual([]);
  });

  it("an application layer sees ports only", () => {
    const app = under("services/").filter((path) => path.includes("/src/app/"));
    const allowed = (module: string) => !/^node:(?!crypto)/.test(module) && module !== "@bioxen/service-host";
    expect(offenders(app, (path) => foreign(path, allowed))).toEqual([]);
  });

  it("subjects are written in the catalogue only: a typo elsewhere would be a message nobody hears", () => {
    const others = sources.filter(
      (path) =>
        !path.startsWith("packages/contracts/") &&
        path !== "packages/kernel/src/aggregates.ts" &&
        !isTest(path),
    );
    // `bioxen.log.<past-tense>.v<N>` is a type of event, not a subject.
    const literal = /["'`]bioxen\.(?:cmd|qry|evt|tel|log|agent)\.(?![a-z-]+\.v\d+["'`])/;
    const verifier = (path: string) => path.startsWith("packages/log-verifier/");
    expect(
      offenders(others, (path) => !verifier(path) && literal.test(codeOf(path)) && "names a subject"),
    ).toEqual([]);
  });

  it("the fake pool knows nothing of BioXen, and only the command ships it", () => {
    const ours = (module: string) => !module.startsWith("@bioxen/");
    const own = under("packages/fake-xapi/src");
    expect(own.length).toBeGreaterThan(10);
    expect(offenders(own, (path) => foreign(path, ours))).toEqual([]);
    const shipping = manifests.filter(
      (path) => "@bioxen/fake-xapi" in (manifestOf(join(ROOT, path)).dependencies ?? {}),
    );
    expect(shipping).toEqual(["packages/cli/package.json"]);
  });
});

describe("the shape of files", () => {
  it("a file has one idea: above 350 lines it has two", () => {
    const long = (path: string) => {
      const lines = read(path).split("\n").length;
      return lines > 350 && `${lines} lines`;
    };
    expect(offenders([...tracked.filter((path) => /\.(?:tsx?|css)$/.test(path)), "README.md"], long)).toEqual(
      [],
    );
    expect(read("README.md").split("\n").length).toBeLessThanOrEqual(150);
  });

  it("import circles and functions above 70 lines are errors of the lint, in every product file", () => {
    const { linter, overrides } = JSON.parse(read("biome.json")) as {
      linter: { rules: Record<string, Record<string, unknown>> };
      overrides: { includes: string[]; linter: { rules: Record<string, Record<string, unknown>> } }[];
    };
    // Types count too: a file that needs the types of its own importer has two ideas.
    expect(linter.rules["suspicious"]?.["noImportCycles"]).toEqual({
      level: "error",
      options: { ignoreTypes: false },
    });
    expect(linter.rules["complexity"]?.["noExcessiveLinesPerFunction"]).toEqual({
      level: "error",
      options: { maxLines: 70 },
    });
    // Suites are one long function by nature.
    const suites = [
      "**/*.test.ts",
      "**/test/**",
      "**/*-contract.ts",
      "packages/vm-driver/src/conformance*.ts",
    ];
    expect(overrides).toEqual([
      { includes: suites, linter: { rules: { complexity: { noExcessiveLinesPerFunction: "off" } } } },
    ]);
    const biome = join(ROOT, "node_modules/.bin/biome");
    expect(() =>
      execFileSync(biome, ["lint", "--diagnostic-level=error", "."], { cwd: ROOT, stdio: "pipe" }),
    ).not.toThrow();
  }, 300_000);

  it("a service's entry point only names its parts", () => {
    const entries = sources.filter((path) => /^services\/[^/]+\/main\.ts$/.test(path));
    expect(entries).toHaveLength(SERVICES.length);
    expect(offenders(entries, (path) => read(path).split("\n").length > 41 && "over 40 lines")).toEqual([]);
  });

  it("a name says what is inside: no drawer for everything", () => {
    const drawer = /(^|[/-])(utils?|helpers?|common|manager|misc)(\.|\/|-|$)/;
    // The contract itself names a ResourceManager.
    const allowed = (path: string) => basename(path) === "resource-manager.ts";
    expect(offenders(tracked, (path) => drawer.test(path) && !allowed(path) && "is a drawer")).toEqual([]);
  });

  it("nothing is put off, switched off or silenced", () => {
    const marks = ["TO" + "DO", "FIX" + "ME", "@ts-" + "ignore", "@ts-" + "expect-error", "as " + "any"];
    const off = new RegExp(
      `\\b(?:it|test|describe)\\.(?:${["sk" + "ip", "on" + "ly", "to" + "do"].join("|")})\\b`,
    );
    const found = (path: string) => {
      const text = read(path);
      const mark = marks.find((one) => new RegExp(`${one}\\b`).test(text));
      return mark ?? (off.test(text) && "a test is switched off");
    };
    expect(offenders(sources, (path) => found(path) || false)).toEqual([]);
  });

  it("every package and service says what it owns", () => {
    const folders = new Set(
      tracked.flatMap((path) => /^((?:packages|services)\/[^/]+)\//.exec(path)?.[1] ?? []),
    );
    expect([...folders].filter((folder) => !existsSync(join(ROOT, folder, "README.md")))).toEqual([]);
  });

  it("every manifest carries the release that the code reports", () => {
    const other = ({ version }: Manifest) => version !== BIOXEN_VERSION && `version ${version}`;
    expect(offenders(manifests, (path) => other(manifestOf(join(ROOT, path))))).toEqual([]);
  });

  it("nothing of one machine is in the tree", () => {
    const local = new RegExp(["/wo" + "rk/", "/home/" + "[a-z]", "regis" + "try\\.npm"].join("|"));
    const texts = tracked.filter((path) => !/\.(png|jpg|wasm)$/.test(path));
    expect(offenders(texts, (path) => local.test(read(path)) && "names a machine or a registry")).toEqual([]);
    expect(read("pnpm-lock.yaml")).not.toMatch(/tarball: https?:/);
  });
});

describe("language", () => {
  /** Texts for people. Recorded data keeps its words, STYLE shows these words as wrong, and this file names them. */
  const texts = tracked.filter(
    (path) =>
      /\.(?:ts|lua|py|md|sh|ya?ml|conf)$|^\.ci\/run$|(^|\/)Dockerfile$/.test(path) &&
      !/(^|\/)golden\/|^docs\/STYLE\.md$|^test\/tidy\.test\.ts$/.test(path),
  );
  /** Words that stand for a missing noun, or for a standard term (docs/STYLE.md, rules 1 and 4). */
  const telltale = /\b(?:nobody|whoever|somebody|anybody|anew|is told|are told|is to be)\b/gi;
  it("names its subjects: none of these words stands in a comment, a string or a document", () => {
    const found = texts.flatMap((path) =>
      read(path)
        .split("\n")
        .flatMap((line, at) => [...line.matchAll(telltale)].map(([word]) => `${path}:${at + 1}: ${word}`)),
    );
    expect(found).toEqual([]);
  });

  it("gives a reason for each test stack without keys, because users have one with keys", () => {
    const unexplained = sources.filter(isTest).filter((path) => {
      const bare = read(path).replaceAll(/^ *\/\/ Without keys: .+ .+\.\n.*\bkeys: false\b/gm, "");
      return path !== "test/tidy.test.ts" && /^(?! *(?:\*|\/\/)).*\bkeys: false\b/m.test(bare);
    });
    expect(unexplained).toEqual([]);
  });

  it("gives a reason for each cast past the type system, and has at most five of them", () => {
    const products = sources.filter((path) => /^(?:packages|services)\//.test(path) && !isTest(path));
    const isComment = (line: string) => /^\s*(?:\/\/|\*)/.test(line);
    const casts = products.flatMap((path) => {
      const lines = read(path).split("\n");
      return lines.flatMap((line, at) =>
        line.includes("as unknown as")
          ? [{ place: `${path}:${at + 1}`, hasReason: lines.slice(at - 2, at).some(isComment) }]
          : [],
      );
    });
    expect(casts.map(({ place }) => place).slice(5)).toEqual([]);
    expect(casts.filter(({ hasReason }) => !hasReason)).toEqual([]);
  });
});

interface Manifest {
  readonly name: string;
  readonly version?: string;
  readonly license?: string;
  /** As old packages have it. */
  readonly licenses?: readonly { readonly type: string }[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const manifests = tracked.filter((path) => basename(path) === "package.json");
const manifestOf = (path: string) => JSON.parse(readFileSync(path, "utf8")) as Manifest;
const licenseOf = ({ license, licenses }: Manifest) =>
  license ?? licenses?.map(({ type }) => type).join(" OR ");
const PERMISSIVE =
  /^\(?(?:MIT|Apache-2\.0|BSD-[23]-Clause|ISC|0BSD|BlueOak-1\.0\.0|Unlicense)(?: OR [\w.-]+)*\)?$/;

/** The folder a dependency is installed in, seen from `from`; undefined where this platform has none. */
function installed(name: string, from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const path = join(folder, "node_modules", name);
    if (existsSync(path)) return realpathSync(path);
    if (folder === dirname(folder)) return undefined;
  }
}

describe("dependencies", () => {
  const allowed = new Map(
    [...read("docs/adr/0001-dependencies.md").matchAll(/^\|\s+(\S+)\s+\|\s+([^|]+?)\s+\|\s+([^|]+?)\s+\|$/gm)]
      .filter((match) => !/^(package|-+)$/.test(match[1] ?? ""))
      .map((match) => [match[1] ?? "", match[2] ?? ""]),
  );

  it("each has a line with its licence and the reason, and no line is left over", () => {
    const declared = new Map<string, string>();
    for (const path of manifests) {
      const { dependencies, devDependencies, optionalDependencies } = manifestOf(join(ROOT, path));
      for (const name of Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies })) {
        if (!/^@bioxen(?:-examples)?\//.test(name)) declared.set(name, dirname(join(ROOT, path)));
      }
    }
    expect([...declared.keys()].sort()).toEqual([...allowed.keys()].sort());
    for (const [name, from] of declared) {
      const folder = installed(name, from);
      if (folder === undefined) continue;
      expect(licenseOf(manifestOf(join(folder, "package.json"))), name).toBe(allowed.get(name));
      // Only tests load axe-core, and nothing permissive has its like.
      if (name !== "axe-core") expect(allowed.get(name), name).toMatch(PERMISSIVE);
    }
  });

  /** Everything that `folder` installs, as `name@version`, with its licence. */
  function closureOf(folder: string, closure = new Map<string, string>()): Map<string, string> {
    const { dependencies, optionalDependencies } = manifestOf(join(folder, "package.json"));
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const found = installed(name, folder);
      if (found === undefined) continue;
      const manifest = manifestOf(join(found, "package.json"));
      const key = `${name}@${manifest.version}`;
      if (closure.has(key)) continue;
      closure.set(key, licenseOf(manifest) ?? "none");
      closureOf(found, closure);
    }
    return closure;
  }

  it("the client stands on these packages and no others: programs that only connect install it", () => {
    const names = [...closureOf(join(ROOT, "packages", "client")).keys()];
    expect(names.map((key) => key.slice(0, key.lastIndexOf("@"))).sort()).toEqual([
      "@bioxen/cell-models",
      "@bioxen/contracts",
      "@bioxen/kernel",
      "@bioxen/nats",
      "@nats-io/jetstream",
      "@nats-io/nats-core",
      "@nats-io/nkeys",
      "@nats-io/nuid",
      "@nats-io/transport-node",
      "tweetnacl",
      "zod",
    ]);
  });

  it.each(SERVICES)("%s runs on permissive licences only, all the way down", (service) => {
    const closure = closureOf(join(ROOT, "services", service));
    const outside = [...closure].filter(([key]) => !key.startsWith("@bioxen/"));
    console.log(`${service}: ${outside.map(([key]) => key).join(" ")}`);
    expect(outside.length).toBeGreaterThan(0);
    expect(outside.filter(([, license]) => !PERMISSIVE.test(license))).toEqual([]);
  });
});
