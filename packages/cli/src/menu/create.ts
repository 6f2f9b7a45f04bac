/**
 * Creates a VM in the menu, question by question. The last step sends a single create command, so leaving earlier
 * changes nothing.
 */

import { steadyState } from "@bioxen/cell-models";
import {
  BIOLOGICAL_TYPES,
  type BiologicalType,
  fullDemand,
  REFERENCE_DOUBLING_MINUTES,
  type RequestOf,
  requestedAmounts,
  type VmType,
} from "@bioxen/contracts";
import { ID_PATTERN } from "@bioxen/kernel";
import { refused } from "../outcome.ts";
import { amountsLine, doublingTime } from "../quantities.ts";
import type { Session } from "../session.ts";
import { table } from "../table.ts";
import type { Asking, Choice } from "./asking.ts";
import { doVerb, VERBS } from "./vm-actions.ts";

type Shares = Readonly<Record<"ribosomes" | "atpPerSecond" | "rnaPolymerases", number>>;

const SHARE_NAMES = {
  ribosomes: "ribosomes",
  atpPerSecond: "ATP",
  rnaPolymerases: "RNA polymerases",
} as const;
/** Amounts of a resource that the menu offers as choices, in % of the full demand of the type. */
const OFFERED_PERCENT = [100, 75, 50, 25] as const;
const PRIORITIES: readonly Choice<string>[] = [
  { value: "1", label: "1", hint: "low, the default" },
  { value: "2", label: "2" },
  { value: "3", label: "3" },
  { value: "4", label: "4" },
  { value: "5", label: "5", hint: "high: served first" },
];

/** Asks for all fields of a new VM. Esc at a question returns to the main menu without creating a VM. */
export async function createMenu(asking: Asking, session: Session): Promise<void> {
  const biologicalType = await chooseType(asking);
  if (biologicalType === undefined) return;
  const vmType = await asking.choose<VmType>("On which infrastructure?", [
    { value: "basic", label: "basic", hint: "a cell model with Lua, run by a local agent" },
    { value: "xcpng", label: "xcpng", hint: "a VM on an XCP-ng pool" },
  ]);
  if (vmType === undefined) return;
  const existing = new Set((await session.listAllVms()).map(({ vmId }) => vmId));
  const vmId = await asking.text({
    message: "VM id?",
    initial: freeIdFor(biologicalType, existing),
    problem: (text) => idProblem(text, existing),
  });
  if (vmId === undefined) return;
  const shares = vmType === "basic" ? await chooseShares(asking, biologicalType) : {};
  if (shares === undefined) return;
  const priority = await asking.choose("Priority?", PRIORITIES);
  if (priority === undefined) return;
  const resources = Object.fromEntries(
    Object.entries(shares).map(([name, percent]) => [name, `${percent}%`]),
  );
  await confirmAndCreate(asking, session, {
    vmId,
    biologicalType,
    vmType,
    resources,
    priority: Number(priority),
  });
}

function chooseType(asking: Asking): Promise<BiologicalType | undefined> {
  return asking.choose<BiologicalType>(
    "Which cell?",
    BIOLOGICAL_TYPES.map((type) => ({
      value: type,
      label: `${type}: doubles in ${REFERENCE_DOUBLING_MINUTES[type]} min at full demand`,
      hint: amountsLine(fullDemand(type, "basic")),
    })),
  );
}

function freeIdFor(type: BiologicalType, existing: ReadonlySet<string>): string {
  const stem = type.replaceAll("_", "-");
  let number = 1;
  while (existing.has(`${stem}-${number}`)) number += 1;
  return `${stem}-${number}`;
}

function idProblem(text: string, existing: ReadonlySet<string>): string | undefined {
  if (!ID_PATTERN.test(text))
    return "use 1 to 63 lower-case letters, digits and hyphens; begin and end with a letter or digit";
  return existing.has(text) ? `${text} already exists: choose another id` : undefined;
}

/**
 * Returns the doubling time, minutes, that the cell model predicts with these shares; null when the cell would not
 * grow.
 */
function predictedDoubling(biologicalType: BiologicalType, shares: Shares): number | null {
  const full = fullDemand(biologicalType, "basic");
  const wanted = Object.fromEntries(Object.entries(shares).map(([name, percent]) => [name, `${percent}%`]));
  return steadyState({ biologicalType, allocation: requestedAmounts(wanted, full, full) })
    .doublingTimeMinutes;
}

const allAt = (percent: number): Shares => ({
  ribosomes: percent,
  atpPerSecond: percent,
  rnaPolymerases: percent,
});

async function chooseShares(asking: Asking, type: BiologicalType): Promise<Shares | undefined> {
  const growthOf = (shares: Shares) => {
    const predicted = predictedDoubling(type, shares);
    return predicted === null ? "would not grow" : `doubles in ${doublingTime(predicted)}`;
  };
  for (;;) {
    const chosen = await asking.choose("Share of full demand?", [
      ...OFFERED_PERCENT.map((percent) => ({
        value: String(percent),
        label: `${percent} % of every resource: ${growthOf(allAt(percent))}`,
      })),
      { value: "own", label: "Choose per resource" },
    ]);
    if (chosen === undefined) return undefined;
    if (chosen !== "own") return allAt(Number(chosen));
    const shares = await askShares(asking);
    if (shares === undefined) continue;
    const sentence = Object.entries(shares).map(
      ([name, percent]) => `${SHARE_NAMES[name as keyof Shares]} ${percent} %`,
    );
    const keep = await asking.choose(`${sentence.join(", ")}: ${growthOf(shares)}`, [
      { value: "keep", label: "Use these shares" },
      { value: "change", label: "Change them" },
    ]);
    if (keep === "keep") return shares;
  }
}

async function askShares(asking: Asking): Promise<Shares | undefined> {
  const shares: Partial<Record<keyof Shares, number>> = {};
  for (const name of Object.keys(SHARE_NAMES) as (keyof Shares)[]) {
    const answer = await asking.text({
      message: `${SHARE_NAMES[name]}, % of full demand?`,
      initial: "100",
      problem: (text) =>
        /^(?:100|[1-9]?[0-9])$/.test(text) ? undefined : "enter a whole number from 0 to 100",
    });
    if (answer === undefined) return undefined;
    shares[name] = Number(answer);
  }
  return shares as Shares;
}

async function confirmAndCreate(
  asking: Asking,
  session: Session,
  request: RequestOf<"vmCreate"> & { readonly vmId: string },
): Promise<void> {
  asking.show(await previewOf(session, request), "Planned placement");
  const chosen = await asking.choose(`Create ${request.vmId}?`, [
    { value: "start", label: "Create and start" },
    { value: "create", label: "Create only" },
    { value: "no", label: "No" },
  ]);
  if (chosen !== "start" && chosen !== "create") return asking.tell("news", "no VM was created");
  const reply = await session.call("vmCreate", request);
  if (!reply.ok) return asking.tell("refused", refused(reply.error).message);
  asking.tell("done", `${request.vmId} is created`);
  const start = VERBS.find(({ name }) => name === "start");
  if (chosen === "start" && start !== undefined) await doVerb(asking, session, start, request.vmId);
}

/** Returns a text with the chassis that the scheduler would choose now, and the score or refusal of every chassis. */
async function previewOf(session: Session, request: RequestOf<"vmCreate">): Promise<string> {
  const plan = await session.ask("placementPlan", request);
  const [placement] = plan.placements;
  const verdict =
    placement === undefined ? "no chassis fits now: the VM would stay pending" : `on ${placement.chassisId}`;
  const rows = Object.values(plan.scores).flatMap((candidates) =>
    candidates.map((c) => [
      c.chassisId,
      c.score === null ? "–" : String(c.score),
      c.refusal?.message ?? "fits",
    ]),
  );
  return `${verdict}\n${table(["CHASSIS", "SCORE", "VERDICT"], rows)}`;
}
