export * from "./xapi/client.ts";
export * from "./xapi/errors.ts";
