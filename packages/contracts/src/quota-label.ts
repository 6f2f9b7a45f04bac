/**
 * The label of a quota, and the subject token that encodes it.
 *
 * A label is written as in `vm.list`: `name` covers every VM with that label, `name=value` those with that value. A
 * subject token allows fewer characters than a label. The token keeps `a-z`, `0-9`, and a single `-` between two of
 * these characters. A run of other characters becomes `--`, the UTF-8 bytes of the run in hexadecimal, and `-`. So
 * `team-a` stays as it is and `team=Red` becomes `team--3d52-ed`. No two labels share a token, and the label can be
 * decoded from its token.
 */

const PLAIN = /[a-z0-9]/;
const ESCAPE = /--([0-9a-f]+)-/g;

/** Encodes a label as one subject token, different for different labels. `label` must be well-formed Unicode. */
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

/** Decodes a token that {@link quotaIdOf} made. */
export function quotaLabelOf(id: string): string {
  return id.replace(ESCAPE, (_all, hex: string) => textOf(hex));
}

/** Begins the label of the quota of an owner. No label of a VM begins with it. */
const OWNER_MARK = "@";

/** Returns the label under which a quota is recorded: that of the VMs, or one that stands for their owner. */
export function recordedQuotaLabel({
  label,
  owner,
}: {
  label?: string | undefined;
  owner?: string | undefined;
}): string {
  return label ?? `${OWNER_MARK}${owner}`;
}

/** Returns the owner whose VMs a quota limits; undefined for the quota of a label. */
export function ownerOfQuota(label: string): string | undefined {
  return label.startsWith(OWNER_MARK) ? label.slice(OWNER_MARK.length) : undefined;
}

/**
 * Returns the labels of all quotas that can apply to a VM, sorted: `name` and `name=value` for each of its labels, and
 * that of its owner, if it is known.
 */
export function quotaLabelsOf(labels: Readonly<Record<string, string>>, owner: string | undefined): string[] {
  const own = owner === undefined ? [] : [recordedQuotaLabel({ owner })];
  return [...own, ...Object.entries(labels).flatMap(([name, value]) => [name, `${name}=${value}`])].sort();
}

/** Returns the UTF-8 bytes of `text` in hexadecimal, two digits for each byte. */
function hexOf(text: string): string {
  return [...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Returns the text that {@link hexOf} encoded. An odd last digit is ignored; bytes that are not UTF-8 become U+FFFD.
 */
function textOf(hex: string): string {
  const bytes = Array.from({ length: hex.length >> 1 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  );
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array(bytes));
}
