/**
 * The environment variables of the processes of the stack that are no part of BioXen: nats-server and its guard.
 *
 * The stack's own environment can have secrets, such as the password of a pool or credentials of other programs. A list of
 * what is passed keeps also those out that have no known name. The server reads its settings from its configuration.
 */
const PASSED: readonly string[] = [
  "PATH",
  "HOME",
  "TMPDIR",
  "TZ",
  "LANG",
  "LC_ALL",
  // Where the libraries of a server are that NATS_SERVER_BIN names.
  "LD_LIBRARY_PATH",
  // Settings of the Go runtime: limits of memory and processors, and its diagnostics.
  "GODEBUG",
  "GOGC",
  "GOMAXPROCS",
  "GOMEMLIMIT",
  "GOTRACEBACK",
];

/** Returns the part of `env` that nats-server and its guard get. */
export function serverEnvironment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => PASSED.includes(name)));
}
