/** Returns the text as one word of a POSIX shell, in single quotes: only the single quote itself needs escaping. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
