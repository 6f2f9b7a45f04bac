/**
 * `bioxen pool …`: orphans, which are machines in a pool that a BioXen made and that this one does not own. They are never
 * touched, until an operator adopts or deletes one.
 */
import { BIOLOGICAL_TYPES, type OrphanView } from "@bioxen/contracts";
import type { Command } from "commander";
import { refused } from "../outcome.ts";
import { oneOf } from "../parse.ts";
import { amountsLine } from "../quantities.ts";
import { note, say, sayJson, showReply, withSession } from "../run.ts";
import type { Session } from "../session.ts";
import { table } from "../table.ts";
import type { Finding } from "./finding.ts";
import { endOfUnanswered, orphanNamed, orphansOf, type PoolOrphan, poolsOf } from "./pool-orphans.ts";
import { startAndWait } from "./vm-start.ts";
import { vmWords } from "./vm-words.ts";

/** Why a machine is an orphan, in words. */
export const ORPHAN_CAUSES: Readonly<Record<OrphanView["cause"], string>> = {
  cluster: "another BioXen made it",
  agent: "another agent made it, which runs no chassis",
  log: "the log does not have its reservation",
  duplicate: "its VM has a newer machine",
};

export function addPoolCommands(program: Command): void {
  const pool = program.command("pool").description("machines in a pool that this BioXen does not own");
  addOrphans(pool);
  addAdopt(pool);
  addDelete(pool);
}

function addOrphans(pool: Command): void {
  pool
    .command("orphans")
    .description("list the machines of other owners; they are never touched")
    .option("--chassis <id>", "one pool; default: every pool")
    .action(async ({ chassis }: { chassis?: string }, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const { total, orphans, unanswered } = await orphansOf(session, chassis);
        if (json === true) sayJson({ ok: unanswered.length === 0, total, orphans, unanswered });
        else say(total === 0 ? "no machine of another owner" : orphanTable(orphans));
        if (unanswered.length === 0) return;
        const { message, exitCode } = endOfUnanswered(unanswered);
        note(message);
        process.exitCode = exitCode;
      });
    });
}

function addAdopt(pool: Command): void {
  pool
    .command("adopt <machine>")
    .description("make an orphan the machine of a new VM; a machine that is up stays up")
    .option("--id <id>", "id of the VM; default: that in the machine's keys")
    .addOption(oneOf("--type <type>", "biological type of the VM", BIOLOGICAL_TYPES).default("syn3a"))
    .option("--chassis <id>", "the pool; default: every pool is searched")
    .action(async (machine: string, options: AdoptOptions, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const orphan = await orphanNamed(session, machine, options.chassis);
        const { uuid, chassisId, resources } = orphan;
        const vmId = options.id ?? orphan.vmId;
        const created = await session.call("vmCreate", {
          vmId,
          biologicalType: options.type,
          vmType: "xcpng",
          resources,
          config: { machine: uuid },
          placement: { chassisId },
        });
        if (!created.ok) throw refused(created.error);
        if (orphan.state !== "halted") return startAndWait(session, vmId, json === true);
        if (json === true) return sayJson(created);
        say(
          `${vmWords(created.vm, null)}\nthe machine is halted: bioxen vm start ${vmId} starts and adopts it`,
        );
      });
    });
}

interface AdoptOptions {
  readonly id?: string;
  readonly type: (typeof BIOLOGICAL_TYPES)[number];
  readonly chassis?: string;
}

function addDelete(pool: Command): void {
  pool
    .command("delete <machine>")
    .description("shut an orphan down, and delete it with its disks and snapshots")
    .option("--chassis <id>", "the pool; default: every pool is searched")
    .action(async (machine: string, { chassis }: { chassis?: string }, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const { uuid, chassisId } = await orphanNamed(session, machine, chassis);
        const reply = await session.call("chassisDeleteMachine", { chassisId, uuid });
        showReply(reply, json === true, ({ changed }) =>
          changed
            ? `${uuid} is being deleted; the events of chassis ${chassisId} have the outcome`
            : `${uuid} is being deleted already`,
        );
      });
    });
}

function orphanTable(orphans: readonly PoolOrphan[]): string {
  return table(
    ["MACHINE", "CHASSIS", "VM", "STATE", "RESOURCES", "BIOXEN", "AGENT", "WHY"],
    orphans.map((one) => [
      one.uuid,
      one.chassisId,
      one.vmId,
      one.state,
      amountsLine(one.resources),
      one.clusterId ?? "older release",
      one.agentId,
      ORPHAN_CAUSES[one.cause],
    ]),
  );
}

/** Returns the sentence of `up` and `doctor` about orphans. */
export function orphansLine(count: number): string {
  return `${count} ${count === 1 ? "machine" : "machines"} of another owner in the pool, which this BioXen leaves alone`;
}

/** Returns a warning for each pool with orphans; none for a pool whose agent does not answer. */
export async function orphanFindings(session: Session): Promise<Finding[]> {
  const pools = await poolsOf(session).catch(() => []);
  const found = pools.map(async (chassisId): Promise<Finding[]> => {
    const { total } = await orphansOf(session, chassisId).catch(() => ({ total: 0 }));
    const remedy = "bioxen pool orphans lists them; adopt or delete each, or leave it to its owner";
    return total === 0
      ? []
      : [{ check: `pool ${chassisId}`, verdict: "warn", found: orphansLine(total), remedy }];
  });
  return (await Promise.all(found)).flat();
}
