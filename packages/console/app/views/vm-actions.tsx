/**
 * The actions on a VM, with their forms.
 */
import { useState } from "preact/hooks";
import { command } from "../api/client.ts";
import { fleet } from "../live.ts";
import { type Action, actionsIn, type Payload, undoOf } from "../model/actions.ts";
import type { VmView } from "../model/types.ts";
import { count, inOrder, resourceName } from "../model/words.ts";
import { Button } from "../ui/basics.tsx";
import { confirmed, Dialog } from "../ui/dialog.tsx";
import { act } from "../ui/messages.tsx";

interface FormProps {
  readonly vm: VmView;
  readonly onSend: (payload: Payload) => void;
}

/** An amount as a request has it: an integer, or a share such as `50%`. */
export function amountOf(text: string): number | string {
  return /^\d+$/.test(text.trim()) ? Number(text) : text.trim();
}

function textsOf(form: HTMLFormElement): Record<string, string> {
  const entries = [...new FormData(form).entries()].filter(
    ([, value]) => typeof value === "string" && value.trim() !== "",
  );
  return Object.fromEntries(entries) as Record<string, string>;
}

function Resize({ vm }: FormProps) {
  return (
    <div class="form-grid">
      {inOrder(vm.request)
        .filter(([name]) => name !== "dnaKilobases")
        .map(([name, amount]) => (
          <label class="field" key={name}>
            <span>{resourceName(name)}</span>
            <input name={name} inputMode="numeric" placeholder={count(vm.allocation?.[name] ?? amount)} />
          </label>
        ))}
      <p class="hint">An amount, or a share of the full demand such as 50%. An empty field stays as it is.</p>
    </div>
  );
}

const MEDIUM: readonly [string, string, string][] = [
  ["nutrientQuality", "Nutrient quality", "0 to 1"],
  ["substrate", "Substrate", "amount"],
  ["chloramphenicolMicromolar", "Chloramphenicol (µM)", "0 or more"],
];

function Medium(_: FormProps) {
  return (
    <div class="form-grid">
      {MEDIUM.map(([name, title, hint]) => (
        <label class="field" key={name}>
          <span>{title}</span>
          <input name={name} type="number" min="0" step="any" placeholder={hint} />
        </label>
      ))}
      <p class="hint">An empty field stays as it is.</p>
    </div>
  );
}

function Migrate({ vm }: FormProps) {
  const others = [...fleet.chassis.keys()].filter((id) => id !== vm.chassisId);
  return (
    <label class="field">
      <span>To chassis</span>
      <select name="chassisId">
        <option value="">any with room</option>
        {others.map((id) => (
          <option key={id} value={id}>
            {id}
          </option>
        ))}
      </select>
    </label>
  );
}

function Snapshot(_: FormProps) {
  return (
    <label class="field">
      <span>Name of the snapshot</span>
      <input name="snapshotId" placeholder="made for you" pattern="[a-z0-9]([a-z0-9\-]{0,61}[a-z0-9])?" />
      <span class="hint">Lower-case letters, digits and hyphens.</span>
    </label>
  );
}

function Fork({ vm }: FormProps) {
  return (
    <label class="field">
      <span>Id of the new VM</span>
      <input
        name="newVmId"
        required
        defaultValue={`${vm.vmId}-fork`}
        pattern="[a-z0-9]([a-z0-9\-]{0,61}[a-z0-9])?"
      />
      <span class="hint">It has the same settings, another seed, and continues from the present state.</span>
    </label>
  );
}

const FORMS = {
  resize: Resize,
  environment: Medium,
  migrate: Migrate,
  snapshot: Snapshot,
  fork: Fork,
} as const;

/** The payload that the texts of a form mean. */
export function payloadOf(form: Action["form"], texts: Readonly<Record<string, string>>): Payload {
  const entries = Object.entries(texts);
  if (form === "resize")
    return { resources: Object.fromEntries(entries.map(([name, text]) => [name, amountOf(text)])) };
  if (form === "environment")
    return { environment: Object.fromEntries(entries.map(([name, text]) => [name, Number(text)])) };
  return texts;
}

async function actOn(vm: VmView, action: Action, payload: Payload = {}): Promise<boolean> {
  const { vmId } = vm;
  const done = `${vmId}: ${action.label.toLowerCase()} was accepted`;
  const send = (verb: string, fields: Payload) => command("vm", verb, { vmId, ...fields });
  const back = undoOf(vm, action.verb, payload);
  return act(
    done,
    () => send(action.verb, payload),
    back && { done: `${vmId}: ${back.words}`, action: () => send(back.verb, back.payload) },
  );
}

function ActionForm({
  vm,
  action,
  onClose,
}: {
  readonly vm: VmView;
  readonly action: Action;
  readonly onClose: () => void;
}) {
  const Form = FORMS[action.form ?? "resize"];
  const [isSending, setSending] = useState(false);
  const send = async (payload: Payload) => {
    setSending(true);
    const isDone = await actOn(vm, action, payload);
    setSending(false);
    if (isDone) onClose();
  };
  return (
    <Dialog title={`${action.label} ${vm.vmId}`} onClose={onClose}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void send(payloadOf(action.form, textsOf(event.currentTarget)));
        }}
      >
        <Form vm={vm} onSend={(payload) => void send(payload)} />
        <div class="row end">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary" disabled={isSending}>
            {action.label}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

export function VmActions({ vm }: { readonly vm: VmView }) {
  const [open, setOpen] = useState<Action | undefined>();
  const [busy, setBusy] = useState("");
  const run = async (action: Action) => {
    if (action.form !== undefined) return setOpen(action);
    const { question, label, isDanger = false } = action;
    if (question !== undefined && !(await confirmed(`${label} ${vm.vmId}?`, question, label, isDanger)))
      return;
    setBusy(action.verb);
    await actOn(vm, action);
    setBusy("");
  };
  return (
    <>
      {vm.migration !== null && (
        <Button
          onClick={() => void actOn(vm, { verb: "cancel-migration", label: "Cancel the move", from: [] })}
        >
          Cancel the move
        </Button>
      )}
      {actionsIn(vm.state).map((action) => (
        <Button
          key={action.verb}
          kind={action.isDanger === true ? "danger" : action.isPrimary === true ? "primary" : "plain"}
          disabled={busy === action.verb}
          onClick={() => void run(action)}
        >
          {action.label}
        </Button>
      ))}
      {open !== undefined && <ActionForm vm={vm} action={open} onClose={() => setOpen(undefined)} />}
    </>
  );
}
