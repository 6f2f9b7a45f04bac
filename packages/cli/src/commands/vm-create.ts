/**
 * `vm create`, `vm resize`, `vm set-environment`, `vm plan`: the commands with options of resources or of the medium.
 */
import type { Accepted } from "@bioxen/client";
import {
  amount,
  BIOLOGICAL_TYPES,
  type BiologicalType,
  environment,
  priority,
  type RequestOf,
  type ResultOf,
  seed,
  simMinute,
  VM_TYPES,
  type VmType,
} from "@bioxen/contracts";
import { messageOf } from "@bioxen/kernel";
import type { Command } from "commander";
import { versionOf, withExpectedVersion } from "../expected-version.ts";
import { type SelectOptions, toEach, withSelector } from "../many-vms.ts";
import { type ModelOptions, modelConfigOf, numberByName, withModelOptions } from "../model-options.ts";
import { refused, usage } from "../outcome.ts";
import {
  amountOption,
  given,
  labelOption,
  numberOf,
  oneOf,
  rateOption,
  readSource,
  untilOption,
} from "../parse.ts";
import { type PlacementOptions, placementOf, withPlacementOptions } from "../placement-options.ts";
import { simTime } from "../quantities.ts";
import { type RecordOptions, recordOf, withRecordOptions } from "../record-options.ts";
import { note, say, sayJson, withSession } from "../run.ts";
import { table } from "../table.ts";
import { startAndWait } from "./vm-start.ts";
import { vmWords } from "./vm-words.ts";

const RESTART_MODES = ["never", "on-failure", "always"] as const;

interface ResourceOptions {
  readonly ribosomes?: number | string;
  readonly atp?: number | string;
  readonly rnap?: number | string;
  readonly dna?: number | string;
  readonly vcpus?: number;
  readonly memory?: number;
}

interface EnvironmentOptions {
  readonly nutrient?: number;
  readonly substrate?: number;
  readonly chloramphenicol?: number;
  readonly env?: Record<string, number>;
}

type CellOptions = ResourceOptions & EnvironmentOptions & ModelOptions;

interface CreateOptions extends CellOptions, PlacementOptions, RecordOptions {
  readonly type: string;
  readonly vmType: string;
  readonly guarantee?: Record<string, number | string>;
  readonly burst?: Record<string, number | string>;
  readonly priority?: number;
  readonly seed?: number;
  readonly program?: string;
  readonly schedule?: string;
  readonly timeScale?: "max";
  readonly until?: RequestOf<"vmCreate">["until"];
  readonly label?: Record<string, string>;
  readonly restart?: "never" | "on-failure" | "always";
  readonly template?: string;
  readonly storage?: string;
  readonly network?: string;
  readonly start?: boolean;
}

function withResources(command: Command): Command {
  return command
    .option("--ribosomes <n>", "ribosomes, or a share of full demand, such as 50%", amountOption)
    .option("--atp <n>", "ATP molecules per second, or a share", amountOption)
    .option("--rnap <n>", "RNA polymerases, or a share", amountOption)
    .option("--dna <n>", "kilobases of genome space, or a share", amountOption)
    .option("--vcpus <n>", "virtual CPUs (xcpng)", numberOf(amount))
    .option("--memory <MiB>", "memory, MiB (xcpng)", numberOf(amount));
}

function resourcesOf(o: ResourceOptions) {
  return given({
    ribosomes: o.ribosomes,
    atpPerSecond: o.atp,
    rnaPolymerases: o.rnap,
    dnaKilobases: o.dna,
    vcpus: o.vcpus,
    memoryMiB: o.memory,
  });
}

function environmentOf(o: EnvironmentOptions) {
  return given({
    nutrientQuality: o.nutrient,
    substrate: o.substrate,
    chloramphenicolMicromolar: o.chloramphenicol,
    ...o.env,
  });
}

function withEnvironment(command: Command, otherwise: "default" | "keep"): Command {
  const rest = otherwise === "default" ? "; default: its type's" : "";
  const none = otherwise === "default" ? "; default 0" : "";
  return command
    .option(
      "--nutrient <n>",
      `nutrient quality of the medium${rest}`,
      numberOf(environment.shape.nutrientQuality),
    )
    .option(
      "--substrate <n>",
      `substrate in the medium, molecules${rest}`,
      numberOf(environment.shape.substrate),
    )
    .option(
      "--chloramphenicol <n>",
      `chloramphenicol in the medium, micromolar${none}`,
      numberOf(environment.shape.chloramphenicolMicromolar),
    )
    .option("--env <name=n>", "field of the environment of another model; repeatable", numberByName);
}

async function requestOf(vmId: string | undefined, o: CreateOptions): Promise<RequestOf<"vmCreate">> {
  const request = {
    vmId,
    biologicalType: o.type as BiologicalType,
    vmType: o.vmType as VmType,
    resources: resourcesOf(o),
    guarantee: o.guarantee,
    burst: o.burst,
    priority: o.priority,
    seed: o.seed,
    program: o.program === undefined ? undefined : await readSource(o.program),
    environment: environmentOf(o),
    placement: placementOf(o),
    labels: o.label,
    record: recordOf(o),
    restartPolicy: o.restart === undefined ? undefined : { mode: o.restart },
    schedule: o.schedule === undefined ? undefined : scheduleFrom(o.schedule, await readSource(o.schedule)),
    timeScale: o.timeScale,
    until: o.until,
    config: given({
      ...modelConfigOf(o),
      template: o.template,
      storage: o.storage,
      network: o.network,
    }),
  };
  return given(request) as RequestOf<"vmCreate">;
}

/** Returns the content of a schedule file, which the service checks. */
function scheduleFrom(path: string, text: string): RequestOf<"vmCreate">["schedule"] {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw usage(`--schedule: ${path} is not JSON: ${messageOf(thrown)}`);
  }
}

function withCreateOptions(command: Command): Command {
  const cell = withModelOptions(withEnvironment(withPlacementOptions(withResources(command)), "default"));
  return withRecordOptions(cell)
    .addOption(oneOf("--type <type>", "biological type of the cell", BIOLOGICAL_TYPES).default("syn3a"))
    .addOption(oneOf("--vm-type <type>", "infrastructure that runs it", VM_TYPES).default("basic"))
    .option(
      "--priority <n>",
      "1 (low) to 5 (high); a higher one may preempt a lower one; default 1",
      numberOf(priority),
    )
    .option(
      "--guarantee <name=n>",
      "minimum that preemption leaves it, such as ribosomes=200 or atp=50%; repeatable",
      rateOption,
    )
    .option(
      "--burst <name=n>",
      "ceiling for borrowing idle capacity, such as ribosomes=400 or atp=100%; repeatable; default: no borrowing",
      rateOption,
    )
    .option(
      "--seed <n>",
      "seed of its random numbers; default: derived from the command's id",
      numberOf(seed),
    )
    .option("--program <file>", "Lua file that runs at its start; - reads standard input")
    .option(
      "--schedule <file>",
      "JSON file of what changes at minutes of the cell: [{atMinute, environment?, resources?}, …]; - reads standard input",
    )
    .addOption(
      oneOf("--time-scale <scale>", "max: as fast as its agent can; default: the rate of its agent", ["max"]),
    )
    .option(
      "--until <minutes[:action]>",
      "last minute of the cell, at which the VM is paused (:pause, the default) or stops (:stop), such as 600:stop",
      untilOption,
    )
    .option("--label <name=value>", "label; repeatable", labelOption)
    .addOption(oneOf("--restart <mode>", "when to restart it automatically; default never", RESTART_MODES))
    .option("--template <name>", "template that its machine is copied from (xcpng)")
    .option("--storage <name>", "storage repository of its disks (xcpng)")
    .option("--network <name>", "network of its first interface (xcpng)");
}

export function addCreateCommands(vm: Command): void {
  addCreate(vm);
  addResize(vm);
  addSetEnvironment(vm);
  addPlan(vm);
}

function addCreate(vm: Command): void {
  withCreateOptions(vm.command("create [id]").description("create a VM; default id: a new one"))
    .option("--start", "start it, and wait until it runs or reports why it waits")
    .action(async (vmId: string | undefined, options: CreateOptions, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply = await session.call("vmCreate", await requestOf(vmId, options));
        if (!reply.ok) throw refused(reply.error);
        const created = reply.vm;
        if (options.start === true) return startAndWait(session, created.vmId, json === true);
        if (json === true) sayJson(reply);
        else {
          say(vmWords(created, null));
          note(`start it with: bioxen vm start ${created.vmId}`);
        }
      });
    });
}

function addResize(vm: Command): void {
  const resize = vm
    .command("resize [ids...]")
    .description("change the request of VMs, or the allocation of VMs that run or are paused");
  withAtMinute(withExpectedVersion(withSelector(withResources(resize))))
    .addHelpText(
      "after",
      "\nExamples:\n  bioxen vm resize c1 --ribosomes 300\n  bioxen vm resize c1 --ribosomes 50% --at-minute 600\n  bioxen vm resize -l team=red --atp 50%",
    )
    .action(async (ids: string[], options: ResourceOptions & SelectOptions & AtMinute, command: Command) => {
      const resources = resourcesOf(options);
      if (Object.keys(resources).length === 0)
        throw usage("name at least one of --ribosomes, --atp, --rnap, --dna, --vcpus, --memory");
      const more = { ...given({ atMinute: options.atMinute }), ...versionOf(options) };
      await toEach<Accepted & ResultOf<"vmResize">>(command, ids, options, {
        act: (session, vmId) => session.call("vmResize", { vmId, resources, ...more }),
        words: ({ vm, simMinute: minute }) =>
          minute == null || options.atMinute === undefined
            ? vmWords(vm, null)
            : `${vmWords(vm, null)}\nits cell gets the new amounts at ${simTime(minute)}`,
      });
    });
}

interface AtMinute {
  readonly atMinute?: number;
}

function withAtMinute(command: Command): Command {
  return command.option(
    "--at-minute <n>",
    "minute of the cell's simulated time; default: the present one",
    numberOf(simMinute),
  );
}

function addSetEnvironment(vm: Command): void {
  const set = vm
    .command("set-environment [ids...]")
    .description("change the medium of cells that run or are paused; fields that are not named stay");
  withAtMinute(withExpectedVersion(withSelector(withEnvironment(set, "keep"))))
    .addHelpText(
      "after",
      "\nExamples:\n  bioxen vm set-environment c1 --nutrient 0.3\n  bioxen vm set-environment c1 --chloramphenicol 4 --at-minute 600",
    )
    .action(
      async (ids: string[], options: EnvironmentOptions & SelectOptions & AtMinute, command: Command) => {
        const medium = environmentOf(options);
        if (Object.keys(medium).length === 0)
          throw usage("name at least one of --nutrient, --substrate, --chloramphenicol, --env");
        await toEach<Accepted & ResultOf<"vmSetEnvironment">>(command, ids, options, {
          act: (session, vmId) =>
            session.call("vmSetEnvironment", {
              vmId,
              environment: medium,
              ...given({ atMinute: options.atMinute }),
              ...versionOf(options),
            }),
          words: ({ vm: { vmId }, simMinute: minute }) =>
            minute === null
              ? `${vmId}: this command has changed its medium before`
              : `${vmId}: its medium changes at ${simTime(minute)}`,
        });
      },
    );
}

function addPlan(vm: Command): void {
  withCreateOptions(
    vm
      .command("plan [ids...]")
      .description("show where these VMs, or a new VM with these options, would be placed; changes nothing"),
  ).action(async (ids: string[], options: CreateOptions, command: Command) => {
    await withSession(command, async (session, { json }) => {
      const request = ids.length > 0 ? { vmIds: ids } : await requestOf(undefined, options);
      const plan = await session.ask("placementPlan", request);
      if (json === true) sayJson(plan);
      else say(planWords(plan));
    });
  });
}

function planWords(plan: ResultOf<"placementPlan">): string {
  const lines: string[] = [];
  for (const { vmId, chassisId, score } of plan.placements)
    lines.push(`${vmId} → ${chassisId} (score ${score})`);
  for (const { vmId, from, to } of plan.changes)
    lines.push(`${vmId}: now ${from ?? "not placed"}, then ${to ?? "not placed"}`);
  for (const { vmId, reasons } of plan.deferrals) {
    lines.push(`${vmId} would wait`);
    for (const { chassisId, code, message } of reasons)
      lines.push(`  ${chassisId ?? "cluster"}: ${code}: ${message}`);
  }
  for (const { vmId, chassisId, victims } of plan.preemptions) {
    const preempted = victims.map((v) => `${v.mode} ${v.vmId} (priority ${v.priority})`).join(", ");
    lines.push(`${vmId} would get room on ${chassisId} by preemption: ${preempted}`);
  }
  const rows = Object.entries(plan.scores).flatMap(([vmId, list]) =>
    list.map(({ chassisId, score, refusal }) => [
      vmId,
      chassisId,
      score === null ? "–" : String(score),
      refusal?.message ?? "",
    ]),
  );
  return [...lines, table(["VM", "CHASSIS", "SCORE", { head: "REFUSAL", wraps: true }], rows)].join("\n");
}
