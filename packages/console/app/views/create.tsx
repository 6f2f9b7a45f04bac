/**
 * Creating a VM, guided: every choice shows at once what it means for growth, where the VM would live, and the same
 * creation as a command line and as an HTTP request.
 */
import { useMemo, useState } from "preact/hooks";
import { ApiError, command } from "../api/client.ts";
import { fleet, isTenant, session } from "../live.ts";
import { commandLineOf, type Draft, httpRequestOf, requestOf, SHARED } from "../model/draft.ts";
import type { Result } from "../model/types.ts";
import { resourceName } from "../model/words.ts";
import { go, to } from "../router.ts";
import { Button, ErrorNote } from "../ui/basics.tsx";
import { CopyBlock } from "../ui/copy-block.tsx";
import { act, say } from "../ui/messages.tsx";
import { Page } from "../ui/page.tsx";
import { PlacementCard, PredictionCard, useSettled } from "./create-cards.tsx";

function Share({
  name,
  value,
  onChange,
}: {
  readonly name: string;
  readonly value: number;
  readonly onChange: (value: number) => void;
}) {
  return (
    <label class="share">
      <span>{resourceName(name)}</span>
      <input
        type="range"
        min="5"
        max="100"
        step="5"
        value={value}
        onInput={(event) => onChange(Number(event.currentTarget.value))}
      />
      <output class="num">{value} %</output>
    </label>
  );
}

const TYPES = [
  ["syn3a", "JCVI-syn3A", "a minimal cell, doubles in 105 min"],
  ["minimal_cell", "JCVI-syn3.0", "the smallest genome, doubles in 180 min"],
  ["ecoli", "E. coli K-12", "a fast cell, doubles in 40 min"],
] as const;

type Change = (changes: Partial<Draft>) => void;

function Kind({ draft, change }: { readonly draft: Draft; readonly change: Change }) {
  return (
    <fieldset class="group">
      <legend class="block-legend">Biological type</legend>
      <div class="choices-grid">
        {TYPES.map(([type, title, hint]) => (
          <label class={`option ${draft.biologicalType === type ? "is-chosen" : ""}`} key={type}>
            <input
              type="radio"
              name="type"
              checked={draft.biologicalType === type}
              onChange={() => change({ biologicalType: type })}
            />
            <span>
              <strong>{title}</strong>
              <span class="hint">{hint}</span>
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function More({ draft, change }: { readonly draft: Draft; readonly change: Change }) {
  const text = (name: "label" | "seed" | "record" | "nutrient", title: string, placeholder: string) => (
    <label class="field">
      <span>{title}</span>
      <input
        value={draft[name]}
        placeholder={placeholder}
        onInput={(event) => change({ [name]: event.currentTarget.value })}
      />
    </label>
  );
  return (
    <>
      <div class="form-grid">
        <label class="field">
          <span>Priority</span>
          <select
            value={draft.priority}
            onChange={(event) => change({ priority: Number(event.currentTarget.value) })}
          >
            {[1, 2, 3, 4, 5].map((one) => (
              <option key={one} value={one}>
                {one}
                {one === 1 ? " (low)" : one === 5 ? " (high)" : ""}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>Chassis</span>
          <select
            value={draft.chassisId}
            onChange={(event) => change({ chassisId: event.currentTarget.value })}
          >
            <option value="">any with room</option>
            {[...fleet.chassis.keys()].map((id) => (
              <option key={id}>{id}</option>
            ))}
          </select>
        </label>
        {text("label", "Label", "name=value")}
        {text("seed", "Seed", "random")}
        {text("nutrient", "Nutrient quality", "default of the type")}
        {text("record", "Record every … minutes", "nothing")}
      </div>
      <label class="field">
        <span>Lua program that runs at its start</span>
        <textarea
          rows={3}
          value={draft.program}
          placeholder="none"
          spellcheck={false}
          onInput={(event) => change({ program: event.currentTarget.value })}
        />
      </label>
      <label class="row">
        <input
          type="checkbox"
          checked={draft.isStarted}
          onChange={(event) => change({ isStarted: event.currentTarget.checked })}
        />
        Start it at once
      </label>
    </>
  );
}

export function CreateView() {
  // A tenant's VMs begin with its name.
  const first = isTenant.value ? `${session.value?.principal}-` : "";
  const [draft, setDraft] = useState<Draft>({
    vmId: first,
    biologicalType: "syn3a",
    shares: {},
    priority: 1,
    label: "",
    seed: "",
    record: "",
    nutrient: "",
    program: "",
    chassisId: "",
    isStarted: true,
  });
  const [isSending, setSending] = useState(false);
  const [error, setError] = useState<unknown>();
  const change: Change = (changes) => setDraft((last) => ({ ...last, ...changes }));
  const settled = useSettled(draft, JSON.stringify(draft));
  const request = useMemo(() => requestOf(draft), [draft]);
  const create = async () => {
    setSending(true);
    setError(undefined);
    try {
      const { vm } = await command<Result<"vmCreate">>("vm", "create", request);
      go(to(["vms", vm.vmId]));
      // The VM is there, also when its start is refused: its page has the button that starts it.
      if (!draft.isStarted) say(`${vm.vmId} is created`);
      else await act(`${vm.vmId} is created`, () => command("vm", "start", { vmId: vm.vmId }));
    } catch (thrown) {
      setError(thrown instanceof ApiError ? thrown : new Error(String(thrown)));
    }
    setSending(false);
  };
  return (
    <Page title="Create a VM">
      <div class="with-side">
        <form
          class="card form"
          onSubmit={(event) => {
            event.preventDefault();
            void create();
          }}
        >
          <label class="field">
            <span>Id</span>
            <input
              value={draft.vmId}
              placeholder="made for you"
              pattern="[a-z0-9]([a-z0-9\-]{0,61}[a-z0-9])?"
              onInput={(event) => change({ vmId: event.currentTarget.value })}
            />
            <span class="hint">Lower-case letters, digits and hyphens.</span>
          </label>
          <Kind draft={draft} change={change} />
          <fieldset class="group stack">
            <legend class="block-legend">Shares of its full demand</legend>
            {SHARED.map((name) => (
              <Share
                key={name}
                name={name}
                value={draft.shares[name] ?? 100}
                onChange={(value) => change({ shares: { ...draft.shares, [name]: value } })}
              />
            ))}
          </fieldset>
          <More draft={draft} change={change} />
          {error !== undefined && <ErrorNote error={error} />}
          <div class="row end">
            <a class="button" href={to(["vms"])}>
              Cancel
            </a>
            <Button type="submit" kind="primary" disabled={isSending}>
              {draft.isStarted ? "Create and start" : "Create"}
            </Button>
          </div>
        </form>
        <div class="stack">
          <PredictionCard draft={settled} />
          <PlacementCard draft={settled} />
          <CopyBlock title="As a command line" text={commandLineOf(draft)} />
          <CopyBlock title="As an HTTP request" text={httpRequestOf(draft, location.origin)} />
        </div>
      </div>
    </Page>
  );
}
