/**
 * `bioxen quota …`: limits on what the VMs with a label hold together, over all chassis.
 */

import { amount, type QuotaView, type RequestOf, type ResultOf } from "@bioxen/contracts";
import type { Command } from "commander";
import { expectedVersionOption, type VersionOptions, versionOf } from "../expected-version.ts";
import { usage } from "../outcome.ts";
import { given, numberOf } from "../parse.ts";
import { amountsLine, inOptionOrder, resourceName } from "../quantities.ts";
import { say, sayJson, showReply, withSession } from "../run.ts";
import { table } from "../table.ts";
import { bar } from "../terminal.ts";

interface NameOptions {
  readonly owner?: string;
}

interface LimitOptions extends VersionOptions, NameOptions {
  readonly ribosomes?: number;
  readonly atp?: number;
  readonly rnap?: number;
  readonly dna?: number;
  readonly vcpus?: number;
  readonly memory?: number;
  readonly lift?: boolean;
}

const EXAMPLES = `
Examples:
  bioxen quota set team=red --ribosomes 2000 --dna 2172
  bioxen quota set team --atp 500000        all VMs with a label "team" of any value
  bioxen quota set --owner alice --ribosomes 5000   all VMs that alice owns
  bioxen quota set team=red --lift          remove the limit`;

export function addQuotaCommands(program: Command): void {
  const quota = program
    .command("quota")
    .description("limits on what VMs with a label or of an owner hold together, over all chassis");
  quota
    .command("set [label]")
    .description(
      "set all limits of a label (name or name=value) or an owner; resources without an option become unlimited",
    )
    .option("--owner <name>", "limit the VMs of this owner, instead of a label")
    .option("--ribosomes <n>", "limit of ribosomes", numberOf(amount))
    .option("--atp <n>", "limit of ATP molecules per second", numberOf(amount))
    .option("--rnap <n>", "limit of RNA polymerases", numberOf(amount))
    .option("--dna <n>", "limit of genome space, kilobases", numberOf(amount))
    .option("--vcpus <n>", "limit of virtual CPUs (xcpng)", numberOf(amount))
    .option("--memory <MiB>", "limit of memory, MiB (xcpng)", numberOf(amount))
    .option("--lift", "remove all limits")
    .addOption(expectedVersionOption())
    .addHelpText("after", EXAMPLES)
    .action(async (label: string | undefined, options: LimitOptions, command: Command) => {
      const resources = limitsOf(options);
      const name = quotaNameOf(label, options);
      await withSession(command, async (session, { json }) => {
        const begun = await session.call("quotaSet", { ...name, resources, ...versionOf(options) });
        // The reply lists only as many VMs of the quota as fit in one message. If VMs are missing, a query reads all.
        const isCut = begun.ok && begun.cursor !== null;
        const { quota } = isCut ? await session.ask("quotaGet", name) : { quota: null };
        const reply = begun.ok && quota !== null ? { ...begun, quota, cursor: null } : begun;
        showReply(reply, json === true, setWords);
      });
    });
  quota
    .command("get [label]")
    .description("show the limits of a label or an owner, and the VMs that count against them")
    .option("--owner <name>", "the quota of this owner, instead of a label")
    .addHelpText("after", "\nExample:\n  bioxen quota get team=red")
    .action(async (label: string | undefined, options: NameOptions, command: Command) => {
      const name = quotaNameOf(label, options);
      await withSession(command, async (session, { json }) => {
        const reply = await session.ask("quotaGet", name);
        if (json === true) sayJson(reply);
        else say(reply.quota === null ? `${name.label ?? name.owner} has no quota` : quotaWords(reply.quota));
      });
    });
  quota
    .command("ls")
    .alias("list")
    .description("list all quotas")
    .addHelpText("after", "\nExample:\n  bioxen quota ls --json")
    .action(async (_options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply = await session.ask("quotaList", {});
        if (json === true) return sayJson(reply);
        say(
          reply.quotas.length === 0
            ? "no quota is set; set one with:\n  bioxen quota set team=red --ribosomes 2000"
            : reply.quotas.map(quotaWords).join("\n\n"),
        );
      });
    });
}

/** Returns the label or the owner that a command names: exactly one of the two. */
function quotaNameOf(label: string | undefined, { owner }: NameOptions): RequestOf<"quotaGet"> {
  if ((label === undefined) === (owner === undefined)) throw usage("name a label or --owner, not both");
  return given({ label, owner });
}

function limitsOf(o: LimitOptions): RequestOf<"quotaSet">["resources"] {
  const limits = given({
    ribosomes: o.ribosomes,
    atpPerSecond: o.atp,
    rnaPolymerases: o.rnap,
    dnaKilobases: o.dna,
    vcpus: o.vcpus,
    memoryMiB: o.memory,
  });
  const some = Object.keys(limits).length > 0;
  if (some === (o.lift === true)) {
    throw usage("name at least one of --ribosomes, --atp, --rnap, --dna, --vcpus, --memory, or --lift alone");
  }
  return limits;
}

function setWords({ changed, quota }: ResultOf<"quotaSet">): string {
  const notYet = quota.enforced ? "" : "\n(not in force yet: existing allocations are being counted)";
  return `${quotaWords(quota)}${changed ? "" : "\n(no change)"}${notYet}`;
}

function quotaWords({ label, owner, resources, held, holders }: QuotaView): string {
  const rows = inOptionOrder(Object.keys(resources)).map((name) => {
    const limit = resources[name] ?? 0;
    const used = held[name] ?? 0;
    const permille = limit === 0 ? (used > 0 ? 1_000 : 0) : Math.round((used * 1_000) / limit);
    return [
      resourceName(name),
      bar(Math.min(1_000, permille)),
      `${(permille / 10).toFixed(1)} %`,
      `${used} of ${limit}`,
    ];
  });
  const head = `${owner === undefined ? label : `owner ${owner}`}: ${holders.length} reservations${rows.length === 0 ? ", no limit" : ""}`;
  const parts = [head];
  if (rows.length > 0)
    parts.push(table(["RESOURCE", { head: "USE", importance: 1 }, "", "HELD OF LIMIT"], rows));
  if (holders.length > 0) {
    const places = holders.map((h) => [h.vmId, h.chassisId, amountsLine(h.amounts)]);
    parts.push(table(["VM", "CHASSIS", { head: "HOLDS", wraps: true }], places));
  }
  return parts.join("\n");
}
