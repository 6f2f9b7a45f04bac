/**
 * What a fleet file may say, and the JSON Schema that editors check it with.
 *
 * A VM is described in the words of `bioxen.cmd.vm.create`, so that a file can say whatever a command can, and nothing else. Fields are
 * declared without their defaults here: `defaults` of the file go before those of the contract.
 */
import { createRequest, id, labelKey, labelValue } from "@bioxen/contracts";
import { z } from "zod";

/** VMs of one fleet: a diff that a person still reads through, and a minute's work for one stack. */
export const MAX_FLEET_VMS = 10_000;
/** Names beginning so are written by `bioxen` itself. */
const OWN_LABELS = "bioxen.io/";
/** Which fleet a VM belongs to: only what carries it is changed or pruned. */
export const FLEET_LABEL = "bioxen.io/fleet";
/** Digest of the program a VM was made with: views do not repeat the program itself. */
export const PROGRAM_LABEL = "bioxen.io/program";

export const FLEET_STATES = ["running", "paused", "stopped"] as const;
export type FleetState = (typeof FLEET_STATES)[number];

function withoutDefault(field: z.ZodType): z.ZodType {
  if (field instanceof z.ZodDefault || field instanceof z.ZodOptional) {
    return withoutDefault(field.unwrap() as z.ZodType);
  }
  return field;
}

const { vmId: _vmId, labels: _labels, ...createFields } = createRequest.shape;

const fleetLabels = z.record(
  labelKey.refine((name) => !name.startsWith(OWN_LABELS), `must not begin with ${OWN_LABELS}`),
  labelValue,
);

const vmFields = {
  ...(Object.fromEntries(
    Object.entries(createFields).map(([name, field]) => [name, withoutDefault(field).optional()]),
  ) as Record<string, z.ZodOptional<z.ZodType>>),
  labels: fleetLabels.optional().describe("added to those of `defaults`"),
  programFile: z
    .string()
    .min(1)
    .optional()
    .describe("file with the Lua program, relative to this one; instead of `program`"),
  state: z.enum(FLEET_STATES).optional().describe("what it shall be; default running"),
};

const fleetVm = z.strictObject({
  vmId: id.describe("its id; with `count` what its ids begin with"),
  count: z
    .int()
    .min(1)
    .max(MAX_FLEET_VMS)
    .optional()
    .describe("so many alike: `cell` with 3 is cell-1, cell-2 and cell-3"),
  ...vmFields,
});

export const fleetFile = z
  .strictObject({
    fleet: id.describe("name of the fleet; its VMs carry the label bioxen.io/fleet with it"),
    defaults: z.strictObject(vmFields).optional().describe("what holds for every VM that says nothing else"),
    vms: z.array(fleetVm).max(MAX_FLEET_VMS),
  })
  .meta({ title: "BioXen fleet", description: "What `bioxen apply -f FILE` makes so." });

export type FleetFile = z.infer<typeof fleetFile>;

/** docs/fleet.schema.json */
export function fleetSchemaDocument(): string {
  const schema = z.toJSONSchema(fleetFile, { io: "input", unrepresentable: "any" });
  return `${JSON.stringify(schema, null, 2)}\n`;
}
