/**
 * The supervising shell command that runs a program in a machine and enforces its deadline there, even if the
 * connection is lost.
 *
 * The program is POSIX shell and arrives on standard input, so that it needs no quoting. A mark follows the program; a
 * program without the mark is incomplete and is not run. The program gets its own session and no input. A watchdog
 * process kills that session at the deadline; processes that the program moved to another session survive. When a
 * program ends in time, its background processes keep running.
 *
 * sshd waits for the supervisor, whose exit status is the program's. To report a killed or unstarted program, the
 * supervisor ends itself with a signal. sshd reports a signal differently from an exit status, so the two cannot be
 * confused.
 */

/** Signal by which the supervisor reports that it killed the program at its deadline. */
export const TIMED_OUT = "ALRM";
/**
 * Signal by which the supervisor reports that it ran nothing: the program arrived incomplete, or the machine has no
 * `setsid`.
 */
export const NOT_RUN = "USR2";

/**
 * The supervisor's script. `$1` is the deadline in seconds. `$2` is the deadline in whole seconds, for a `sleep` that
 * accepts no fractions. `$3` is the mark. The script has no single quotes and no line ends, so that any login shell
 * (sh, bash, zsh, fish) accepts it between single quotes.
 */
const SUPERVISOR = [
  "s=$(cat)",
  `case $s in *"$3") s=\${s%"$3"};; *) kill -s ${NOT_RUN} $$;; esac`,
  `command -v setsid >/dev/null || kill -s ${NOT_RUN} $$`,
  "t=",
  'trap "t=1" USR1',
  'setsid sh -c "$s" sh </dev/null & p=$!',
  // The supervisor's own messages, such as "Killed", must not reach the caller.
  "exec </dev/null >/dev/null 2>&1",
  // The watchdog kills the program's session ("-$p"). It also kills the program's process ("$p"), because that process
  // may not have its own session yet.
  'setsid sh -c "sleep $1 || sleep $2; kill -s USR1 $$; kill -s KILL -- -$p $p" & w=$!',
  "wait $p; c=$?",
  `if [ -n "$t" ]; then wait $p; kill -s ${TIMED_OUT} $$; fi`,
  "kill -s KILL -- -$w $w",
  "exit $c",
].join("; ");

/** Returns `text`, quoted as one word of a POSIX shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Returns the command that sshd runs in the machine. `mark` is a random string of letters and digits; the caller sends
 * it after the program.
 */
export function remoteCommand(timeoutMs: number, mark: string): string {
  const args = [(timeoutMs / 1000).toFixed(3), String(Math.ceil(timeoutMs / 1000)), mark];
  return ["exec sh -c", quoted(SUPERVISOR), "bioxen", ...args.map(quoted)].join(" ");
}
