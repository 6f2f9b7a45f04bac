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
  /pass(?:word|wd|phrase)?$|password|passwd|passphrase|secret|credential|(?:private|api|ssh|access).?key|^key$|token|authorization|bearer|(?:^|[^a-z])pw$/i;
/**
 * Secrets whose form alone shows what they are: private keys in PEM, seeds of NATS, tokens of the gateway, the password of a
 * URL, and the value of a header for a bearer. The repetitions are bounded, so that the time grows with the length of the text only.
 */
const SECRET_FORM =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----|\bS[UAONX][A-Z2-7]{56}\b|\bbioxen_[\w-]{40}|:\/\/[^\s/:@]{0,64}:[^\s/@]{1,256}@|\bBearer [\w.~+/-]{16}/i;
/**
 * An assignment of a text in Lua: a name, `=`, and a quoted text that is not empty. A match begins only at the start of a
 * word, so that the time grows with the length of a line, and not with its square.
 */
const LUA_TEXT = /(?<![A-Za-z0-9_])([A-Za-z_][A-Za-z0-9_]*)["']?\]?\s*=\s*(?:"[^"\n$]+"|'[^'\n]+'|\[=*\[)/g;
/** An assignment of a word in a shell: a name in capitals directly before `=`, and a word that is no variable. */
const SHELL_WORD = /(?:^|[\s;&|])([A-Z_][A-Z0-9_]*)=(?=[^\s"'$=])/g;

/** An assignment after a word that only a shell has, and an option of a command with its value, in any case. */
const SHELL_PHRASE =
  /(?:\b(?:export|env|readonly|declare) |--)([A-Za-z_][\w-]{0,63})=(?=[^\s"'$=]|"[^"$]|'[^'])/g;

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
    const names = [LUA_TEXT, SHELL_WORD, SHELL_PHRASE].flatMap((assignment) =>
      [...line.matchAll(assignment)].map(([, name = ""]) => name),
    );
    const name = names.find((one) => SECRET_NAME.test(one));
    if (name !== undefined) problems.push(`line ${at + 1}: the value of ${name} ${REMEDY}`);
    else if (SECRET_FORM.test(line)) problems.push(`line ${at + 1} ${REMEDY}`);
  }
  return problems;
}

const REMOVED = "(removed: it may be a credential)";

/**
 * Returns a request that was refused as malformed, without what may be a secret: values under the name of a secret, texts
 * with the form of one or with an assignment of one, `name=value` included. For records of such a request.
 */
export function withoutSecrets(value: unknown): unknown {
  if (typeof value === "string") return mayHoldSecret(value) ? REMOVED : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutSecrets);
  const { key } = value as { key?: unknown };
  const namedByKey = typeof key === "string" && SECRET_NAME.test(key);
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => {
      // The name of a taint or toleration is in its field `key`.
      if (namedByKey && name === "value") return [name, REMOVED];
      return [name, SECRET_NAME.test(name) ? REMOVED : withoutSecrets(inner)];
    }),
  );
}

function mayHoldSecret(text: string): boolean {
  if (SECRET_FORM.test(text) || secretsInProgram(text).length > 0) return true;
  const split = text.indexOf("=");
  return split > 0 && split < text.length - 1 && SECRET_NAME.test(text.slice(0, split).trim());
}

/** Returns `data` of a refused request without secrets; the whole is removed where it is no JSON and may hold one. */
export function dataWithoutSecrets(data: Uint8Array): Uint8Array {
  const text = new TextDecoder().decode(data);
  try {
    return new TextEncoder().encode(JSON.stringify(withoutSecrets(JSON.parse(text))));
  } catch {
    const names = text.match(/[A-Za-z_][\w-]{0,63}/g) ?? [];
    const isSuspect = SECRET_FORM.test(text) || names.some((name) => SECRET_NAME.test(name));
    return isSuspect ? new TextEncoder().encode(JSON.stringify(REMOVED)) : data;
  }
}

/** Returns a line of a log, a JSON document or plain text, without what may be a secret. */
export function lineWithoutSecrets(line: string): string {
  try {
    const cleaned = (name: string, value: unknown) =>
      // A number is the token of a lease, or a count. A service writes no request that could hold a secret number.
      typeof value === "string" && (SECRET_NAME.test(name) || mayHoldSecret(value)) ? REMOVED : value;
    return JSON.stringify(JSON.parse(line, cleaned));
  } catch {
    return mayHoldSecret(line) ? REMOVED : line;
  }
}
