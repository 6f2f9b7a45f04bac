/**
 * The contract of each kind of extension, as suites to run in the tests of the extension. The suite of drivers is
 * `@bioxen/vm-driver/conformance`.
 */
export { alertDelivererContract, type DelivererUnderTest } from "./alert-deliverer-contract.ts";
export { cellModelContract } from "./cell-model-contract.ts";
export { placementPolicyContract } from "./placement-policy-contract.ts";
