/**
 * `bioxen chassis …` and `bioxen ledger …`: who hosts, and the account of each.
 */
import {
  CHASSIS_TYPES,
  type ChassisView,
  type LedgerView,
  PLACEMENT_POLICIES,
  type PlacementPolicyName,
  type RequestOf,
  type ResultOf,
  type Taint,
} from "@bioxen/contracts";
import type { Command } from "commander";
import { given, integerOption, labelOption, mostlyOneOf, oneOf } from "../parse.ts";
import { taintOption } from "../placement-options.ts";
import { say, sayJson, showReply, withSession } from "../run.ts";
import { ago, bar, paintState, table } from "../terminal.ts";
import { addDrainCommand } from "./chassis-drain.ts";
import { addLedgerVerify } from "./ledger-verify.ts";
import { amountsLine } from "./vm-words.ts";

export function addChassisCommands(program: Command): void {
  const chassis = program.command("chassis").description("what hosts VMs");
  chassis
    .command("ls")
    .description("all chassis")
    .action(async (_options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply = await session.ask("chassisList", {});
        if (json === true) sayJson(reply);
        else say(chassisTable(reply.chassis));
      });
    });
  chassis
    .command("show <id>")
    .description("one chassis with its use")
    .option("--at <seq>", "as it was after this event", integerOption)
    .action(async (chassisId: string, options: { at?: number }, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const at = options.at === undefined ? {} : { atSeq: options.at };
        const reply = await session.ask("chassisGet", { chassisId, ...at });
        if (json === true) return sayJson(reply);
        const { ledger } = await session.ask("ledgerGet", { chassisId, ...at });
        const words = options.at === undefined ? chassisTable : pastChassisTable;
        say(`${words([reply.chassis])}\n\n${ledgerWords(ledger)}`);
      });
    });
  chassis
    .command("register <id>")
    .description("offer a chassis that an agent runs")
    .addOption(mostlyOneOf("--type <type>", "its type", CHASSIS_TYPES).makeOptionMandatory())
    .requiredOption("--agent <id>", "the agent that runs its guests")
    .option("--max-vms <n>", "VMs it takes", integerOption)
    .option("--overhead-permille <n>", "the hypervisor's own share", integerOption)
    .option("--capacity <name=n>", "another capacity than its type's, repeatable", labelOption)
    .option(
      "--oversubscribe <name=permille>",
      "thousandths of what there is that are given away",
      labelOption,
    )
    .option("--label <name=value>", "label, repeatable", labelOption)
    .option(
      "--taint <key=value:effect>",
      "keeps VMs off that do not tolerate it; NoSchedule or PreferNoSchedule; repeatable",
      taintOption,
    )
    .action(async (chassisId: string, o, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const request = given({
          chassisId,
          chassisType: o.type as string,
          agentId: o.agent as string,
          maxVms: o.maxVms as number | undefined,
          overheadPermille: o.overheadPermille as number | undefined,
          labels: o.label as Record<string, string> | undefined,
          taints: o.taint as Taint[] | undefined,
          capacity: numbersOf(o.capacity as Record<string, string> | undefined),
          oversubscribePermille: numbersOf(o.oversubscribe as Record<string, string> | undefined),
        }) as RequestOf<"chassisRegister">;
        showReply(await session.call("chassisRegister", request), json === true, changedWords);
      });
    });
  addDrainCommand(chassis);
  addRebalanceCommand(chassis);
  const verbs = [
    ["cordon", "chassisCordon", "take no more VMs"],
    ["uncordon", "chassisUncordon", "take VMs again"],
    ["remove", "chassisRemove", "withdraw a chassis that holds no VM"],
  ] as const;
  for (const [verb, endpoint, description] of verbs) {
    chassis
      .command(`${verb} <id>`)
      .description(description)
      .action(async (chassisId: string, _options, command: Command) => {
        await withSession(command, async (session, { json }) => {
          showReply(await session.call(endpoint, { chassisId }), json === true, changedWords);
        });
      });
  }
}

function numbersOf(texts: Record<string, string> | undefined) {
  return texts && Object.fromEntries(Object.entries(texts).map(([name, n]) => [name, Number(n)]));
}

interface RebalanceOptions {
  readonly policy?: PlacementPolicyName;
  readonly maxMoves?: number;
  readonly dryRun?: boolean;
}

function addRebalanceCommand(chassis: Command): void {
  chassis
    .command("rebalance")
    .description("moves running VMs that are better off elsewhere, and says why")
    .option("--dry-run", "says it and moves nobody")
    .addOption(
      oneOf(
        "--policy <policy>",
        "bin-pack empties chassis, spread evens them out; default: the scheduler's",
        PLACEMENT_POLICIES,
      ),
    )
    .option("--max-moves <n>", "at most so many", integerOption)
    .addHelpText(
      "after",
      "\nExample:\n  bioxen chassis rebalance --dry-run --policy spread\n  bioxen chassis rebalance --max-moves 4",
    )
    .action(async (options: RebalanceOptions, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const { policy, maxMoves, dryRun } = options;
        const request = given({ policy, maxMoves });
        if (dryRun === true) {
          const plan = await session.ask("placementRebalance", request);
          return json === true ? sayJson(plan) : say(rebalanceWords(plan));
        }
        const reply = await session.ask("chassisRebalance", request);
        if (json === true) return sayJson(reply);
        say(`${rebalanceWords(reply)}\n${reply.asked.length} of ${reply.moves.length} are on their way`);
      });
    });
}

function rebalanceWords({
  policy,
  moves,
  before,
  after,
  coolingDown,
}: ResultOf<"placementRebalance">): string {
  const cooling =
    coolingDown === 0 ? "" : `\n${coolingDown} more came to their places too lately to be moved`;
  if (moves.length === 0) return `nothing would be better by ${policy}${cooling}`;
  const rows = moves.map((m) => [m.vmId, m.fromChassisId, m.toChassisId, m.reason]);
  const balance = `${before.used} → ${after.used} chassis in use, fullest and emptiest ${before.spread} → ${after.spread} ‰ apart`;
  return `${table(["VM", "FROM", "TO", "WHY"], rows)}\n${balance}${cooling}`;
}

function changedWords({ changed, chassis }: ResultOf<"chassisRemove">): string {
  return `${chassis === null ? "removed" : chassisTable([chassis])}${changed ? "" : "\n(it was so already)"}`;
}

export function chassisTable(all: readonly ChassisView[]): string {
  const rows = all.map((c) => [
    c.chassisId,
    c.chassisType,
    paintState(c.cordoned ? `${c.state}, cordoned` : c.state),
    c.agentId,
    c.heartbeatAgeMs === null ? "never" : `${ago(c.heartbeatAgeMs)} ago`,
    String(c.maxVms),
    amountsLine(c.offered),
  ]);
  return table(["CHASSIS", "TYPE", "STATE", "AGENT", "HEARTBEAT", "MAX VMS", "OFFERS"], rows);
}

/** Who was registered; the log does not know who was heard of. */
export function pastChassisTable(all: readonly ChassisView[]): string {
  const rows = all.map((c) => [
    c.chassisId,
    c.chassisType,
    c.cordoned ? "cordoned" : "open",
    c.agentId,
    String(c.maxVms),
    amountsLine(c.offered),
  ]);
  return table(["CHASSIS", "TYPE", "STATE", "AGENT", "MAX VMS", "OFFERS"], rows);
}

export function ledgerWords(ledger: LedgerView): string {
  const rows = Object.keys(ledger.offered).map((name) => {
    const offered = ledger.offered[name] ?? 0;
    const reserved = ledger.reserved[name] ?? 0;
    const permille = offered === 0 ? 0 : Math.round((reserved * 1000) / offered);
    const times = ledger.oversubscribePermille?.[name];
    const more = times === undefined ? "" : ` (${times / 1_000} × what there is)`;
    return [name, bar(permille), `${(permille / 10).toFixed(1)} %`, `${reserved} of ${offered}${more}`];
  });
  const entries = ledger.entries.map((e) => [
    e.vmId,
    e.phase === "committed" ? "allocated" : "reserved",
    `#${e.fence}`,
    amountsLine(e.amounts),
  ]);
  const head = `${ledger.chassisId}: ${ledger.entries.length} of ${ledger.maxVms} VMs`;
  const use = table(["RESOURCE", "USE", "", "HELD OF OFFER"], rows);
  return entries.length === 0
    ? `${head}\n${use}`
    : `${head}\n${use}\n${table(["VM", "PHASE", "FENCE", "HOLDS"], entries)}`;
}

export function addLedgerCommands(program: Command): void {
  const ledger = program.command("ledger").description("capacity, reservations, allocations");
  addLedgerVerify(ledger);
  ledger
    .command("show [chassis]")
    .description("one account, or all")
    .option("--at <seq>", "as it was after this event", integerOption)
    .action(async (chassisId: string | undefined, options: { at?: number }, command: Command) => {
      await withSession(command, async (session, { json }) => {
        if (chassisId === undefined) {
          const reply = await session.ask("ledgerList", {});
          if (json === true) sayJson(reply);
          else say(reply.ledgers.map(ledgerWords).join("\n\n"));
          return;
        }
        const at = options.at === undefined ? {} : { atSeq: options.at };
        const reply = await session.ask("ledgerGet", { chassisId, ...at });
        if (json === true) sayJson(reply);
        else say(ledgerWords(reply.ledger));
      });
    });
}
