/**
 * `bioxen demo`: a tour on a real stack: four cells, Lua, a pause, the ledgers, the log, the model.
 *
 * Every number shown comes from a service, and the tour fails when a measured number differs from the model.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { BiologicalType, VmSample, VmView } from "@bioxen/contracts";
import { type LocalStack, startLocalStack } from "@bioxen/local-stack";
import type { VerifierReport } from "@bioxen/log-verifier";
import type { Command } from "commander";
import { Interrupted, Interruption, interruptedStart } from "../interruption.ts";
import { CommandEnd, EXIT_REFUSED, endOf } from "../outcome.ts";
import { given } from "../parse.ts";
import { duration, growthRate, simTime } from "../quantities.ts";
import { conclude, globalsOf, note, say, sayJson, sayOnStderr } from "../run.ts";
import { Session } from "../session.ts";
import { paint } from "../terminal.ts";
import { ledgerWords } from "./chassis-words.ts";
import { verifyLog } from "./events.ts";
import { LiveTable } from "./live-table.ts";
import { waitFor } from "./vm-start.ts";

/**
 * Simulated minutes per real second. At this speed, a syn3a divides every two seconds, and growth settles during the
 * tour.
 */
const DEMO_TIME_SCALE = 60;
const DEMO_CHASSIS = "ecoli:1,yeast:1";
const WATCH_MS = 6_000;
/** Time for which the demo pauses a cell, ms. It is longer than the interval between two samples. */
const PAUSE_MS = 1_500;
/** Largest allowed difference between a measured doubling time and that of the model's steady state, as a fraction. */
const TOLERANCE = 0.005;

interface Cell {
  readonly vmId: string;
  readonly biologicalType: BiologicalType;
  readonly resources: { readonly ribosomes?: string };
  /** Doubling time that the model's steady state predicts for the cell, minutes. */
  readonly doublingMinutes: number;
}

const CELLS: readonly Cell[] = [
  { vmId: "syn3a-1", biologicalType: "syn3a", resources: {}, doublingMinutes: 105 },
  { vmId: "minimal-1", biologicalType: "minimal_cell", resources: {}, doublingMinutes: 180 },
  { vmId: "ecoli-cell-1", biologicalType: "ecoli", resources: {}, doublingMinutes: 40 },
  { vmId: "syn3a-half", biologicalType: "syn3a", resources: { ribosomes: "50%" }, doublingMinutes: 150.6 },
];

export function addDemoCommand(program: Command): void {
  program
    .command("demo")
    .description("run a tour on a private stack: cells, Lua, ledgers, log, model")
    .option("--once", "stop the stack after the tour")
    .option("--data <dir>", "data directory; default: a temporary one")
    .option("--tls", "encrypt all connections of the stack")
    .action(async (options: { once?: boolean; data?: string; tls?: boolean }, command: Command) => {
      const json = globalsOf(command).json === true;
      const temporary =
        options.data === undefined ? await mkdtemp(join(tmpdir(), "bioxen-demo-")) : undefined;
      let stack: LocalStack | undefined;
      const interruption = Interruption.listen({ withLauncher: true });
      sayOnStderr(json);
      try {
        const onStarted = (started: LocalStack) => {
          stack = started;
        };
        await tour(options.data ?? temporary ?? "", {
          once: options.once === true,
          tls: options.tls === true,
          interruption,
          onStarted,
          onToured: (report) => {
            if (json) sayJson({ ok: true, ...report });
          },
        });
      } catch (thrown) {
        // Ctrl-C may end the tour at any step; it is a failure only before the stack is ready.
        if (thrown instanceof Interrupted && stack !== undefined) note("stopping…");
        else conclude(thrown instanceof Interrupted ? interruptedStart(thrown) : endOf(thrown), json);
      } finally {
        sayOnStderr(false);
        await stack?.stop();
        interruption.end();
        if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
      }
    });
}

interface TourOptions {
  /** True: the tour ends without waiting for Ctrl-C. */
  readonly once: boolean;
  /** True: the connections of the stack are encrypted. */
  readonly tls: boolean;
  readonly interruption: Interruption;
  readonly onStarted: (stack: LocalStack) => void;
  readonly onToured: (report: TourReport) => void;
}

async function tour(dataDir: string, options: TourOptions): Promise<void> {
  const { once, tls, interruption, onStarted, onToured } = options;
  heading("A stack: nats-server and five services");
  const stack = await startLocalStack({
    dataDir,
    chassis: DEMO_CHASSIS,
    timeScale: DEMO_TIME_SCALE,
    tls: tls ? "server" : undefined,
    onProgress: (line) => say(`  ${line}`),
    signal: interruption.signal,
    // With --once the stack is private: the file that points to it is in the temporary directory, where no other
    // command finds it.
    ...(once ? { home: dataDir } : {}),
  });
  onStarted(stack);
  const session = await interruption.during(
    Session.open({
      server: stack.url,
      ...given({ creds: stack.connection.creds, ...(stack.connection.tls ?? {}) }),
    }),
  );
  try {
    onToured(await interruption.during(steps(session)));
    if (once) return;
    heading("The stack runs until Ctrl-C. In another terminal:");
    say("  npx -y pnpm@10.34.9 -s bioxen vm ls");
    say("  npx -y pnpm@10.34.9 -s bioxen vm watch syn3a-1");
    say("  npx -y pnpm@10.34.9 -s bioxen vm exec syn3a-1 -e 'return cell.ribosomes()'");
    say("  npx -y pnpm@10.34.9 -s bioxen events tail --from 1");
    await interruption.requested;
    note("stopping…");
  } finally {
    await session.close();
  }
}

function heading(text: string): void {
  say(`\n${paint("bold", text)}`);
}

interface TourReport {
  readonly cells: readonly Measured[];
  readonly log: VerifierReport;
}

async function steps(session: Session): Promise<TourReport> {
  heading("Four cells: created, placed, started");
  for (const cell of CELLS) {
    const { vm } = await startCell(session, cell);
    say(`  ${cell.vmId}: ${vm.biologicalType}, ${vm.state} on ${vm.chassisId}, fence ${vm.fence}`);
  }
  heading(`Growth, at ${DEMO_TIME_SCALE} simulated minutes per second`);
  const live = new LiveTable(session);
  await live.show(WATCH_MS);
  await lookInside(session);
  await pauseOne(session);
  heading("The ledgers: allocations by chassis");
  for (const ledger of (await session.ask("ledgerList", {})).ledgers) say(`${ledgerWords(ledger)}\n`);
  heading("The log, verified from its first event");
  const report = await verifyLog(session);
  say(`  ${report.events} events of ${report.aggregates} aggregates, ${report.violations.length} violations`);
  if (report.violations.length > 0) {
    throw new CommandEnd(EXIT_REFUSED, `the log has violations: ${JSON.stringify(report.violations)}`);
  }
  heading("Measured against the model");
  const cells: Measured[] = [];
  for (const cell of CELLS) cells.push(await compare(session, cell));
  return { cells, log: report };
}

async function startCell(session: Session, cell: Cell): Promise<{ vm: VmView }> {
  const { vmId, biologicalType, resources } = cell;
  const known = await session.call("vmGet", { vmId });
  const isThere = known.ok && known.vm.state !== "destroyed";
  if (!isThere) await session.ask("vmCreate", { vmId, biologicalType, resources });
  const { vm } = await session.ask("vmStart", { vmId });
  return { vm: await waitFor(session, vm, (now) => now.state === "running" || now.state === "error") };
}

async function lookInside(session: Session): Promise<void> {
  heading("Lua inside a cell");
  const source = 'print("I am " .. cell.id .. ", a " .. cell.type) return cell.growth_rate()';
  say(`  > ${source}`);
  const { result, stdout, instructions } = await session.ask("vmExec", { vmId: "syn3a-1", source });
  say(`  ${stdout.trim()}\n  ${growthRate(Number(result))}, ${instructions} Lua instructions`);
}

async function pauseOne(session: Session): Promise<void> {
  heading("One cell is paused, and its simulated time stops");
  const vmId = "minimal-1";
  await session.ask("vmPause", { vmId });
  const before = await newerSample(session, vmId, 0);
  const after = await newerSample(session, vmId, before.atMs + PAUSE_MS);
  say(
    `  ${vmId} paused at ${simTime(before.simMinutes)}, ${duration(PAUSE_MS)} later still at ${simTime(after.simMinutes)}`,
  );
  if (after.simMinutes !== before.simMinutes) {
    throw new CommandEnd(EXIT_REFUSED, "a paused cell continued to grow");
  }
  await session.ask("vmResume", { vmId });
  const resumed = await newerSample(session, vmId, after.atMs + 1, (s) => s.simMinutes > after.simMinutes);
  say(`  resumed, now at ${simTime(resumed.simMinutes)}`);
}

/**
 * Waits for a sample that was taken at `atMs` or later and for which `holds` is true, and returns it. By default,
 * `holds` is true when the cell is paused.
 */
async function newerSample(
  session: Session,
  vmId: string,
  atMs: number,
  holds: (sample: VmSample) => boolean = (sample) => sample.state === "paused",
): Promise<VmSample> {
  const deadline = Date.now() + session.timeoutMs;
  for (;;) {
    const { sample } = await session.ask("monitorVm", { vmId });
    if (sample !== null && sample.atMs >= atMs && holds(sample)) return sample;
    if (Date.now() > deadline) throw new CommandEnd(EXIT_REFUSED, `${vmId} has no new measurement`);
    await sleep(50);
  }
}

interface Measured {
  readonly vmId: string;
  readonly doublingTimeMinutes: number;
  /** Doubling time that the model predicts, minutes. */
  readonly expectedMinutes: number;
}

async function compare(session: Session, cell: Cell): Promise<Measured> {
  const { sample } = await session.ask("monitorVm", { vmId: cell.vmId });
  const measured = sample?.doublingTimeMinutes ?? Number.NaN;
  const holds = Math.abs(measured / cell.doublingMinutes - 1) <= TOLERANCE;
  const verdict = holds ? paint("green", "matches the model") : paint("red", "differs from the model");
  say(`  ${cell.vmId}: doubles in ${measured.toFixed(2)} min, expected ${cell.doublingMinutes}: ${verdict}`);
  if (!holds) throw new CommandEnd(EXIT_REFUSED, `the growth of ${cell.vmId} differs from the model`);
  return { vmId: cell.vmId, doublingTimeMinutes: measured, expectedMinutes: cell.doublingMinutes };
}
