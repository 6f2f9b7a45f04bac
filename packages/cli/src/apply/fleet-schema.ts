/**
 * The schema of a fleet file, and the JSON Schema by which editors check it.
 *
 * A VM has exactly the fields of `bioxen.cmd.vm.create`, plus `count`, `programFile` and `state`. The fields are
 * declared without their defaults here, because `defaults` of the file take precedence over the defaults of the
 * contract.
 */
import {
  createRequest,
  id,
  labelKey,
  labelValue,
  optionalFields,
  publishedSchema,
  RESERVED_LABELS,
} from "@bioxen/contracts";
import * as z from "zod";

/**
 * Maximum number of VMs in one fleet. The list of changes to a fleet of this size is still readable, and one stack
 * applies them in about a minute.
 */
export const MAX_FLEET_VMS = 10_000;
/** Label with the name of the fleet. `apply` changes and prunes only VMs with this label. */
export const FLEET_LABEL = "bioxen.io/fleet";
/**
 * Label with the digest of the program of a VM. The service does not return the program itself, so `apply` finds a
 * changed program by its digest.
 */
export const PROGRAM_LABEL = "bioxen.io/program";

export const FLEET_STATES = ["running", "paused", "stopped"] as const;
export type FleetState = (typeof FLEET_STATES)[number];

const { vmId: _vmId, labels: _labels, expectedVersion: _version, ...createFields } = createRequest.shape;

const fleetLabels = z.record(
  labelKey.refine(
    (name) => !name.startsWith(RESERVED_LABELS),
    `must not begin with ${RESERVED_LABELS}: reserved for bioxen`,
  ),
  labelValue,
);

const vmFields = {
  ...(optionalFields(createFields) as Record<string, z.ZodOptional<z.ZodType>>),
  labels: fleetLabels.optional().describe("labels of the VM, in addition to those of `defaults`"),
  programFile: z
    .string()
    .min(1)
    .optional()
    .describe("file with the Lua program, relative to this file; instead of `program`"),
  state: z.enum(FLEET_STATES).optional().describe("desired state; default running"),
};

const fleetVm = z.strictObject({
  vmId: id.describe("id of the VM; with `count`, the prefix of the ids"),
  count: z
    .int()
    .min(1)
    .max(MAX_FLEET_VMS)
    .optional()
    .describe("number of identical VMs: `cell` with 3 gives cell-1, cell-2 and cell-3"),
  ...vmFields,
});

export const fleetFile = z
  .strictObject({
    fleet: id.describe("name of the fleet; its VMs carry it as the label bioxen.io/fleet"),
    defaults: z
      .strictObject(vmFields)
      .optional()
      .describe("fields of every VM that does not set them itself"),
    vms: z.array(fleetVm).max(MAX_FLEET_VMS),
  })
  .meta({ title: "BioXen fleet", description: "Desired VMs of one fleet, for `bioxen apply -f FILE`." });

export type FleetFile = z.infer<typeof fleetFile>;

/** Returns the content of the file docs/fleet.schema.json. */
export function fleetSchemaDocument(): string {
  const { $schema, ...schema } = publishedSchema(fleetFile, "sent");
  return `${JSON.stringify({ $schema, $id: "urn:bioxen:fleet", ...schema }, null, 2)}\n`;
}
