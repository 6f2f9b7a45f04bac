/**
 * Placement rules as options: `--affinity app=db`, `--tolerate lab=p2`, and the taints of a chassis.
 */
import {
  PLACEMENT_POLICIES,
  type PlacementPolicyName,
  type RequestOf,
  TAINT_EFFECTS,
  type Taint,
} from "@bioxen/contracts";
import { type Command, InvalidArgumentError } from "commander";
import { given, labelOption, oneOf } from "./parse.ts";

type Placement = NonNullable<RequestOf<"vmCreate">["placement"]>;
type Term = NonNullable<Placement["affinity"]>[number];

export interface PlacementOptions {
  readonly chassis?: string;
  readonly policy?: PlacementPolicyName;
  readonly chassisLabel?: Record<string, string>;
  readonly affinity?: readonly Term[];
  readonly antiAffinity?: readonly Term[];
  readonly preferAffinity?: readonly Term[];
  readonly preferAntiAffinity?: readonly Term[];
  readonly tolerate?: NonNullable<Placement["tolerations"]>;
}

/**
 * Parses one term of a repeated option: `app=db,tier=1` (VMs with all these labels) or `cell-1,cell-2` (any of these
 * VMs). Returns the terms in `before` and the parsed term.
 */
function termOption(text: string, before: readonly Term[] = []): Term[] {
  const parts = text.split(",");
  if (parts.every((part) => part.includes("="))) {
    let labels: Record<string, string> = {};
    for (const part of parts) labels = labelOption(part, labels);
    return [...before, { labels }];
  }
  if (parts.some((part) => part === "" || part.includes("="))) {
    throw new InvalidArgumentError("must be labels such as name=value,name=value, or ids of VMs.");
  }
  return [...before, { vmIds: parts }];
}

const EFFECT = new RegExp(`^([^=:]+)(?:=([^:]*))?(?::(${TAINT_EFFECTS.join("|")}))?$`);

function effectOf(text: string): { key: string; value?: string; effect?: Taint["effect"] } {
  const [, key, value, effect] = EFFECT.exec(text) ?? [];
  if (key === undefined)
    throw new InvalidArgumentError(`must be key[=value][:effect] with effect ${TAINT_EFFECTS.join(" or ")}.`);
  return { key, ...given({ value, effect: effect as Taint["effect"] | undefined }) };
}

function tolerationOption(text: string, before: NonNullable<PlacementOptions["tolerate"]> = []) {
  return [...before, effectOf(text)];
}

/**
 * Parses one taint of a repeated option: `key[=value][:effect]`, with the default effect NoSchedule. Returns the taints
 * in `before` and the parsed taint.
 */
export function taintOption(text: string, before: readonly Taint[] = []): Taint[] {
  return [...before, { effect: "NoSchedule", ...effectOf(text) }];
}

export function withPlacementOptions(command: Command): Command {
  return command
    .option("--chassis <id>", "place it only on this chassis")
    .addOption(
      oneOf(
        "--policy <policy>",
        "how to choose its chassis; default: the scheduler's policy",
        PLACEMENT_POLICIES,
      ),
    )
    .option(
      "--chassis-label <name=value>",
      "place it only on a chassis with this label; repeatable",
      labelOption,
    )
    .option(
      "--affinity <vms>",
      "place it only on a chassis with these VMs: ids, or labels such as app=db,tier=1; repeatable",
      termOption,
    )
    .option("--anti-affinity <vms>", "never place it on a chassis with these VMs; repeatable", termOption)
    .option("--prefer-affinity <vms>", "prefer a chassis with these VMs; repeatable", termOption)
    .option("--prefer-anti-affinity <vms>", "prefer a chassis without these VMs; repeatable", termOption)
    .option(
      "--tolerate <key=value:effect>",
      "tolerate this taint, key[=value][:effect]; repeatable",
      tolerationOption,
    );
}

export function placementOf(o: PlacementOptions): Placement {
  const preferred = (terms: readonly Term[] = []) => terms.map((term) => ({ ...term, preferred: true }));
  const affinity = [...(o.affinity ?? []), ...preferred(o.preferAffinity)];
  const antiAffinity = [...(o.antiAffinity ?? []), ...preferred(o.preferAntiAffinity)];
  return given({
    chassisId: o.chassis,
    policy: o.policy,
    chassisLabels: o.chassisLabel,
    affinity: affinity.length === 0 ? undefined : affinity,
    antiAffinity: antiAffinity.length === 0 ? undefined : antiAffinity,
    tolerations: o.tolerate,
  });
}
