/**
 * `pnpm bench console`: the web console with 3 000 running cells, whose telemetry changes every second, in Chromium.
 *
 * Measures, on a whole stack and a real browser: from a command on NATS to the changed figure on the page; frames per
 * second while the page scrolls and the map zooms; from a key to the next frame; and from a click on a link to a usable
 * view. The page measures with its own clock, which is that of this process, because both run on one machine.
 */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { connect } from "@bioxen/client";
import { startLocalStack } from "@bioxen/local-stack";
import { chromium, type Page } from "playwright-core";

const CELLS = Number(process.env["BIOXEN_CONSOLE_CELLS"] ?? 3_000);
/** Limits for a machine without other load, in the units of the names. */
const LIMITS = { changeMs: 500, framesPerSecond: 30, inputMs: 100, interactiveMs: 1_000 };
const AT_ONCE = 32;
/** Changes that are timed; the worst counts. */
const CHANGES = 10;
const CHASSIS = "console-1";

async function fill(url: string): Promise<void> {
  const bioxen = await connect({ servers: url });
  const full = { ribosomes: 503, rnaPolymerases: 187, atpPerSecond: 13_247, dnaKilobases: 543 };
  const capacity = Object.fromEntries(
    Object.entries(full).map(([name, amount]) => [name, amount * CELLS * 2]),
  );
  await bioxen.call("chassisRegister", {
    chassisId: CHASSIS,
    chassisType: "yeast",
    capacity,
    maxVms: CELLS,
    agentId: "local",
  });
  for (let at = 0; at < CELLS; at += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, CELLS - at) }, (_, more) => `cell-${at + more}`);
    await Promise.all(
      some.map(async (vmId) => {
        await bioxen.call("vmCreate", { vmId, biologicalType: "syn3a" });
        await bioxen.call("vmStart", { vmId });
      }),
    );
  }
  for (;;) {
    const { vms } = await bioxen.call("monitorFleet", { limit: 0 });
    if ((vms["running"] ?? 0) >= CELLS) break;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  await bioxen.close();
}

/** The time from a command to its effect in the figure "Paused", the worst of some, ms. */
async function changeMs(page: Page, url: string): Promise<number> {
  const bioxen = await connect({ servers: url });
  const times: number[] = [];
  for (let at = 0; at < CHANGES; at++) {
    const seen = page.evaluate(`new Promise((resolve) => {
      const figures = document.querySelector(".figures");
      const before = figures.textContent;
      const paused = () => [...figures.children].find((one) => one.textContent.startsWith("Paused")).textContent;
      const was = paused();
      const observer = new MutationObserver(() => {
        if (paused() !== was) { observer.disconnect(); requestAnimationFrame(() => resolve(Date.now())); }
      });
      observer.observe(figures, { subtree: true, childList: true, characterData: true });
    })`);
    await bioxen.call("vmPause", { vmId: `cell-${at}` });
    const sentAtMs = Date.now();
    times.push(((await seen) as number) - sentAtMs);
  }
  await bioxen.close();
  return Math.max(...times);
}

/** Frames per second while the page scrolls up and down and the map changes its zoom, over 4 s. */
function framesPerSecond(page: Page): Promise<number> {
  return page.evaluate(`new Promise((resolve) => {
    const map = document.querySelector(".map-scroll");
    const larger = document.querySelector('[aria-label="Larger cells"]');
    const smaller = document.querySelector('[aria-label="Smaller cells"]');
    const startedAt = performance.now();
    let frames = 0;
    const step = (now) => {
      frames += 1;
      map.scrollTop = (frames * 24) % Math.max(1, map.scrollHeight - map.clientHeight);
      if (frames % 20 === 0) (frames % 40 === 0 ? larger : smaller).click();
      if (now - startedAt < 4000) requestAnimationFrame(step);
      else resolve((1000 * frames) / (now - startedAt));
    };
    requestAnimationFrame(step);
  })`) as Promise<number>;
}

/** The longest time from a key in the filter to the frame that shows its effect, ms. */
async function inputMs(page: Page): Promise<number> {
  await page.evaluate(`location.hash = "#/vms"`);
  const box = page.getByRole("searchbox");
  await box.waitFor();
  await page.evaluate(`(() => {
    window.lags = [];
    document.querySelector("input[type=search]").addEventListener("input", (event) => {
      requestAnimationFrame(() => setTimeout(() => window.lags.push(performance.now() - event.timeStamp)));
    });
  })()`);
  await box.pressSequentially("cell-29", { delay: 120 });
  return (await page.evaluate("Math.max(...window.lags)")) as number;
}

/** Runs the benchmark; false when a limit is exceeded. Without Chromium it says so, and is no failure. */
export async function consoleBench(): Promise<boolean> {
  const executablePath = (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "chromium"))
    .find(existsSync);
  if (executablePath === undefined) {
    console.log("console: chromium is missing on this machine: apt-get install chromium");
    return true;
  }
  const dataDir = await mkdtemp(join(tmpdir(), "bioxen-bench-"));
  const options = { dataDir, home: dataDir, keys: false, logLevel: "warn", gateway: { port: 0 } } as const;
  const stack = await startLocalStack(options);
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    await fill(stack.url);
    const page = await browser.newPage({ viewport: { width: 1360, height: 900 } });
    await page.goto(stack.consoleUrl ?? "");
    // Every chassis of the stack has a map.
    const map = page.getByRole("img", { name: new RegExp(` on ${CHASSIS}[.]`) });
    await map.waitFor();
    const openedAtMs = performance.now();
    await page.reload();
    await page.getByRole("heading", { level: 1, name: "Fleet" }).waitFor();
    const measured = {
      interactiveMs: performance.now() - openedAtMs,
      changeMs: await map.waitFor().then(() => changeMs(page, stack.url)),
      framesPerSecond: await framesPerSecond(page),
      inputMs: await inputMs(page),
    };
    let isWithin = true;
    for (const [name, limit] of Object.entries(LIMITS)) {
      const value = measured[name as keyof typeof measured];
      const isGood = name === "framesPerSecond" ? value >= limit : value <= limit;
      isWithin &&= isGood;
      console.log(
        `console    ${name.padEnd(16)} ${value.toFixed(0).padStart(6)}   limit ${limit}${isGood ? "" : "  EXCEEDED"}`,
      );
    }
    return isWithin;
  } finally {
    await browser.close();
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}
