export {
  LogVerifier,
  MAX_VIOLATIONS,
  type Rule,
  type VerifierReport,
  type Violation,
} from "./verifier.ts";
