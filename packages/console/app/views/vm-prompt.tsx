/**
 * A prompt into the guest: Lua in a cell, a shell script in a machine. What the guest prints appears below, live.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { API, ApiError, command, queryText } from "../api/client.ts";
import { EventStream } from "../api/sse.ts";
import { mayCommand } from "../live.ts";
import type { GuestLine, Result, VmView } from "../model/types.ts";
import { Button, Card, Empty } from "../ui/basics.tsx";

interface Entry {
  readonly kind: "input" | "output" | "result" | "error" | "line";
  readonly text: string;
}

/** Entries that the prompt keeps: some screens, so that a chatty guest does not fill the memory. */
const KEPT = 500;

function answerOf({ result, stdout, instructions, simMinute }: Result<"vmExec">): Entry[] {
  const printed: Entry[] = stdout === "" ? [] : [{ kind: "output", text: stdout }];
  const value =
    result === undefined || result === null
      ? "nil"
      : typeof result === "string"
        ? result
        : JSON.stringify(result, undefined, 2);
  const note =
    simMinute === null ? `${instructions} instructions` : `minute ${simMinute}, ${instructions} instructions`;
  return [...printed, { kind: "result", text: `${value}    (${note})` }];
}

function errorOf(thrown: unknown): Entry[] {
  const { traceback, stdout } = thrown instanceof ApiError ? thrown.details : {};
  const message = thrown instanceof ApiError ? `${thrown.code}: ${thrown.message}` : String(thrown);
  return [message, traceback, stdout].flatMap((one): Entry[] =>
    typeof one === "string" && one !== "" ? [{ kind: "error", text: one }] : [],
  );
}

function useGuestLines(vmId: string, add: (entries: readonly Entry[]) => void): void {
  useEffect(() => {
    const stream = new EventStream({
      url: () => `${API}logs${queryText({ vm: vmId })}`,
      onEvent: ({ data }) => {
        const line = JSON.parse(data) as GuestLine;
        if (line.vmId === vmId) add([{ kind: "line", text: line.line }]);
      },
      onState: () => undefined,
    });
    return () => stream.close();
  }, [vmId]);
}

export function PromptTab({ vm }: { readonly vm: VmView }) {
  const [entries, setEntries] = useState<readonly Entry[]>([]);
  const [source, setSource] = useState("return cell.growth_rate()");
  const [isRunning, setRunning] = useState(false);
  const [isReadOnly, setReadOnly] = useState(false);
  const sent = useRef<string[]>([]);
  const add = (more: readonly Entry[]) => setEntries((last) => [...last, ...more].slice(-KEPT));
  useGuestLines(vm.vmId, add);
  const run = async () => {
    if (source.trim() === "" || isRunning) return;
    sent.current.push(source);
    setRunning(true);
    add([{ kind: "input", text: source }]);
    const payload = { vmId: vm.vmId, source, ...(isReadOnly ? { readOnly: true } : {}) };
    const answer = command<Result<"vmExec">>("vm", "exec", payload);
    add(await answer.then(answerOf, errorOf));
    setRunning(false);
  };
  const hasGuest = vm.state === "running" || vm.state === "paused";
  return (
    <Card title={vm.vmType === "xcpng" ? "Prompt" : "Lua prompt"}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable with the keyboard (WCAG 2.1.1) */}
      <div class="console-out" role="log" aria-label="Output of the guest" tabIndex={0}>
        {entries.length === 0 && (
          <p class="muted">What programs return and what the guest prints appears here.</p>
        )}
        {entries.map(({ kind, text }, at) => (
          <pre key={at} class={`entry is-${kind}`}>
            {kind === "input" ? `> ${text}` : text}
          </pre>
        ))}
      </div>
      {!hasGuest ? (
        <Empty title="The VM has no guest now">Start the VM to run programs in it.</Empty>
      ) : !mayCommand.value ? (
        <p class="muted">An observer runs no programs.</p>
      ) : (
        <form
          class="form"
          onSubmit={(event) => {
            event.preventDefault();
            void run();
          }}
        >
          <label class="field">
            <span>Program (Ctrl+Enter runs it)</span>
            <textarea
              rows={4}
              value={source}
              spellcheck={false}
              onInput={(event) => setSource(event.currentTarget.value)}
              onKeyDown={(event) => {
                if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
                  event.preventDefault();
                  void run();
                }
              }}
            />
          </label>
          <div class="row between">
            <label class="row">
              <input
                type="checkbox"
                checked={isReadOnly}
                onChange={(event) => setReadOnly(event.currentTarget.checked)}
              />
              On a copy: changes nothing, leaves no event
            </label>
            <Button type="submit" kind="primary" disabled={isRunning}>
              {isRunning ? "Running" : "Run"}
            </Button>
          </div>
        </form>
      )}
    </Card>
  );
}
