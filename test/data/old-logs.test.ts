/**
 * Reads logs that older releases wrote, recorded from real runs, with the current code.
 *
 * `log-v<N>.jsonl` has one stored message per line: sequence, subject and the exact payload. `log-v<N>.views.json` has
 * the views at the end of the log, as the release that wrote it folded them. A log is never edited. A change of the
 * views changes the meaning of old events, and must be intended.
 */
import { readdirSync, readFileSync } from "node:fs";
import {
  type ChassisState,
  chassisFold,
  decodeEvent,
  digestOf,
  EVENT_TYPES,
  isSuperseded,
  type Ledger,
  ledgerFold,
  type QuotaState,
  quotaFold,
  type VmState,
  viewOfChassis,
  viewOfLedger,
  viewOfQuota,
  viewOfVm,
  vmFold,
} from "@bioxen/contracts";
import { ReadModel, type StoredEvent } from "@bioxen/kernel";
import { LogVerifier } from "@bioxen/log-verifier";
import { describe, expect, it } from "vitest";

/** Event types that are in no recorded log. packages/contracts/golden has one of each instead. */
const NEVER_CAPTURED = [
  "bioxen.vm.displaced.v2",
  "bioxen.vm.checkpoint-lost.v1",
  "bioxen.vm.observed.v1",
  "bioxen.vm.start-refused.v1",
  "bioxen.vm.environment-changed.v1",
  "bioxen.vm.executed.v1",
  "bioxen.vm.until-reached.v1",
  "bioxen.vm.start-progressed.v1",
  "bioxen.vm.transferred.v1",
  "bioxen.chassis.lost.v1",
  "bioxen.chassis.recovered.v1",
  "bioxen.chassis.machine-deletion-requested.v1",
  "bioxen.chassis.machine-deletion-ended.v1",
  "bioxen.chassis.removal-failed.v1",
  "bioxen.chassis.removal-completed.v1",
  "bioxen.drain.given-up.v1",
  "bioxen.alert.retry-requested.v1",
  "bioxen.log.skipped.v1",
  "bioxen.log.unskipped.v1",
  "bioxen.experiment.cancel-requested.v1",
  "bioxen.experiment.cancelled.v1",
  "bioxen.experiment.failed.v1",
  "bioxen.experiment.finished.v1",
  "bioxen.experiment.given-up.v1",
  "bioxen.experiment.progressed.v1",
  "bioxen.experiment.started.v1",
];
const FOLDER = new URL("./", import.meta.url);
const LOGS = readdirSync(FOLDER).filter((name) => /^log-v\d+\.jsonl$/.test(name));

interface Line {
  readonly seq: number;
  readonly subject: string;
  readonly payload: string;
}

function linesOf(name: string): Line[] {
  const text = readFileSync(new URL(name, FOLDER), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}

const bytesOf = ({ payload }: Line) => new TextEncoder().encode(payload);
const decoded = (line: Line): StoredEvent => decodeEvent(bytesOf(line), line.seq, line.subject);

function viewsOf(events: readonly StoredEvent[]) {
  const vms = new ReadModel<VmState>("vm", vmFold);
  const ledgers = new ReadModel<Ledger>("ledger", ledgerFold);
  const chassis = new ReadModel<ChassisState>("chassis", chassisFold);
  const quotas = new ReadModel<QuotaState>("quota", quotaFold);
  for (const event of events) {
    for (const model of [vms, ledgers, chassis, quotas]) {
      if (event.envelope.subject.startsWith(`${model.kind}/`)) model.apply(event);
    }
  }
  const unknown = { state: "unknown", heartbeatAgeMs: null } as const;
  return {
    vms: [...vms.entries()].flatMap(([id, vm]) => (vm.exists ? [viewOfVm(id, vm)] : [])),
    ledgers: [...ledgers.entries()].map(([id, ledger]) => viewOfLedger(id, ledger)),
    chassis: [...chassis.entries()].flatMap(([id, c]) =>
      c.registered ? [viewOfChassis(id, c, unknown)] : [],
    ),
    quotas: [...quotas.values()].flatMap((quota) => (quota.exists ? [viewOfQuota(quota)] : [])),
  };
}

describe.each(LOGS)("%s", (name) => {
  const lines = linesOf(name);

  it("is decoded completely: each event in its newest version, with the digest of the stored bytes", () => {
    expect(lines.length).toBeGreaterThan(100);
    for (const line of lines) {
      const event = decoded(line);
      expect(isSuperseded(event.envelope.type)).toBe(false);
      expect(event.digest).toBe(digestOf(bytesOf(line)));
    }
  });

  it("has the same views as in the release that wrote it", () => {
    const pinned = JSON.parse(readFileSync(new URL(name.replace(".jsonl", ".views.json"), FOLDER), "utf8"));
    // A view may gain fields, but keeps the old ones.
    expect(viewsOf(lines.map(decoded))).toMatchObject(pinned);
  });

  it("has no violation, and exactly one after an event is changed", () => {
    const report = (all: readonly Line[]) => {
      const verifier = new LogVerifier();
      for (const line of all) verifier.observe(decoded(line));
      return verifier.report();
    };
    expect(report(lines)).toMatchObject({ events: lines.length, violations: [], violationsLeftOut: 0 });
    const at = lines.findIndex(({ payload }) => payload.includes("bioxen.vm.created."));
    const changed = lines.map((line, i) =>
      i === at ? { ...line, payload: line.payload.replace('"causationid":"', '"causationid":"x') } : line,
    );
    expect(report(changed).violations.map(({ rule }) => rule)).toEqual(["chain"]);
  });
});

it("the recorded logs contain every current event type, except the listed ones", () => {
  const types = new Set(
    LOGS.flatMap(linesOf).map(({ payload }) => (JSON.parse(payload) as { type: string }).type),
  );
  expect(new Set(Object.keys(EVENT_TYPES).filter((type) => !types.has(type)))).toEqual(
    new Set(NEVER_CAPTURED),
  );
});

it("the first log exists, and contains superseded event versions", () => {
  expect(LOGS).toContain("log-v1.jsonl");
  const types = linesOf("log-v1.jsonl").map(({ payload }) => (JSON.parse(payload) as { type: string }).type);
  expect(types.filter(isSuperseded).length).toBeGreaterThan(0);
});
