/**
 * Keeps the table of docs/how-to/when-something-is-wrong.md correct: each row names tests that exist, and each sentence
 * that it quotes from a tool stands in the sources and in one of these tests.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { DEFAULT_ALERT_RULES } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { ROOT } from "./examples/blocks.ts";

const PAGE = "docs/how-to/when-something-is-wrong.md";
/** Stands in a quoted sentence for a part that differs. */
const GAP = "…";
/** An interpolation of a template literal, with braces inside up to the second level. */
const INTERPOLATION = String.raw`\$\{(?:[^{}]|\{[^{}]*\})*\}`;
/** What a test may have in place of a gap: a value, an interpolation, or a part of a regular expression. */
const VALUE = "[^\\n]{1,200}?";
/** Default rules about guests, capacity and load, which the page is not about. */
const OTHER_RULES = /^vm-|^machine-|^ledger-full$|^telemetry-lost$|^log-lagging$/;

const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

interface Row {
  readonly wrong: string;
  /** The columns about the tools, and about the processes themselves. */
  readonly said: readonly string[];
  readonly alert: string;
  readonly remedy: string;
  readonly tests: readonly string[];
}

const rows = read(PAGE)
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| --"))
  .slice(1)
  .map((line) => line.slice(1, -1).split(" | "))
  .map((cells): Row & { readonly width: number } => {
    const [wrong = "", processes = "", doctor = "", alert = "", verify = "", remedy = "", held = ""] =
      cells.map((cell) => cell.trim());
    const tests = [...held.matchAll(/\]\(([^)]+)\)/g)].map(([, to = ""]) =>
      normalize(join(dirname(PAGE), to)),
    );
    return { wrong, said: [processes, doctor, verify], alert, remedy, tests, width: cells.length };
  });
/** The rows about states; the others are titles of groups. */
const states = rows.filter(({ wrong }) => !wrong.startsWith("**"));

const quotesIn = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, quote = ""]) => quote);

/** Returns the pattern of a quoted sentence, whose gaps match `gap`, as whole words. */
function patternOf(quote: string, gap: string): RegExp {
  const parts = quote.split(GAP).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const before = /^[\w-]/.test(quote) ? "(?<![\\w-])" : "";
  const after = /[\w-]$/.test(quote) ? "(?![\\w-])" : "";
  return new RegExp(`${before}${parts.join(gap)}${after}`);
}

/** The sources of the product; comments count too, because a URL in a string looks like one. */
const product = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts"], {
  cwd: ROOT,
  encoding: "utf8",
})
  .split("\n")
  .filter((path) => /^(?:packages|services)\/[^/]+\/(?:src\/|main\.ts)/.test(path))
  .filter((path) => !/\.test\.ts$|^packages\/testkit\//.test(path) && existsSync(join(ROOT, path)))
  .map(read)
  .join("\n");
const rulesOfPrometheus = read("deploy/observability/bioxen.rules.yml");

/** True when the sources have the sentence, with an interpolation at each gap. */
const isInProduct = (quote: string) =>
  patternOf(quote, INTERPOLATION).test(product) || rulesOfPrometheus.includes(`alert: ${quote}\n`);

/** True when a test has the sentence; a gap at either end is left out. */
function isInTests(quote: string, tests: readonly string[]): boolean {
  const inner = quote.replaceAll(new RegExp(`^${GAP}|${GAP}$`, "gu"), "").trim();
  const pattern = patternOf(inner, VALUE);
  return tests.some((path) => pattern.test(read(path).replaceAll("\\/", "/")));
}

describe("the table of what can be wrong", () => {
  it("has a row for at least 30 states, each with all its columns", () => {
    expect(states.length).toBeGreaterThanOrEqual(30);
    expect(rows.filter(({ width }) => width !== 7).map(({ wrong }) => wrong)).toEqual([]);
    const empty = states.filter(({ said, alert, remedy }) => [...said, alert, remedy].includes(""));
    expect(empty.map(({ wrong }) => wrong)).toEqual([]);
  });

  it("names existing tests in each row", () => {
    const untested = states.filter(
      ({ tests }) => tests.length === 0 || tests.some((path) => !existsSync(join(ROOT, path))),
    );
    expect(untested.map(({ wrong, tests }) => ({ wrong, tests }))).toEqual([]);
  });

  it("quotes only sentences of the sources", () => {
    const quotes = states.flatMap(({ said }) => said.flatMap(quotesIn));
    expect(quotes.length).toBeGreaterThan(60);
    expect(quotes.filter((quote) => !isInProduct(quote))).toEqual([]);
  });

  it("quotes only sentences that a test of the row has", () => {
    const absent = states.flatMap(({ wrong, said, tests }) =>
      said.flatMap(quotesIn).flatMap((quote) => (isInTests(quote, tests) ? [] : [`${wrong}: ${quote}`])),
    );
    expect(absent).toEqual([]);
  });

  it("names alert rules that exist, and every default rule about the system", () => {
    const named = new Set(states.flatMap(({ alert }) => quotesIn(alert)));
    const known = Object.keys(DEFAULT_ALERT_RULES);
    const unknown = [...named].filter((rule) => !known.includes(rule) && !isInProduct(rule));
    expect(unknown).toEqual([]);
    expect(known.filter((rule) => !OTHER_RULES.test(rule) && !named.has(rule))).toEqual([]);
    const untested = states.flatMap(({ alert, tests }) =>
      quotesIn(alert).flatMap((rule) =>
        known.includes(rule) && !tests.some((path) => read(path).includes(`"${rule}"`)) ? [rule] : [],
      ),
    );
    expect(untested).toEqual([]);
  });

  it("advises only commands and settings that exist", () => {
    const help = read("docs/cli.md");
    const advised = states.flatMap(({ remedy }) => quotesIn(remedy));
    const unknown = advised.filter((quote) => {
      const words = quote.split(" ").filter((word) => /^[a-z][a-z-]*$/.test(word));
      if (quote.startsWith("bioxen ")) {
        const flags = quote.split(" ").filter((word) => word.startsWith("--"));
        return !help.includes(`## \`${words.join(" ")}\``) || flags.some((flag) => !help.includes(flag));
      }
      return quote.startsWith("BIOXEN_") && !product.includes(quote);
    });
    expect(unknown).toEqual([]);
  });
});
