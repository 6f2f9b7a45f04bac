/**
 * The schemas that commands, events and views are built from, and their limits. Each limit has its unit and its reason.
 */
import { ID_PATTERN, ID_RULE, MAX_AMOUNT } from "@bioxen/kernel";
import * as z from "zod";
import type { Problem } from "./endpoints/problem.ts";
import {
  MAX_OVERSUBSCRIBE_PERMILLE,
  NOT_OVERSUBSCRIBED_PERMILLE,
  RATE_RESOURCES,
  RESOURCE_NAMES,
} from "./resources.ts";
import { secretsIn, secretsInProgram } from "./secrets.ts";

/**
 * Maximum length of the Lua source of a program or an `exec`, in bytes of UTF-8: what the `basic` driver compiles in
 * one time slice.
 */
export const MAX_SOURCE_BYTES = 65_536;
/**
 * Maximum number of labels of one VM. Each label adds a line to every view and every event that contains the VM's
 * labels.
 */
export const MAX_LABELS = 32;
/**
 * Maximum size of a command's payload, in bytes. It leaves room for the envelope within the NATS server's default limit
 * of 1 MiB.
 */
export const MAX_PAYLOAD_BYTES = 524_288;
/** Maximum size of a VM's `config`, in bytes of JSON. The created event and every view of the VM contain the config. */
export const MAX_CONFIG_BYTES = 16_384;
/** Maximum timeout that a caller can set for one `exec`, ms. */
export const MAX_EXEC_TIMEOUT_MS = 60_000;
/**
 * Maximum time that a caller can give a guest to end by itself, ms. XAPI waits as long for the clean shutdown of a
 * machine: 20 minutes.
 */
export const MAX_STOP_DEADLINE_MS = 1_200_000;
/** Maximum number of rows in one page of a list. */
export const MAX_PAGE = 1_000;
/** Maximum number of moves that one rebalancing makes. Each move occupies two chassis for seconds. */
export const MAX_REBALANCE_MOVES = 16;
/** Maximum number of VMs that a chassis can be configured for. It bounds the size of a ledger. */
export const MAX_VMS_PER_CHASSIS = 100_000;
/**
 * Upper bounds of the medium, the same as in the cell model. The bound of the nutrient quality is 20 times the best
 * published value. The bound of chloramphenicol is far above the concentration that stops all growth. The solver is not
 * tested beyond these bounds.
 */
/** Maximum number of fields of an environment; a model declares at most as many. */
const MAX_ENVIRONMENT_FIELDS = 64;
const MAX_NUTRIENT_QUALITY = 10;
const MAX_SUBSTRATE = 1e9;
const MAX_CHLORAMPHENICOL_MICROMOLAR = 1_000;

export const id = z.string().regex(ID_PATTERN, `must be ${ID_RULE}`);

/**
 * The version that the caller expects the changed object to have: `version` of its view, or 0 when there must be no
 * object yet. With another version the command is refused with CONFLICT.
 */
export const expectedVersion = z.int().min(0).optional();

/** Time that a guest has to end by itself, ms. */
export const stopDeadlineMs = z.int().min(0).max(MAX_STOP_DEADLINE_MS);

export const amount = z.int().min(0).max(MAX_AMOUNT);
export const amounts = z.partialRecord(z.enum(RESOURCE_NAMES), amount);
/**
 * Schema of amounts in an event. Any resource name is allowed, so that an older reader can read a resource that was
 * added later.
 */
export const recordedAmounts = z.record(z.string(), amount);

/**
 * Offered share of each resource, in permille of the real capacity. Only resources that are used as a rate can be
 * oversubscribed; the space of a genome cannot.
 */
export const oversubscribePermille = z.partialRecord(
  z.enum(RATE_RESOURCES),
  z.int().min(NOT_OVERSUBSCRIBED_PERMILLE).max(MAX_OVERSUBSCRIBE_PERMILLE),
);

/** Schema of any JSON value. */
export const anyJson = z.json();

const share = z.string().regex(/^(?:100|[1-9]?[0-9])%$/, 'must be an integer, or a share "0%" to "100%"');
export const requestedAmount = z.union([amount, share], {
  error: 'must be an integer from 0 to 10^12, or a share "0%" to "100%"',
});
export const requestedResources = z.partialRecord(z.enum(RESOURCE_NAMES), requestedAmount);

function refuseSecrets(problems: readonly Problem[], context: z.RefinementCtx): void {
  for (const { path, message } of problems)
    context.addIssue({ code: "custom", path: path.split("."), message });
}

export const labelKey = z
  .string()
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/, "is not a valid label name");
/** Prefix of the names of labels that BioXen itself gives to VMs, such as that of a fleet or an experiment. */
export const RESERVED_LABELS = "bioxen.io/";
export const labelValue = z.string().max(63);
export const labels = z
  .record(labelKey, labelValue)
  .refine((l) => Object.keys(l).length <= MAX_LABELS, `must have at most ${MAX_LABELS} labels`)
  .superRefine((l, context) => refuseSecrets(secretsIn(l), context));

/** Refuses a secret as the value under this name; `path` is that of the value. */
export function refuseSecretValue(
  name: string,
  value: string | undefined,
  context: z.RefinementCtx,
  path: string[] = [],
): void {
  if (value === undefined) return;
  for (const { message } of secretsIn({ [name]: value })) context.addIssue({ code: "custom", path, message });
}

/**
 * The label of a quota: `name` or `name=value`, as in `vm.list`. At most 127 characters: 63 for the name, `=`, 63 for
 * the value.
 */
export const quotaLabel = z
  .string()
  .max(127)
  .refine((label) => {
    const split = label.indexOf("=");
    const name = split < 0 ? label : label.slice(0, split);
    return labelKey.safeParse(name).success && labelValue.safeParse(label.slice(name.length + 1)).success;
  }, "must be the name of a label, or name=value")
  .refine((label) => label.isWellFormed(), "must be well-formed Unicode")
  .superRefine((label, context) => {
    const [name = "", value] = label.split("=");
    refuseSecretValue(name, value, context);
  });

const upTo = (limit: number) => z.number().min(0).max(limit).optional();
/** Fields of another model have the names that it declares; which ones a VM can have follows from its model. */
export const environment = z
  .object({
    nutrientQuality: upTo(MAX_NUTRIENT_QUALITY),
    substrate: upTo(MAX_SUBSTRATE),
    chloramphenicolMicromolar: upTo(MAX_CHLORAMPHENICOL_MICROMOLAR),
  })
  .catchall(z.number())
  .refine(
    (e) => Object.keys(e).length <= MAX_ENVIRONMENT_FIELDS,
    `must have at most ${MAX_ENVIRONMENT_FIELDS} fields`,
  );

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
  )
  .superRefine((text, context) => {
    for (const message of secretsInProgram(text)) context.addIssue({ code: "custom", path: [], message });
  });

/**
 * Maximum number of placement terms or tolerations of one VM, and of taints of one chassis. Each is evaluated for every
 * pair of a VM and a chassis.
 */
const MAX_TERMS = 16;
const someLabels = labels.refine((l) => Object.keys(l).length > 0, "must name at least one label");

/**
 * An affinity or anti-affinity term. It selects other VMs by id or by label, and says whether being placed with them
 * (or apart from them) is a requirement or a weighted preference.
 */
export const placementTerm = z
  .strictObject({
    vmIds: z.array(id).min(1).max(MAX_TERMS).optional(),
    /** The term matches a VM that carries all of these labels. */
    labels: someLabels.optional(),
    /** True: the term is a preference. Absent or false: the term is a requirement. */
    preferred: z.boolean().optional(),
    /** Weight of a preferred term relative to other preferred terms; absent: 1. */
    weight: z.int().min(1).max(100).optional(),
  })
  .refine(({ vmIds, labels: l }) => vmIds !== undefined || l !== undefined, "must have vmIds or labels")
  .refine(({ preferred, weight }) => weight === undefined || preferred === true, {
    path: ["weight"],
    message: "is allowed for preferred terms only",
  });
export type PlacementTerm = z.infer<typeof placementTerm>;

/**
 * The effects of a taint, which keeps VMs without a matching toleration off a chassis. A taint is evaluated when a VM
 * is placed. To move VMs that already run on the chassis, drain it.
 */
export const TAINT_EFFECTS = ["NoSchedule", "PreferNoSchedule"] as const;
const taintEffect = z.enum(TAINT_EFFECTS, {
  error: `must be ${TAINT_EFFECTS.join(" or ")}; to move running VMs away, drain the chassis`,
});
export const taint = z
  .strictObject({ key: labelKey, value: labelValue.optional(), effect: taintEffect })
  .superRefine(({ key, value }, context) => refuseSecretValue(key, value, context, ["value"]));
export type Taint = z.infer<typeof taint>;
export const taints = z.array(taint).max(MAX_TERMS);
/** Schema of the taints in an event. */
export const recordedTaints = z.array(
  z.object({ key: z.string(), value: z.string().optional(), effect: taintEffect }),
);
/**
 * A toleration of taints by key. A toleration without a `value` matches any value of the key, and one without an
 * `effect` matches every effect.
 */
export const toleration = z
  .strictObject({
    key: labelKey,
    value: labelValue.optional(),
    effect: taintEffect.optional(),
  })
  .superRefine(({ key, value }, context) => refuseSecretValue(key, value, context, ["value"]));
export type Toleration = z.infer<typeof toleration>;

/** How a chassis is chosen among those with room for a VM: `bin-pack` takes the fullest, `spread` the emptiest. */
export const PLACEMENT_POLICIES = ["bin-pack", "spread"] as const;
export type PlacementPolicyName = (typeof PLACEMENT_POLICIES)[number];

export const placement = z.strictObject({
  chassisTypes: z.array(z.string().min(1).max(63)).min(1).max(16).optional(),
  chassisId: id.optional(),
  /** Labels that a chassis must carry to take the VM. */
  chassisLabels: someLabels.optional(),
  affinity: z.array(placementTerm).max(MAX_TERMS).optional(),
  antiAffinity: z.array(placementTerm).max(MAX_TERMS).optional(),
  tolerations: z.array(toleration).max(MAX_TERMS).optional(),
  policy: z.enum(PLACEMENT_POLICIES).optional(),
});

export const config = z.record(z.string().max(63), anyJson).superRefine((value, context) => {
  refuseSecrets(secretsIn(value), context);
  if (JSON.stringify(value).length > MAX_CONFIG_BYTES) {
    context.addIssue({
      code: "custom",
      path: [],
      message: `must be at most ${MAX_CONFIG_BYTES} bytes of JSON`,
    });
  }
});
