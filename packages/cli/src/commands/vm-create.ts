/**
 * `vm create`, `vm resize`, `vm plan`: the commands that speak of resources.
 */
import {
  BIOLOGICAL_TYPES,
  type BiologicalType,
  PLACEMENT_POLICIES,
  type RequestOf,
  VM_TYPES,
  type VmType,
} from "@bioxen/contracts";
import type { Command } from "commander";
import { suggestion } from "../did-you-mean.ts";
import { type SelectOptions, toEach, withSelector } from "../many-vms.ts";
import { refused, usage } from "../outcome.ts";
import {
  amountOption,
  given,
  integerOption,
  labelOption,
  mostlyOneOf,
  numberOption,
  rateOption,
  readSource,
} from "../parse.ts";
import { type PlacementOptions, placementOf, withPlacementOptions } from "../placement-options.ts";
import { note, say, sayJson, withSession } from "../run.ts";
import { table } from "../terminal.ts";
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

interface CreateOptions extends ResourceOptions, PlacementOptions {
  readonly type: string;
  readonly vmType: string;
  readonly guarantee?: Record<string, number | string>;
  readonly burst?: Record<string, number | string>;
  readonly priority?: number;
  readonly seed?: number;
  readonly program?: string;
  readonly label?: Record<string, string>;
  readonly nutrient?: number;
  readonly substrate?: number;
  readonly chloramphenicol?: number;
  readonly restart?: "never" | "on-failure" | "always";
  readonly parameterSet?: string;
  readonly template?: string;
  readonly storage?: string;
  readonly network?: string;
  readonly start?: boolean;
}

function withResources(command: Command): Command {
  return command
    .option("--ribosomes <n>", "ribosomes, or a share of full demand", amountOption)
    .option("--atp <n>", "ATP per second, or a share", amountOption)
    .option("--rnap <n>", "RNA polymerases, or a share", amountOption)
    .option("--dna <n>", "kilobases of genome space, or a share", amountOption)
    .option("--vcpus <n>", "virtual CPUs (xcpng)", integerOption)
    .option("--memory <MiB>", "memory, MiB (xcpng)", integerOption);
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

/** What the service would refuse in the same words, without a guess at what was meant. */
function refuseUnknownNames(o: CreateOptions): void {
  const named: readonly (readonly [path: string, name: string | undefined, known: readonly string[]])[] = [
    ["biologicalType", o.type, BIOLOGICAL_TYPES],
    ["vmType", o.vmType, VM_TYPES],
    ["placement.policy", o.policy, PLACEMENT_POLICIES],
    ["restartPolicy.mode", o.restart, RESTART_MODES],
  ];
  const problems = named.flatMap(([path, name, known]) => {
    if (name === undefined || known.includes(name)) return [];
    return [{ path, message: `must be one of ${known.join(", ")}${suggestion(name, known)}` }];
  });
  if (problems.length === 0) return;
  const message = problems.map((one) => `${one.path} ${one.message}`).join("; ");
  throw refused({ code: "BAD_REQUEST", message, retryable: false, details: { problems } });
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
    environment: given({
      nutrientQuality: o.nutrient,
      substrate: o.substrate,
      chloramphenicolMicromolar: o.chloramphenicol,
    }),
    placement: placementOf(o),
    labels: o.label,
    restartPolicy: o.restart === undefined ? undefined : { mode: o.restart },
    config: given({
      parameterSet: o.parameterSet,
      template: o.template,
      storage: o.storage,
      network: o.network,
    }),
  };
  return given(request) as RequestOf<"vmCreate">;
}

function withCreateOptions(command: Command): Command {
  return withPlacementOptions(withResources(command))
    .addOption(mostlyOneOf("--type <type>", "the cell", BIOLOGICAL_TYPES).default("syn3a"))
    .addOption(mostlyOneOf("--vm-type <type>", "what it runs on", VM_TYPES).default("basic"))
    .option(
      "--priority <n>",
      "1 (low) to 5 (high): a higher one may take room from a lower one",
      integerOption,
    )
    .option(
      "--guarantee <name=n>",
      "what a higher priority must leave it, as ribosomes=200 or atp=50%; repeatable",
      rateOption,
    )
    .option(
      "--burst <name=n>",
      "up to what idle capacity is lent to it, as ribosomes=400 or atp=100%; repeatable; default none",
      rateOption,
    )
    .option("--seed <n>", "seed of everything random in it", integerOption)
    .option("--program <file>", "Lua that runs when it starts; - is standard input")
    .option("--label <name=value>", "label, repeatable", labelOption)
    .option("--nutrient <n>", "nutrient quality of the medium", numberOption)
    .option("--substrate <n>", "substrate in the medium, molecules", numberOption)
    .option("--chloramphenicol <n>", "chloramphenicol, micromolar", numberOption)
    .addOption(mostlyOneOf("--restart <mode>", "start it again by itself", RESTART_MODES))
    .addOption(mostlyOneOf("--parameter-set <name>", "of the model", ["default", "weisse-2015"]))
    .option("--template <name>", "template of the pool it is made from (xcpng)")
    .option("--storage <name>", "storage repository of its disks (xcpng)")
    .option("--network <name>", "network of its first interface (xcpng)");
}

export function addCreateCommands(vm: Command): void {
  withCreateOptions(vm.command("create [id]").description("create a VM; without an id it gets one"))
    .option("--start", "start it, and wait until it runs or is known to wait")
    .action(async (vmId: string | undefined, options: CreateOptions, command: Command) => {
      refuseUnknownNames(options);
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
  withSelector(withResources(vm.command("resize [ids...]").description("change what VMs ask for or hold")))
    .addHelpText(
      "after",
      "\nExamples:\n  bioxen vm resize c1 --ribosomes 300\n  bioxen vm resize -l team=red --atp 50%",
    )
    .action(async (ids: string[], options: ResourceOptions & SelectOptions, command: Command) => {
      const resources = resourcesOf(options);
      if (Object.keys(resources).length === 0)
        throw usage("name at least one of --ribosomes, --atp, --rnap, --dna, --vcpus, --memory");
      await toEach(command, ids, options, {
        act: (session, vmId) => session.call("vmResize", { vmId, resources }),
        words: (done) => vmWords(done.vm, null),
      });
    });
  withCreateOptions(
    vm.command("plan [ids...]").description("where these VMs, or one made like this, would go"),
  ).action(async (ids: string[], options: CreateOptions, command: Command) => {
    refuseUnknownNames(options);
    await withSession(command, async (session, { json }) => {
      const request = ids.length > 0 ? { vmIds: ids } : await requestOf(undefined, options);
      const plan = await session.ask("placementPlan", request);
      if (json === true) return sayJson(plan);
      for (const { vmId, chassisId, score } of plan.placements)
        say(`${vmId} → ${chassisId} (score ${score})`);
      for (const { vmId, from, to } of plan.changes)
        say(`${vmId}: now ${from ?? "without a place"}, then ${to ?? "without a place"}`);
      for (const { vmId, reasons } of plan.deferrals) {
        say(`${vmId} waits`);
        for (const r of reasons) say(`  ${r.chassisId ?? "cluster"}: ${r.code}: ${r.message}`);
      }
      for (const { vmId, chassisId, victims } of plan.preemptions) {
        const who = victims.map((v) => `${v.mode} ${v.vmId} (priority ${v.priority})`).join(", ");
        say(`${vmId} would get room on ${chassisId} by preemption: ${who}`);
      }
      const rows = Object.entries(plan.scores).flatMap(([vmId, list]) =>
        list.map((c) => [
          vmId,
          c.chassisId,
          c.score === null ? "–" : String(c.score),
          c.refusal?.message ?? "",
        ]),
      );
      say(table(["VM", "CHASSIS", "SCORE", "REFUSAL"], rows));
    });
  });
}
