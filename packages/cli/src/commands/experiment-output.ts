/**
 * The directory of `bioxen experiment run --out`: results.csv, courses.csv and experiment.json.
 */
import { createWriteStream } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { WEISSE } from "@bioxen/cell-models";
import {
  type ExperimentVmView,
  eventSubject,
  knownModels,
  LOG_SKIPS_ID,
  MAX_PAGE,
  type ResultOf,
  walkLog,
} from "@bioxen/contracts";
import { messageOf } from "@bioxen/kernel";
import { LogVerifier, skipsOf } from "@bioxen/log-verifier";
import { tenantOf } from "@bioxen/nats";
import { csvRow } from "../course-csv.ts";
import { resultsCsv } from "../experiment-results.ts";
import { CommandEnd, EXIT_REFUSED } from "../outcome.ts";
import type { Session } from "../session.ts";
import { resultsInOrder } from "../some-at-a-time.ts";

type Whole = ResultOf<"experimentGet">;

/** Writes the results. Throws a {@link CommandEnd} for a directory that cannot be written. */
export async function saveResults(session: Session, whole: Whole, out: string): Promise<void> {
  const document = await documentOf(session, whole);
  try {
    await mkdir(out, { recursive: true });
    await writeFile(join(out, "results.csv"), resultsCsv(whole));
    await writeFile(join(out, "experiment.json"), `${JSON.stringify(document, null, 2)}\n`);
    await saveCourses(session, whole, join(out, "courses.csv"));
  } catch (thrown) {
    if (thrown instanceof CommandEnd || !isOfFiles(thrown)) throw thrown;
    throw new CommandEnd(EXIT_REFUSED, `cannot write ${out}: ${messageOf(thrown)}`);
  }
}

function isOfFiles(thrown: unknown): boolean {
  return thrown instanceof Error && "syscall" in thrown;
}

/** Writes the courses of all VMs that have a result. The file has its name only once it is complete. */
async function saveCourses(session: Session, whole: Whole, file: string): Promise<void> {
  const part = `${file}.part`;
  try {
    await pipeline(courseLines(session, whole), createWriteStream(part));
    await rename(part, file);
  } finally {
    await rm(part, { force: true });
  }
}

/** Reads the first pages of some courses at a time. Most courses have no other, and reading one waits for the server. */
async function* courseLines(session: Session, { vms }: Whole): AsyncGenerator<string> {
  let head = "";
  const recorded = vms.flatMap(({ vmId, incarnation }) =>
    incarnation === null ? [] : [{ vmId, incarnation }],
  );
  const first = async (vm: CourseOf) => ({ vm, page: await coursePage(session, vm) });
  for await (const { vm, page: firstPage } of resultsInOrder(recorded, first)) {
    for (let page = firstPage; ; page = await coursePage(session, vm, page.cursor)) {
      const names = csvRow(["vm", ...page.columns.map(({ name, unit }) => `${name} [${unit}]`)]);
      // VMs of different models have different columns: each change of them begins with a header of its own.
      if (names !== head) yield `${names}\n`;
      head = names;
      yield page.rows.map((row) => `${csvRow([vm.vmId, ...row])}\n`).join("");
      if (page.cursor === null) break;
    }
  }
}

interface CourseOf {
  readonly vmId: string;
  readonly incarnation: number;
}

function coursePage(
  session: Session,
  course: CourseOf,
  cursor: string | null = null,
): Promise<ResultOf<"courseGet">> {
  return session.ask("courseGet", { ...course, limit: MAX_PAGE, ...(cursor === null ? {} : { cursor }) });
}

/** Returns what experiment.json has: what is needed to run the experiment again and to compare it with the log. */
async function documentOf(session: Session, { experiment, file, vms }: Whole) {
  const { experimentId, digest, owner, bioxenVersion, firstSeq, lastSeq } = experiment;
  return {
    experiment: experimentId,
    digest,
    file,
    owner,
    versions: { bioxen: bioxenVersion, model: await modelsOf(session, file, vms) },
    vms: vms.map(({ vmId, values, replicate, seed, incarnation, digest: course, reason }) => ({
      ...{ vmId, values, replicate, seed, incarnation, digest: course, reason },
    })),
    log: { firstSeq, lastSeq, seal: await sealUpTo(session, lastSeq) },
  };
}

/** Returns the models of the VMs with their versions; one that no agent announces any more has no version. */
async function modelsOf(
  session: Session,
  file: Whole["file"],
  vms: readonly Pick<ExperimentVmView, "values">[],
): Promise<string> {
  const base = (file["base"] as { readonly config?: { readonly model?: unknown } } | undefined)?.config
    ?.model;
  const swept = vms.map(({ values }) => values["config.model"] ?? base ?? WEISSE.name);
  const names = [...new Set(swept.map(String))];
  const isBuiltIn = names.every((name) => name === WEISSE.name);
  const known = knownModels(isBuiltIn ? [] : (await session.ask("chassisList", {})).chassis);
  return names.map((name) => `${name} ${known.get(name)?.version ?? ""}`.trim()).join(", ");
}

/**
 * Returns the seal of the log up to the last event of the experiment, as `bioxen events seal` prints it; null for a tenant,
 * which cannot read the log.
 */
async function sealUpTo(session: Session, toSeq: number): Promise<string | null> {
  if ((await tenantOf(session.bus)) !== undefined) return null;
  const log = await session.eventLog();
  const verifier = new LogVerifier(skipsOf(await log.readMessages(eventSubject("log", LOG_SKIPS_ID), 0)));
  const cause = await walkLog(log, (event) => verifier.observe(event), {
    toSeq,
    stallMs: session.timeoutMs,
    onUnreadable: (message) => verifier.unreadable(message),
  });
  if (cause !== undefined) throw cause;
  return `${verifier.seal()}@${toSeq}`;
}
