/**
 * What is run in a machine for one program, so that its deadline holds there whatever becomes of the connection.
 *
 * The program is POSIX shell and comes through standard input, so there is nothing to quote. Behind it comes a mark: a program
 * that arrived in part is not run. It gets a session of its own and no input. A second process waits beside it, and when the time is over
 * kills the whole session; what a program moved into another session is out of reach. A program that ends leaves what it put in
 * the background running.
 *
 * The supervising shell is what sshd waits for. Its exit status is the program's; what only it can know it tells by dying of a signal,
 * which no status of a program can be taken for.
 */

/** The program was ended because its time was over. */
export const TIMED_OUT = "ALRM";
/** Nothing was run: the program did not arrive whole, or the machine has no `setsid`. */
export const NOT_RUN = "USR2";

/**
 * `$1` seconds, `$2` whole seconds for a `sleep` without fractions, `$3` the mark. Without single quotes and line ends: sh, bash,
 * zsh and fish, one of which is the user's login shell, all take it between single quotes.
 */
const SUPERVISOR = [
  "s=$(cat)",
  `case $s in *"$3") s=\${s%"$3"};; *) kill -s ${NOT_RUN} $$;; esac`,
  `command -v setsid >/dev/null || kill -s ${NOT_RUN} $$`,
  "t=",
  'trap "t=1" USR1',
  'setsid sh -c "$s" sh </dev/null & p=$!',
  // A shell that says what was killed would say it to the caller.
  "exec </dev/null >/dev/null 2>&1",
  // The process too: it may not have its session yet.
  'setsid sh -c "sleep $1 || sleep $2; kill -s USR1 $$; kill -s KILL -- -$p $p" & w=$!',
  "wait $p; c=$?",
  `if [ -n "$t" ]; then wait $p; kill -s ${TIMED_OUT} $$; fi`,
  "kill -s KILL -- -$w $w",
  "exit $c",
].join("; ");

/** A word of POSIX shell that means `text`. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The command for sshd. `mark`: letters and digits nobody can guess; the program's bytes end with it. */
export function remoteCommand(timeoutMs: number, mark: string): string {
  const args = [(timeoutMs / 1000).toFixed(3), String(Math.ceil(timeoutMs / 1000)), mark];
  return ["exec sh -c", quoted(SUPERVISOR), "bioxen", ...args.map(quoted)].join(" ");
}
