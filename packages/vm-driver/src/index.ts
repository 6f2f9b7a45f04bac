export * from "./driver.ts";
export * from "./driver-error.ts";
export * from "./fences.ts";
export * from "./scripted.ts";
