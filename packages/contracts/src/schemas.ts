/**
 * The pieces that commands, events and views are made of. Limits stand here, each with its reason.
 */
import { ID_PATTERN, MAX_AMOUNT } from "@bioxen/kernel";
import { z } from "zod";
import {
  MAX_OVERSUBSCRIBE_PERMILLE,
  NOT_OVERSUBSCRIBED_PERMILLE,
  RATE_RESOURCES,
  RESOURCE_NAMES,
} from "./resources.ts";

/** Lua source of a program or of one `exec`, bytes of UTF-8: what the `basic` driver compiles in one slice. */
export const MAX_SOURCE_BYTES = 65_536;
/** Labels of one VM; each is a line in every view and event. */
export const MAX_LABELS = 32;
/** Bytes of one command's payload; leaves room for the envelope in the server's default limit of 1 MiB. */
export const MAX_PAYLOAD_BYTES = 524_288;
/** Nested fields of `config`. */
export const MAX_CONFIG_BYTES = 16_384;
/** Longest wait of one `exec`, ms. */
export const MAX_EXEC_TIMEOUT_MS = 60_000;
/** Rows of one page of a list. */
export const MAX_PAGE = 1_000;
/** Moves of one rebalancing: each takes two chassis' attention for seconds. */
export const MAX_REBALANCE_MOVES = 16;
/** VMs one chassis may be configured to take; bounds the size of a ledger. */
export const MAX_VMS_PER_CHASSIS = 100_000;
/**
 * Bounds of the medium, those of the cell model: ten times the best medium measured, where import is saturated, and far
 * above what stops any growth. Beyond them the solver has been tried on nothing.
 */
const MAX_NUTRIENT_QUALITY = 10;
const MAX_SUBSTRATE = 1e9;
const MAX_CHLORAMPHENICOL_MICROMOLAR = 1_000;

export const id = z
  .string()
  .regex(ID_PATTERN, "must be 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit");

export const amount = z.int().min(0).max(MAX_AMOUNT);
export const amounts = z.partialRecord(z.enum(RESOURCE_NAMES), amount);
/** What was recorded: any resource name, so that an older reader survives a newer resource. */
export const recordedAmounts = z.record(z.string(), amount);

/** Only what is used as a rate: room for a genome is there or not. */
export const oversubscribePermille = z.partialRecord(
  z.enum(RATE_RESOURCES),
  z.int().min(NOT_OVERSUBSCRIBED_PERMILLE).max(MAX_OVERSUBSCRIBE_PERMILLE),
);

/** Whatever JSON can say. */
export const anyJson = z.json();

const share = z.string().regex(/^(?:100|[1-9]?[0-9])%$/, 'must be an integer, or a share "0%" to "100%"');
export const requestedAmount = z.union([amount, share], {
  error: 'must be an integer from 0 to 10^12, or a share "0%" to "100%"',
});
export const requestedResources = z.partialRecord(z.enum(RESOURCE_NAMES), requestedAmount);

export const labelKey = z
  .string()
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/, "is not a label name");
export const labelValue = z.string().max(63);
export const labels = z
  .record(labelKey, labelValue)
  .refine((l) => Object.keys(l).length <= MAX_LABELS, `must have at most ${MAX_LABELS} labels`);

/** Of a quota: `name`, or `name=value`, as in `vm.list`. The longest name and value. */
export const quotaLabel = z
  .string()
  .max(127)
  .refine((label) => {
    const split = label.indexOf("=");
    const name = split < 0 ? label : label.slice(0, split);
    return labelKey.safeParse(name).success && labelValue.safeParse(label.slice(name.length + 1)).success;
  }, "must be a label name, or name=value")
  .refine((label) => label.isWellFormed(), "must be well-formed Unicode");

const upTo = (limit: number) => z.number().min(0).max(limit).optional();
export const environment = z.strictObject({
  nutrientQuality: upTo(MAX_NUTRIENT_QUALITY),
  substrate: upTo(MAX_SUBSTRATE),
  chloramphenicolMicromolar: upTo(MAX_CHLORAMPHENICOL_MICROMOLAR),
});

export const restartPolicy = z.strictObject({
  mode: z.enum(["never", "on-failure", "always"]),
  maxAttempts: z.int().min(0).max(1_000).default(3),
  backoffMs: z.int().min(0).max(3_600_000).default(1_000),
});

export const priority = z.int().min(1).max(5);
export const seed = z.int().min(0).max(0xffff_ffff);
export const source = z
  .string()
  .refine(
    (text) => new TextEncoder().encode(text).byteLength <= MAX_SOURCE_BYTES,
    `must have at most ${MAX_SOURCE_BYTES} bytes`,
  );

/** Terms, tolerations or taints of one VM or chassis: each is looked at for every pair of both. */
const MAX_TERMS = 16;
const someLabels = labels.refine((l) => Object.keys(l).length > 0, "must name at least one label");

/** VMs by id or by label, and how much it matters to be with them, or apart from them. */
export const placementTerm = z
  .strictObject({
    vmIds: z.array(id).min(1).max(MAX_TERMS).optional(),
    /** All of them, on one VM. */
    labels: someLabels.optional(),
    /** True: rather so, but not at any price. Absent: it must be so. */
    preferred: z.boolean().optional(),
    /** Of a preferred term beside others; absent: 1. */
    weight: z.int().min(1).max(100).optional(),
  })
  .refine(({ vmIds, labels: l }) => vmIds !== undefined || l !== undefined, "must have vmIds or labels")
  .refine(({ preferred, weight }) => weight === undefined || preferred === true, {
    path: ["weight"],
    message: "is of preferred terms only",
  });
export type PlacementTerm = z.infer<typeof placementTerm>;

/**
 * What keeps VMs off a chassis that do not tolerate it. To move those that run there, drain it: a taint is looked at when a VM is
 * placed.
 */
export const TAINT_EFFECTS = ["NoSchedule", "PreferNoSchedule"] as const;
const taintEffect = z.enum(TAINT_EFFECTS, {
  error: `must be ${TAINT_EFFECTS.join(" or ")}; to move running VMs away, drain the chassis`,
});
export const taint = z.strictObject({ key: labelKey, value: labelValue.optional(), effect: taintEffect });
export type Taint = z.infer<typeof taint>;
export const taints = z.array(taint).max(MAX_TERMS);
/** As recorded. */
export const recordedTaints = z.array(
  z.object({ key: z.string(), value: z.string().optional(), effect: taintEffect }),
);
/** Without a value: of any; without an effect: of all. */
export const toleration = z.strictObject({
  key: labelKey,
  value: labelValue.optional(),
  effect: taintEffect.optional(),
});
export type Toleration = z.infer<typeof toleration>;

/** How a chassis is chosen among those that can hold a VM: the fullest, or the emptiest. */
export const PLACEMENT_POLICIES = ["bin-pack", "spread"] as const;
export type PlacementPolicyName = (typeof PLACEMENT_POLICIES)[number];

export const placement = z.strictObject({
  chassisTypes: z.array(z.string().min(1).max(63)).min(1).max(16).optional(),
  chassisId: id.optional(),
  /** Labels the chassis must carry. */
  chassisLabels: someLabels.optional(),
  affinity: z.array(placementTerm).max(MAX_TERMS).optional(),
  antiAffinity: z.array(placementTerm).max(MAX_TERMS).optional(),
  tolerations: z.array(toleration).max(MAX_TERMS).optional(),
  policy: z.enum(PLACEMENT_POLICIES).optional(),
});

/** Names that would carry a secret into an append-only log. */
const SECRET_NAME = /pass(word|wd|phrase)?$|secret|credential|private.?key|api.?key|^key$|token/i;

function secretPaths(value: unknown, path: readonly string[]): string[][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const here = [...path, name];
    return SECRET_NAME.test(name) ? [here] : secretPaths(inner, here);
  });
}

export const config = z.record(z.string().max(63), anyJson).superRefine((value, context) => {
  for (const path of secretPaths(value, [])) {
    context.addIssue({
      code: "custom",
      path,
      message: "looks like a credential: credentials belong to the agent's configuration, never to a command",
    });
  }
  if (JSON.stringify(value).length > MAX_CONFIG_BYTES) {
    context.addIssue({
      code: "custom",
      path: [],
      message: `must be at most ${MAX_CONFIG_BYTES} bytes of JSON`,
    });
  }
});
