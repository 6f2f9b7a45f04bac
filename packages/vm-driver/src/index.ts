export * from "./changes.ts";
export {
  containedDriver,
  driverProblems,
  type OnTrouble,
} from "./contained.ts";
export * from "./daughters.ts";
export * from "./driver.ts";
export * from "./driver-error.ts";
export * from "./exec.ts";
export * from "./fences.ts";
export * from "./guest-capabilities.ts";
export * from "./guest-checkpoint.ts";
export * from "./guest-event.ts";
export * from "./guest-record.ts";
export * from "./guest-sample.ts";
export * from "./host-room.ts";
export * from "./remains.ts";
export * from "./scripted.ts";
