/**
 * After the last fault: waits until everything is at rest, and then queries each instance alone.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ChassisSample, VmSample } from "@bioxen/contracts";
import { eventually } from "@bioxen/testkit/eventually";
import type { NatsConnection } from "@nats-io/transport-node";
import { checkFold, type GuestReport } from "./checks.ts";
import type { Fleet, Instance } from "./fleet.ts";
import { type History, readHistory } from "./history.ts";

/**
 * Longest time until rest, ms: an unconfirmed reservation takes 60 s and 10 s of grace to expire; the remainder is for
 * recovery.
 */
const REST_DEADLINE_MS = 180_000;
/** Time without an append that counts as rest, ms: longer than the interval of repeated reports and proposals. */
const QUIET_MS = 2_000;
const ASK_TIMEOUT_MS = 2_000;
/** How long samples are collected, ms: slightly more than two rounds of every guest. */
const LISTEN_MS = 2_600;
const PAGE = 100;

// biome-ignore lint/suspicious/noExplicitAny: an outsider knows no types.
type Json = any;

/** Resolves with the log once everything is at rest. Throws when that takes too long. */
export async function whenAtRest(fleet: Fleet): Promise<History> {
  let last: History | undefined;
  return eventually(
    "everything has come to rest",
    async () => {
      if (!fleet.allReady) return undefined;
      const before = last;
      last = await readHistory(fleet.url).catch(() => undefined);
      const moving = last?.vms.some((vm) => vm.state === "starting" || vm.state === "stopping") ?? true;
      const unsettled = last?.ledgers.some((l) => l.entries.some((entry) => entry.phase === "reserved"));
      const isStill = last !== undefined && before?.report.events === last.report.events;
      if (isStill && !moving && !unsettled) return last;
      await sleep(QUIET_MS);
      return undefined;
    },
    REST_DEADLINE_MS,
  );
}

/**
 * Cuts off all other instances of a service, for each instance in turn, and compares all its answers with the log.
 * Guests continue and store checkpoints meanwhile: an instance that differs from `history` is compared again with the
 * newer log.
 */
export async function askEachInstance(
  fleet: Fleet,
  nats: NatsConnection,
  history: History,
): Promise<string[]> {
  const problems: string[] = [];
  for (const instance of fleet.services) {
    const others = fleet.services.filter((one) => one.name === instance.name && one !== instance);
    if (instance.name === "chassis-agent") continue;
    for (const { relay } of others) relay.refuse();
    try {
      problems.push(...(await askedUntilTheFold(fleet, nats, instance, history)));
    } finally {
      for (const { relay } of others) relay.heal();
    }
  }
  return problems;
}

/**
 * Compares until the answers equal the fold, because an instance that has just reconnected may not have read the last
 * events.
 */
async function askedUntilTheFold(
  fleet: Fleet,
  nats: NatsConnection,
  instance: Instance,
  history: History,
): Promise<string[]> {
  let found: string[] = [];
  let expected = history;
  await eventually(
    "the instance answers with the fold",
    async () => {
      found = await compare(nats, instance, expected).catch((thrown: unknown) => [
        `state: ${instance.name} ${instance.index} does not answer: ${String(thrown)}`,
      ]);
      if (found.length === 0) return true;
      expected = await readHistory(fleet.url).catch(() => expected);
      return undefined;
    },
    15_000,
  ).catch(() => undefined);
  return found;
}

async function compare(nats: NatsConnection, { name, index }: Instance, history: History): Promise<string[]> {
  const asked = `${name} ${index}`;
  switch (name) {
    case "lifecycle":
      return checkFold(asked, history.vms, await allVms(nats));
    case "allocator":
      return checkFold(asked, history.ledgers, (await ask(nats, "qry.ledger.list", {})).ledgers);
    case "chassis-scheduler": {
      const { chassis } = await ask(nats, "qry.chassis.list", {});
      const versions = chassis.map((c: Json) => ({ chassisId: c.chassisId, version: c.version }));
      return checkFold(asked, history.chassis, versions);
    }
    default: {
      const { vms } = await ask(nats, "qry.monitor.fleet", {});
      const counts = Object.entries(vms as Record<string, number>).filter(
        ([state, count]) => state !== "destroyed" && count > 0,
      );
      const folded = new Map<string, number>();
      for (const vm of history.vms) folded.set(vm.state, (folded.get(vm.state) ?? 0) + 1);
      return checkFold(asked, [...folded].sort(), counts.sort());
    }
  }
}

async function ask(nats: NatsConnection, subject: string, payload: unknown): Promise<Json> {
  const message = await nats.request(`bioxen.${subject}`, JSON.stringify(payload), {
    timeout: ASK_TIMEOUT_MS,
  });
  const reply = message.json<Json>();
  if (reply.ok !== true) throw new Error(`${subject}: ${JSON.stringify(reply.error)}`);
  return reply;
}

async function allVms(nats: NatsConnection): Promise<Json[]> {
  const all: Json[] = [];
  let cursor: string | null = null;
  do {
    const page: Json = await ask(nats, "qry.vm.list", { limit: PAGE, ...(cursor ? { cursor } : {}) });
    all.push(...page.vms);
    cursor = page.cursor;
  } while (cursor !== null);
  return all;
}

/** Collects the agents' reports about their guests over slightly more than two rounds of samples. */
export async function listenToAgents(nats: NatsConnection): Promise<GuestReport[]> {
  const seen = new Map<string, Set<string>>();
  const heartbeats = new Map<string, ChassisSample>();
  const samples = nats.subscribe("bioxen.tel.vm.*", {
    callback: (_error, message) => {
      const { vmId, chassisId } = message.json<VmSample>();
      seen.set(chassisId, (seen.get(chassisId) ?? new Set()).add(vmId));
    },
  });
  const beats = nats.subscribe("bioxen.tel.chassis.*", {
    callback: (_error, message) => {
      const sample = message.json<ChassisSample>();
      heartbeats.set(sample.chassisId, sample);
    },
  });
  await sleep(LISTEN_MS);
  samples.unsubscribe();
  beats.unsubscribe();
  return [...heartbeats].map(([chassisId, { guests, strays }]) => ({
    chassisId,
    guests,
    strays,
    vmIds: [...(seen.get(chassisId) ?? [])],
  }));
}
