/**
 * The label a quota is for, and the subject token that stands for it.
 *
 * A label is written as in `vm.list`: `name` is every VM that carries it with whatever value, `name=value` those with that
 * value. A token of a subject has fewer letters than a label: what is none of `a-z 0-9`, nor a single `-` between two of
 * them, becomes `--`, its UTF-8 bytes in hexadecimal, and `-`. So `team-a` stays as it is, `team=Red` is `team--3d52-ed`, no
 * two labels share a token, and a token tells its label.
 */

const PLAIN = /[a-z0-9]/;
const ESCAPE = /--([0-9a-f]+)-/g;

/** One subject token; different for different labels. `label` must be well-formed Unicode. */
export function quotaIdOf(label: string): string {
  let id = "";
  let escaped = "";
  const end = () => {
    if (escaped !== "") id += `--${escaped}-`;
    escaped = "";
  };
  for (let i = 0; i < label.length; ) {
    const letter = String.fromCodePoint(label.codePointAt(i) ?? 0);
    const isBridge = letter === "-" && PLAIN.test(label[i - 1] ?? "") && PLAIN.test(label[i + 1] ?? "");
    if (PLAIN.test(letter) || isBridge) {
      end();
      id += letter;
    } else escaped += hexOf(letter);
    i += letter.length;
  }
  end();
  return id;
}

/** The label of a token that {@link quotaIdOf} made. */
export function quotaLabelOf(id: string): string {
  return id.replace(ESCAPE, (_all, hex: string) => textOf(hex));
}

/** Every label a quota may be for that a VM with these labels carries: `name` and `name=value` of each, in order. */
export function quotaLabelsOf(labels: Readonly<Record<string, string>>): string[] {
  return Object.entries(labels)
    .flatMap(([name, value]) => [name, `${name}=${value}`])
    .sort();
}

/** UTF-8 bytes in hexadecimal, two digits each. */
function hexOf(text: string): string {
  return [...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The inverse of {@link hexOf}. An odd last digit is ignored; bytes that are not UTF-8 become U+FFFD. */
function textOf(hex: string): string {
  const bytes = Array.from({ length: hex.length >> 1 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  );
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array(bytes));
}
