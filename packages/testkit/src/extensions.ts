/**
 * What every extension of BioXen must do, as suites to run in a package's own tests. The driver's is
 * `@bioxen/vm-driver/conformance`.
 */
export { alertDelivererContract, type DelivererUnderTest } from "./alert-deliverer-contract.ts";
export { cellModelContract } from "./cell-model-contract.ts";
export { placementPolicyContract } from "./placement-policy-contract.ts";
