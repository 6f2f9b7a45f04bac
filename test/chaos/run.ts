/**
 * One run: processes, load and faults, and then the checks. It returns the problems as sentences, and prints its
 * figures.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import { Universe } from "../sim/universe.ts";
import { checkAcknowledgements, checkGuests, checkReservations } from "./checks.ts";
import { Faults } from "./faults.ts";
import { Fleet } from "./fleet.ts";
import { Load } from "./load.ts";
import { faultLine, latencyLine, outcomeLine, recoveries, slowestLine, tooSlow } from "./report.ts";
import { askEachInstance, listenToAgents, whenAtRest } from "./rest.ts";

export interface RunOptions {
  readonly seed: number;
  readonly instances: number;
  readonly clients: number;
  /** The load ends after this many minutes, or after `commands` commands. */
  readonly minutes: number;
  readonly commands: number;
  readonly rate: number;
  /** Interval of kills, ms, without other faults; undefined for all faults. */
  readonly killEveryMs: number | undefined;
  readonly say: (line: string) => void;
}

export interface RunResult {
  readonly problems: readonly string[];
  readonly kills: number;
  readonly commands: number;
  readonly perSecond: number;
}

/** Attempts to find the reported guests in order: one attempt may miss late samples, while a real ghost stays. */
const LISTEN_TRIES = 3;

export async function run(options: RunOptions): Promise<RunResult> {
  const { seed, instances, minutes, killEveryMs, say } = options;
  const fleet = await Fleet.start({ instances, minutes, smallDisk: killEveryMs === undefined });
  if (typeof fleet.disk === "string" && killEveryMs === undefined)
    say(`NOT DONE, full disk: this machine has no mount for it (${fleet.disk})`);
  let problems: string[] = ["the run did not end"];
  try {
    const load = new Load({ ...options, url: fleet.url });
    const faults = new Faults(fleet, new Universe(seed));
    const startedAt = performance.now();
    const until = startedAt + minutes * 60_000;
    const loading = load.run();
    const isOver = () => load.over || performance.now() > until;
    const disturbing = killEveryMs === undefined ? faults.run(isOver) : faults.killEvery(killEveryMs, isOver);
    while (!isOver()) await sleep(100);
    load.end();
    const loadEndedAt = performance.now();
    await disturbing;
    await fleet.heal();
    await loading;
    const perSecond = load.sent / ((loadEndedAt - startedAt) / 1_000);
    const all = recoveries(faults.records, load.intents);
    say(`faults: ${faultLine(faults.records)} (${faults.kills} kills)`);
    say(`server restarts after a full disk: ${faults.restartsAfterFullDisk}`);
    say(`commands: ${load.sent}, ${perSecond.toFixed(0)} per s; ${outcomeLine(load.intents)}`);
    say(`sent again: ${[...load.retryable].map(([code, count]) => `${code} ${count}`).join(", ") || "none"}`);
    say(`latency with all repetitions: ${latencyLine(load.intents)}`);
    say(`slowest recovery: ${slowestLine(all)}`);
    problems = [...load.problems, ...tooSlow(all), ...(await checked(fleet, load, say))];
    return { problems, kills: faults.kills, commands: load.sent, perSecond };
  } catch (thrown) {
    problems = [String(thrown)];
    return { problems, kills: 0, commands: 0, perSecond: 0 };
  } finally {
    await fleet.stop();
    if (problems.length > 0) say(`seed ${seed}: store and logs are kept in ${await fleet.keep()}`);
    else await fleet.remove();
  }
}

/** Runs every check of a system at rest. Returns the problems as sentences. */
export async function checked(fleet: Fleet, load: Load, say: (line: string) => void): Promise<string[]> {
  const healedAt = performance.now();
  let history = await whenAtRest(fleet);
  say(`at rest ${((performance.now() - healedAt) / 1_000).toFixed(1)} s after the load`);
  const nats = await connect({ servers: fleet.url.split(",") });
  try {
    let guests: string[] = [];
    for (let attempt = 0; attempt < LISTEN_TRIES; attempt += 1) {
      guests = checkGuests(history.vms, await listenToAgents(nats));
      if (guests.length === 0) break;
      // The log is also quiet while an agent waits for its claim to run guests; VMs start after that.
      history = await whenAtRest(fleet);
    }
    const { report } = history;
    say(
      `log: ${report.events} events of ${report.aggregates} aggregates, ${report.violations.length} violations; ` +
        `${history.vms.length} VMs, ${history.ledgers.flatMap((l) => l.entries).length} reservations`,
    );
    return [
      ...report.violations.map((violation) => `log: ${JSON.stringify(violation)}`),
      ...checkAcknowledgements(load.intents, history.effects),
      ...checkReservations(history.vms, history.ledgers),
      ...guests,
      ...(await askEachInstance(fleet, nats, history)),
    ];
  } finally {
    await nats.close();
  }
}
