/**
 * The release number of BioXen, shown by `bioxen --version`, by every service's `$SRV.INFO` and in docs/asyncapi.json.
 * Every manifest of the workspace has the same number; test/tidy.test.ts compares them.
 */
export const BIOXEN_VERSION = "0.2.0";
