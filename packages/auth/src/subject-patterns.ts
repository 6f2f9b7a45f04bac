/**
 * Subjects with wildcards, as NATS matches them: `*` stands for one token, and a final `>` for one or more.
 */

/** Returns true when every subject that matches `subject` (which may have wildcards itself) also matches `pattern`. */
export function covers(pattern: string, subject: string): boolean {
  const wide = pattern.split(".");
  const narrow = subject.split(".");
  for (const [i, token] of wide.entries()) {
    const other = narrow[i];
    if (other === undefined) return false;
    if (token === ">") return true;
    if (other === ">") return false;
    if (token !== "*" && token !== other) return false;
  }
  return wide.length === narrow.length;
}
