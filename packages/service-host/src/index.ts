export { readChassisTypes } from "./chassis-types.ts";
export * from "./config.ts";
export {
  createExtension,
  type ExtensionCheck,
  type ExtensionPoint,
  extensionUrl,
  loadExtension,
  missingMethods,
} from "./extensions.ts";
export * from "./gateway-process.ts";
export * from "./host.ts";
export * from "./real-world.ts";
