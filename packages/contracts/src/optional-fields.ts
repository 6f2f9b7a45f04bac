import * as z from "zod";

/**
 * Returns the fields of an object schema without their defaults, each optional. Files that describe many VMs use them:
 * in a file a default of its own takes precedence over the default of the contract.
 */
export function optionalFields<Name extends string>(
  fields: Readonly<Record<Name, z.ZodType>>,
): Record<Name, z.ZodOptional<z.ZodType>> {
  return Object.fromEntries(
    Object.entries<z.ZodType>(fields).map(([name, field]) => [name, withoutDefault(field).optional()]),
  ) as Record<Name, z.ZodOptional<z.ZodType>>;
}

function withoutDefault(field: z.ZodType): z.ZodType {
  if (field instanceof z.ZodDefault || field instanceof z.ZodOptional) {
    return withoutDefault(field.unwrap() as z.ZodType);
  }
  return field;
}
