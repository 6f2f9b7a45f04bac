export { MAX_VIOLATIONS, type Rule, type VerifierReport, type Violation } from "./report.ts";
export { skipsOf } from "./skips.ts";
export { type ExpectedSeal, LogVerifier } from "./verifier.ts";
