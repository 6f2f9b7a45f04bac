/**
 * The one rule that keeps secrets out of commands. A command becomes an event of an append-only log that many may read,
 * so a password or key in it could never be taken back.
 *
 * A secret cannot be recognised by its value, except for a few known forms. So the rule looks at names: a field, a label
 * or a variable of a program that is named like a secret and has a value is refused. The refusal names the path, and
 * never the value. A secret under an innocent name is not found.
 */
import type { Problem } from "./endpoints/problem.ts";

/** Names of fields, labels and variables that suggest a secret. */
const SECRET_NAME =
  /pass(?:word|wd|phrase)?$|password|passwd|passphrase|secret|credential|private.?key|api.?key|^key$|token/i;
/** Secrets whose form alone shows what they are: private keys in PEM, and seeds of NATS. */
const SECRET_FORM = /-----BEGIN [A-Z ]*PRIVATE KEY-----|\bS[UAONX][A-Z2-7]{56}\b/;
/**
 * An assignment of a text in Lua: a name, `=`, and a quoted text that is not empty. A match begins only at the start of a
 * word, so that the time grows with the length of a line, and not with its square.
 */
const LUA_TEXT = /(?<![A-Za-z0-9_])([A-Za-z_][A-Za-z0-9_]*)["']?\]?\s*=\s*(?:"[^"\n$]+"|'[^'\n]+'|\[=*\[)/g;
/** An assignment of a word in a shell: a name in capitals directly before `=`, and a word that is no variable. */
const SHELL_WORD = /(?:^|[\s;&|])([A-Z_][A-Z0-9_]*)=(?=[^\s"'$=])/g;

const REMEDY = "looks like a credential: credentials belong to the agent's configuration, never to a command";

/** Returns the problems of all fields in `value`, at any depth, that are named like a secret or have its form. */
export function secretsIn(value: unknown, path: readonly string[] = []): Problem[] {
  if (typeof value === "string") {
    return SECRET_FORM.test(value) ? [{ path: path.join("."), message: REMEDY }] : [];
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const here = [...path, name];
    return SECRET_NAME.test(name) ? [{ path: here.join("."), message: REMEDY }] : secretsIn(inner, here);
  });
}

/** Returns the problems of a program that assigns a text to a variable which is named like a secret. */
export function secretsInProgram(source: string): string[] {
  const problems: string[] = [];
  for (const [at, line] of source.split("\n").entries()) {
    const names = [...line.matchAll(LUA_TEXT), ...line.matchAll(SHELL_WORD)].map(([, name = ""]) => name);
    const name = names.find((one) => SECRET_NAME.test(one));
    if (name !== undefined) problems.push(`line ${at + 1}: the value of ${name} ${REMEDY}`);
    else if (SECRET_FORM.test(line)) problems.push(`line ${at + 1} ${REMEDY}`);
  }
  return problems;
}
