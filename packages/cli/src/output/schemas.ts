/**
 * The schemas of all `--json` output in one catalogue. docs/cli.schema.json is generated from the catalogue, and a test
 * validates the output of real commands against it. A command that prints the reply of an endpoint has the schema of
 * that endpoint.
 */
import {
  activeAlert,
  chassisView,
  ENDPOINTS,
  type EndpointName,
  ledgerView,
  publishedSchema,
  recordedModel,
  serviceSample,
  snapshotView,
  vmSample,
  vmView,
} from "@bioxen/contracts";
import * as z from "zod";
import {
  authChange,
  authInit,
  authKey,
  authList,
  authProvision,
  authToken,
  authTransfer,
  consoleAddress,
} from "./auth-schema.ts";
import { backupCreated, backupRestored, backupVerified } from "./backup-schema.ts";
import { certificates } from "./certs-schema.ts";
import { errorOutput } from "./error-schema.ts";
import { storedEvent } from "./event-schema.ts";
import { experimentPlan, experimentRun } from "./experiment-schema.ts";
import { fakePool } from "./fake-pool-schema.ts";
import { consoleOutput, guestLine } from "./guest-output-schema.ts";
import { orphansOutput } from "./orphans-schema.ts";
import { plotOutput } from "./plot-schema.ts";
import { predictOutput } from "./predict-schema.ts";
import { replayOutput } from "./replay-schema.ts";
import { rerunOutput } from "./rerun-schema.ts";
import { stack, statusOutput } from "./status-schema.ts";
import { supportBundle } from "./support-schema.ts";

export interface Output {
  /** `document`: a single JSON document. `lines`: one document per line, for commands that follow a stream. */
  readonly form: "document" | "lines";
  readonly schema: z.ZodType;
}

const agentSample = serviceSample.shape.agent.unwrap();
/** What an agent removes from a pool and the pool keeps. */
const leftInPool = agentSample.shape.left.unwrap();
/** By how much the high availability of a pool falls short. */
const haGap = agentSample.shape.overcommitted.unwrap().element;

/** A cell model, and the chassis whose VMs can have it. */
const foundModel = recordedModel.extend({ builtIn: z.boolean(), chassis: z.array(z.string()) });

const ok = z.literal(true);

function replyOf(name: EndpointName): z.ZodObject {
  return z.object({ ok, ...(ENDPOINTS[name].result as z.ZodObject).shape });
}

const document = (schema: z.ZodType): Output => ({ form: "document", schema });
const lines = (schema: z.ZodType): Output => ({ form: "lines", schema });
const reply = (name: EndpointName): Output => document(replyOf(name));
const shaped = (shape: z.ZodRawShape): Output => document(z.object({ ok, ...shape }));

/**
 * Returns the output schema of a command that takes one VM id or several. With one id the output is the reply of the
 * service; with several ids it has one result per VM.
 */
function each(name: EndpointName): Output {
  const one = replyOf(name);
  const result = z.union([one.extend({ vmId: z.string() }), errorOutput.extend({ vmId: z.string() })]);
  return document(z.union([one, z.object({ ok: z.boolean(), results: z.array(result) })]));
}

const amounts = z.record(z.string(), z.number());
const count = z.int().min(0);

const violation = z.object({ seq: z.int(), subject: z.string(), rule: z.string(), message: z.string() });
const verifierReport = z.object({
  events: count,
  aggregates: count,
  lastSeq: count,
  skipped: count,
  missingAccepted: count,
  notChained: count,
  violations: z.array(violation),
  violationsLeftOut: count,
});

const reference = z.object({ seq: z.int(), type: z.string(), subject: z.string() });
const setting = z.object({
  key: z.string(),
  /** Null when the setting has neither a value nor a fixed default. */
  value: z.union([z.string(), z.number()]).nullable(),
  origin: z.enum(["flag", "environment", "file", "default"]),
  variable: z.string(),
  flags: z.string(),
  meaning: z.string(),
});
const finding = z.object({
  check: z.string(),
  verdict: z.enum(["ok", "warn", "fail"]),
  found: z.string(),
  remedy: z.string().optional(),
});

const jobError = errorOutput.shape.error;
const job = z.object({
  id: z.string(),
  command: z.string(),
  state: z.enum(["waiting", "failed"]),
  round: z.int(),
  firstAtMs: z.int(),
  failedAtMs: z.int().nullable(),
  attempts: z.int().nullable(),
  error: jobError.nullable(),
});
/** The stored reply to the command of a job: any reply in docs/PROTOCOL.md. */
const anyReply = z.looseObject({ ok: z.boolean() });
const letter = shaped({ id: z.string(), command: z.string() });

const predicted = z.object({ allocation: amounts, doublingTimeMinutes: z.number().nullable() });
const difference = z.object({ field: z.string(), from: z.unknown(), to: z.unknown() });

const FLEET = replyOf("monitorFleet").omit({ ok: true, samples: true });

/** Output by command name, such as `vm create`. A test fails when a command is missing here. */
export const OUTPUTS: Readonly<Record<string, Output>> = {
  up: shaped(stack),
  /** `leftovers`: number of processes of a killed stack that were still running and that `down` ended. */
  down: shaped({ changed: z.boolean(), leftovers: count }),
  status: document(statusOutput),
  "fake-xapi": document(fakePool),
  completion: shaped({ shell: z.enum(["bash", "zsh", "fish"]), script: z.string() }),
  "auth init": document(authInit),
  "auth ls": document(authList),
  "auth add": document(authChange),
  "auth show": document(authKey),
  "auth rotate": document(authChange),
  "auth revoke": document(authChange),
  "auth token": document(authToken),
  "auth transfer": document(authTransfer),
  "auth provision": document(authProvision),
  "certs init": shaped(certificates),
  "certs add": shaped(certificates),
  "certs show": shaped(certificates),
  "certs renew": shaped({ ...certificates, renewed: z.array(z.string()) }),
  console: document(consoleAddress),
  env: shaped({ variables: z.record(z.string(), z.string()) }),
  "config show": shaped({ file: z.string(), settings: z.array(setting) }),
  "config get": document(setting.extend({ ok })),
  "config set": shaped({ changed: z.boolean(), file: z.string() }),
  "config unset": shaped({ changed: z.boolean(), file: z.string() }),
  doctor: document(z.object({ ok: z.boolean(), findings: z.array(finding) })),
  demo: shaped({
    cells: z.array(
      z.object({ vmId: z.string(), doublingTimeMinutes: z.number(), expectedMinutes: z.number() }),
    ),
    log: verifierReport,
  }),
  top: shaped({
    atMs: z.int(),
    fleet: FLEET,
    vms: z.array(z.object({ vm: vmView, sample: vmSample.nullable() })),
    chassis: z.array(z.object({ chassis: chassisView, ledger: ledgerView.nullable() })),
    alerts: z.array(activeAlert),
    alertsTotal: count,
  }),
  "vm create": reply("vmCreate"),
  "vm resize": each("vmResize"),
  "vm set-environment": each("vmSetEnvironment"),
  "vm plan": reply("placementPlan"),
  "vm start": each("vmStart"),
  "vm pause": each("vmPause"),
  "vm resume": each("vmResume"),
  "vm stop": each("vmStop"),
  "vm destroy": each("vmDestroy"),
  ps: reply("vmList"),
  "vm wait": each("vmGet"),
  "vm ls": reply("vmList"),
  "vm show": document(replyOf("vmGet").extend({ sample: vmSample.nullable(), left: leftInPool.optional() })),
  "vm history": reply("vmHistory"),
  "vm course": reply("courseGet"),
  "vm plot": document(plotOutput),
  "vm rerun": document(rerunOutput),
  "experiment plot": document(plotOutput),
  "vm explain": reply("placementExplain"),
  "vm watch": lines(vmSample),
  "vm logs": lines(guestLine),
  "vm console": lines(consoleOutput),
  "vm snapshot": each("vmSnapshot"),
  "vm snapshots": document(
    z.union([z.object({ ok, snapshots: z.array(snapshotView) }), replyOf("vmDeleteSnapshot")]),
  ),
  "vm restore": reply("vmRestore"),
  "vm fork": reply("vmFork"),
  "vm migrate": reply("vmMigrate"),
  "vm optimise": shaped({
    vmId: z.string(),
    present: predicted,
    optimum: predicted,
    best: z.object({ doublingTimeMinutes: z.number().nullable() }),
    tolerancePermille: z.int(),
    applied: z.boolean(),
  }),
  "vm predict": shaped(predictOutput),
  "vm exec": reply("vmExec"),
  apply: document(
    z.object({
      ok: z.boolean(),
      fleet: z.string(),
      dryRun: z.boolean(),
      counts: z.object({
        create: count,
        change: count,
        replace: count,
        unchanged: count,
        prune: count,
        left: count,
        foreign: count,
      }),
      vms: z.array(
        z.object({
          vmId: z.string(),
          action: z.enum(["create", "change", "replace", "unchanged", "prune", "left", "foreign"]),
          differences: z.array(difference),
          outcome: z.enum(["done", "waits", "failed", "untouched"]).nullable(),
          state: z.string().nullable(),
          reason: z.string().nullable(),
          error: jobError.nullable(),
        }),
      ),
    }),
  ),
  "experiment plan": shaped(experimentPlan),
  "experiment run": shaped(experimentRun),
  "experiment ls": reply("experimentList"),
  "experiment show": reply("experimentGet"),
  "experiment cancel": reply("experimentCancel"),
  "models ls": shaped({ models: z.array(foundModel) }),
  "models show": shaped({ model: foundModel }),
  "chassis ls": reply("chassisList"),
  "chassis show": document(replyOf("chassisGet").extend({ overcommitted: haGap.optional() })),
  "chassis register": reply("chassisRegister"),
  "chassis drain": document(z.union([replyOf("chassisDrain"), replyOf("chassisDrainGet")])),
  "chassis rebalance": document(z.union([replyOf("chassisRebalance"), replyOf("placementRebalance")])),
  "chassis cordon": reply("chassisCordon"),
  "chassis uncordon": reply("chassisUncordon"),
  "chassis remove": reply("chassisRemove"),
  "ledger verify": document(verifierReport.extend({ firstViolationSeq: z.int().nullable() })),
  "ledger show": document(z.union([replyOf("ledgerGet"), replyOf("ledgerList")])),
  "quota set": reply("quotaSet"),
  "quota get": reply("quotaGet"),
  "quota ls": reply("quotaList"),
  "support-bundle": shaped(supportBundle),
  "backup create": shaped(backupCreated),
  "backup verify": shaped(backupVerified),
  "backup restore": shaped(backupRestored),
  "events verify": document(verifierReport),
  "events seal": shaped({ events: count, lastSeq: count, digest: z.string(), seal: z.string() }),
  "events accept-older-log": shaped({ changed: z.boolean(), accepted: z.string().nullable() }),
  "events skip": reply("logSkip"),
  "events unskip": reply("logUnskip"),
  "events show": document(
    storedEvent.extend({ causedBy: reference.nullable(), effects: z.array(reference) }),
  ),
  version: shaped({ version: z.string() }),
  "events tail": lines(storedEvent),
  state: shaped({
    atSeq: z.int(),
    vms: z.array(vmView),
    ledgers: z.array(ledgerView),
    chassis: z.array(chassisView),
  }),
  replay: shaped(replayOutput),
  "pool orphans": document(orphansOutput),
  // For a machine that is up the reply is that of `vm.start`, which has the same fields.
  "pool adopt": reply("vmCreate"),
  "pool delete": reply("chassisDeleteMachine"),
  "jobs ls": shaped({ jobs: z.array(job) }),
  "jobs show": shaped({
    id: z.string(),
    outcome: anyReply.nullable(),
    failed: job.extend({ payload: z.string() }).nullable(),
  }),
  "jobs submit": document(z.union([z.object({ ok, id: z.string(), duplicate: z.boolean() }), anyReply])),
  "jobs cancel": reply("jobCancel"),
  "jobs retry": letter,
  "jobs drop": letter,
  "alerts ls": reply("alertList"),
  "alerts rules": reply("alertList"),
  "alerts set": reply("alertSetRule"),
  "alerts remove": reply("alertRemoveRule"),
  "alerts dead": reply("alertDead"),
  "alerts retry": reply("alertRetry"),
  report: reply("monitorReport"),
  "metrics export": lines((replyOf("monitorHistory").shape["points"] as z.ZodArray).element as z.ZodType),
};

/** Returns the text of docs/cli.schema.json. It has one property per command; shared schemas are in `$defs`. */
export function outputSchemaDocument(): string {
  const commands = Object.entries(OUTPUTS).map(([command, { form, schema }]) => {
    const printed = form === "lines" ? "one line with --json" : "output with --json";
    return [command, schema.describe(`bioxen ${command}: ${printed}`)] as const;
  });
  const all = z.object({ ...Object.fromEntries(commands), error: errorOutput }).partial();
  const { $schema, ...json } = publishedSchema(all, "read");
  return `${JSON.stringify({ $schema, $id: "urn:bioxen:cli-output", title: "Output of bioxen --json", ...json }, null, 1)}\n`;
}
