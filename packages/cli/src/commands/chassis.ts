/**
 * `bioxen chassis …` and `bioxen ledger …`: the hosts of VMs, and the account of each.
 */

import {
  CHASSIS_TYPES,
  ENDPOINTS,
  PLACEMENT_POLICIES,
  type PlacementPolicyName,
  type RequestOf,
  type ResultOf,
  type Taint,
} from "@bioxen/contracts";
import type { Command } from "commander";
import { type VersionOptions, versionOf, withExpectedVersion } from "../expected-version.ts";
import { type ListOptions, showList, withListOptions } from "../lists.ts";
import { given, labelOption, numberOf, oneOf, sequenceOption } from "../parse.ts";
import { taintOption } from "../placement-options.ts";
import { say, sayJson, showReply, withSession } from "../run.ts";
import { table } from "../table.ts";
import { overcommittedOf, overcommittedWords } from "./agents.ts";
import { addDrainCommand } from "./chassis-drain.ts";
import { chassisTable, ledgerWords, NO_CHASSIS, pastChassisTable } from "./chassis-words.ts";
import { addLedgerVerify } from "./ledger-verify.ts";

const REGISTER = ENDPOINTS.chassisRegister.request.shape;

export function addChassisCommands(program: Command): void {
  const chassis = program.command("chassis").description("hosts of VMs");
  addList(chassis);
  addShow(chassis);
  addRegister(chassis);
  addDrainCommand(chassis);
  addRebalanceCommand(chassis);
  addVerb(chassis, "cordon", "chassisCordon", "accept no new VMs; VMs on it keep running");
  addVerb(chassis, "uncordon", "chassisUncordon", "accept new VMs again");
  addVerb(chassis, "remove", "chassisRemove", "withdraw a chassis that holds no VM");
}

function addList(chassis: Command): void {
  const list = chassis.command("ls").alias("list").description("list all chassis");
  withListOptions(list).action(async (options: ListOptions, command: Command) => {
    await withSession(command, async (session, { json }) => {
      const reply = await session.ask("chassisList", {});
      if (json === true) return sayJson(reply);
      showList(options, {
        ids: reply.chassis.map(({ chassisId }) => chassisId),
        empty: NO_CHASSIS,
        table: (form) => chassisTable(reply.chassis, form),
      });
    });
  });
}

function addShow(chassis: Command): void {
  chassis
    .command("show <id>")
    .description("show one chassis and its ledger")
    .option("--at <seq>", "state after the event with this sequence; default: now", sequenceOption)
    .action(async (chassisId: string, options: { at?: number }, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const at = options.at === undefined ? {} : { atSeq: options.at };
        const reply = await session.ask("chassisGet", { chassisId, ...at });
        const isPoolNow = options.at === undefined && reply.chassis.hosts !== undefined;
        const overcommitted = isPoolNow ? await overcommittedOf(session, chassisId) : undefined;
        if (json === true) return sayJson({ ...reply, overcommitted });
        const { ledger } = await session.ask("ledgerGet", { chassisId, ...at });
        const words = options.at === undefined ? chassisTable : pastChassisTable;
        const warning = overcommitted === undefined ? "" : `\n${overcommittedWords(overcommitted)}`;
        say(`${words([reply.chassis])}${warning}\n\n${ledgerWords(ledger)}`);
      });
    });
}

function addRegister(chassis: Command): void {
  chassis
    .command("register <id>")
    .description("register a chassis that an agent runs")
    .addOption(oneOf("--type <type>", "chassis type", CHASSIS_TYPES).makeOptionMandatory())
    .requiredOption("--agent <id>", "agent that runs its guests")
    .option("--max-vms <n>", "most VMs it holds; default: its type's", numberOf(REGISTER.maxVms))
    .option(
      "--overhead-permille <n>",
      "share of the hypervisor, in permille; default: its type's",
      numberOf(REGISTER.overheadPermille),
    )
    .option("--capacity <name=n>", "capacity in place of its type's; repeatable", labelOption)
    .option(
      "--oversubscribe <name=permille>",
      "share of real capacity to offer, in permille (1200 = 120 %); default 1000; repeatable",
      labelOption,
    )
    .option("--label <name=value>", "label; repeatable", labelOption)
    .option(
      "--taint <key=value:effect>",
      "taint that keeps off VMs without a toleration; effect NoSchedule or PreferNoSchedule; repeatable",
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
}

function addVerb(
  chassis: Command,
  verb: string,
  endpoint: "chassisCordon" | "chassisUncordon" | "chassisRemove",
  description: string,
): void {
  const changing = chassis.command(`${verb} <id>`).description(description);
  withExpectedVersion(changing).action(
    async (chassisId: string, options: VersionOptions, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const request = { chassisId, ...versionOf(options) };
        showReply(await session.call(endpoint, request), json === true, changedWords);
      });
    },
  );
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
    .description("move running VMs that another chassis serves better, with the reason for each")
    .option("--dry-run", "show the moves without making them")
    .addOption(
      oneOf(
        "--policy <policy>",
        "bin-pack empties chassis, spread evens out their use; default: the scheduler's policy",
        PLACEMENT_POLICIES,
      ),
    )
    .option(
      "--max-moves <n>",
      "most VMs to move, 1 to 16; default 16",
      numberOf(ENDPOINTS.chassisRebalance.request.shape.maxMoves),
    )
    .addHelpText(
      "after",
      "\nExamples:\n  bioxen chassis rebalance --dry-run --policy spread\n  bioxen chassis rebalance --max-moves 4",
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
        say(`${rebalanceWords(reply)}\n${reply.asked.length} of ${reply.moves.length} moves have begun`);
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
  const cooling = coolingDown === 0 ? "" : `\n${coolingDown} more VMs were placed too recently to move again`;
  if (moves.length === 0) return `no move would improve the placement by ${policy}${cooling}`;
  const rows = moves.map((m) => [m.vmId, m.fromChassisId, m.toChassisId, m.reason]);
  const balance = `${before.used} → ${after.used} chassis in use, fullest and emptiest ${before.spread} → ${after.spread} ‰ apart`;
  return `${table(["VM", "FROM", "TO", { head: "WHY", wraps: true }], rows)}\n${balance}${cooling}`;
}

function changedWords({ changed, chassis }: ResultOf<"chassisRemove">): string {
  return `${chassis === null ? "removed" : chassisTable([chassis])}${changed ? "" : "\n(no change)"}`;
}

export function addLedgerCommands(program: Command): void {
  const ledger = program
    .command("ledger")
    .description("accounts of chassis: capacity, reservations, allocations");
  addLedgerVerify(ledger);
  ledger
    .command("show [chassis]")
    .description("show one ledger, or all")
    .option("--at <seq>", "state after the event with this sequence; default: now", sequenceOption)
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
