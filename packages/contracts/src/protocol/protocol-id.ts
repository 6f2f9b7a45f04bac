/** The `id` of docs/asyncapi.json, by which schemas elsewhere refer to its components. */
export const PROTOCOL_ID = "urn:bioxen:protocol";
