export { readChassisTypes } from "./chassis-types.ts";
export * from "./config.ts";
export * from "./host.ts";
export * from "./real-world.ts";
