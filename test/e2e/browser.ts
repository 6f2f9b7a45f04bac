/**
 * A real browser for tests of the console: Chromium of the system, driven by playwright-core, which downloads none.
 */
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type AddressInfo, createServer } from "node:net";
import { delimiter, join } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import type { World } from "./world.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];
const found = (process.env["PATH"] ?? "")
  .split(delimiter)
  .flatMap((folder) => NAMES.map((name) => join(folder, name)))
  .find(existsSync);

/** Why there is no browser; undefined with one. Throws in CI, which must not lose these tests. */
export const withoutBrowser =
  found === undefined ? "chromium is missing on this machine: apt-get install chromium" : undefined;
if (withoutBrowser !== undefined && process.env["CI"]) throw new Error(withoutBrowser);
/** Whether tests can run; otherwise the suite says why in its output. */
export const hasBrowser = withoutBrowser === undefined;
if (!hasBrowser) console.log(withoutBrowser);

export function openBrowser(): Promise<Browser> {
  // The sandbox of Chromium needs rights that a container seldom gives; the pages are our own.
  return chromium.launch({ executablePath: found ?? "chromium", args: ["--no-sandbox"] });
}

/** Longest wait for something to appear on the page, ms: on a busy machine everything takes ten times as long. */
export const APPEARS_MS = 30_000;

export interface Visitor {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the console of the browser reported as an error or a warning. */
  readonly complaints: string[];
}

export interface VisitOptions {
  /** The principal that logs in; default: the admin. */
  readonly as?: string;
  readonly scheme?: "light" | "dark";
  readonly width?: number;
  readonly height?: number;
}

/** Opens the console in a window of its own, logged in by a one-time code. */
export async function visit(
  browser: Browser,
  world: World,
  { as = "admin", scheme = "light", width = 1360, height = 900 }: VisitOptions = {},
): Promise<Visitor> {
  const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height } });
  context.setDefaultTimeout(APPEARS_MS);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    // The text about a request that failed does not have its address.
    if (["error", "warning"].includes(message.type()))
      complaints.push(`${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(await loginAddress(world, as));
  await page.getByRole("heading", { level: 1, name: "Fleet" }).waitFor();
  await live(page);
  return { page, context, complaints };
}

/** The address that logs in: with keys it has a code that is valid once. */
export async function loginAddress(world: World, as: string): Promise<string> {
  const { keysDir, consoleUrl = "" } = world.stack;
  if (keysDir === undefined) return consoleUrl;
  const { code, stdout, stderr } = await world.bioxen("console", "--no-open", "--as", as, "--json");
  if (code !== 0) throw new Error(`bioxen console: ${stderr}`);
  return (JSON.parse(stdout) as { url: string }).url;
}

/** Resolves when the page says that its connection is live. */
export async function live(page: Page): Promise<void> {
  await page.locator(".link-state", { hasText: "Live" }).waitFor();
}

/** Goes to a view by its address, as a deep link does. */
export async function open(page: Page, address: string, heading: string | RegExp): Promise<void> {
  const url = new URL(page.url());
  url.hash = address;
  await page.goto(url.href);
  await page.getByRole("heading", { level: 1, name: heading }).waitFor();
}

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly target: readonly unknown[]; readonly failureSummary?: string }[];
}

/** Every violation of WCAG 2.2 AA on the page as it is, with its element. */
export async function violations(page: Page): Promise<string[]> {
  // The protocol of the debugger adds the script; the page's own policy allows none but its files.
  await page.evaluate(readFileSync(AXE, "utf8"));
  const run = `axe.run(document, { runOnly: ${JSON.stringify(RULES)} }).then((result) => result.violations)`;
  const found = (await page.evaluate(run)) as Violation[];
  return found.flatMap(({ id, nodes }) =>
    nodes.map(
      ({ target, failureSummary = "" }) =>
        `${id}: ${target.join(" ")}: ${failureSummary.replaceAll("\n", " ")}`,
    ),
  );
}

/** A port that is free now: a gateway that restarts must find its own again. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Resolves when the text is on the page. */
export function shows(page: Page, text: string | RegExp): Promise<unknown> {
  return page.locator("#main").getByText(text).first().waitFor();
}
