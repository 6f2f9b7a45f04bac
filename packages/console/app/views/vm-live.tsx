/**
 * The live charts of a VM: what its telemetry says, from the moment the page was opened.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { type Line, LineChart } from "../charts/line-chart.tsx";
import { fleet, samplesTick } from "../live.ts";
import { Recent } from "../model/recent.ts";
import type { VmSample, VmView } from "../model/types.ts";
import { Card } from "../ui/basics.tsx";

type Reading = (sample: VmSample) => number | null | undefined;

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly lines: Readonly<Record<string, Reading>>;
}

const PANELS: readonly Panel[] = [
  { title: "Doubling time", unit: "min", lines: { "doubling time": (s) => s.doublingTimeMinutes } },
  {
    title: "Ribosomes",
    unit: "",
    lines: {
      engaged: (s) => s.ribosomes?.engaged,
      total: (s) => s.ribosomes?.total,
      cap: (s) => s.ribosomes?.cap,
    },
  },
  { title: "ATP", unit: "per s", lines: { used: (s) => s.atp?.perSecond, cap: (s) => s.atp?.capPerSecond } },
  { title: "Health", unit: "0 to 100", lines: { health: (s) => s.health } },
];
const MACHINE: Panel = {
  title: "Machine",
  unit: "‰",
  lines: {
    CPU: (s) => s.machine?.cpuPermille,
    memory: ({ machine }) =>
      machine?.memoryUsedMiB == null ? null : (1000 * machine.memoryUsedMiB) / machine.memoryMiB,
  },
};

/** Outputs of a model that one chart shows: more lines cannot be told apart. */
const MAX_OUTPUTS = 8;

function panelsOf(sample: VmSample): readonly Panel[] {
  const outputs = Object.keys(sample.outputs ?? {}).slice(0, MAX_OUTPUTS);
  const lines = Object.fromEntries(
    outputs.map((name): [string, Reading] => [name, (s) => s.outputs?.[name]]),
  );
  const cell = sample.growthRatePerMinute === undefined ? [] : PANELS;
  return [
    ...cell,
    ...(sample.machine === undefined ? [] : [MACHINE]),
    ...(outputs.length === 0 ? [] : [{ title: "Outputs of the model", unit: "", lines }]),
  ];
}

export function LiveCharts({ vm }: { readonly vm: VmView }) {
  const recent = useRef(new Recent());
  const [, redraw] = useState(0);
  const tick = samplesTick.value;
  useEffect(() => recent.current.clear(), [vm.vmId]);
  useEffect(() => {
    const sample = fleet.samples.get(vm.vmId);
    if (sample !== undefined && recent.current.add(sample)) redraw((last) => last + 1);
  }, [tick, vm.vmId]);
  const { points } = recent.current;
  const sample = points.at(-1);
  if (sample === undefined) {
    return (
      <Card title="Live">
        <p class="muted">
          {vm.state === "running"
            ? "The first sample arrives within a second."
            : "A VM sends telemetry while its guest runs."}
        </p>
      </Card>
    );
  }
  const x = points.map(({ simMinutes }) => simMinutes);
  return (
    <div class="charts">
      {panelsOf(sample).map(({ title, unit, lines }) => (
        <Card key={title} label={title}>
          <LineChart
            title={title}
            unit={unit}
            x={x}
            xUnit="simulated minutes"
            lines={Object.entries(lines).map(
              ([name, read]): Line => ({ name, values: points.map((point) => read(point) ?? null) }),
            )}
          />
        </Card>
      ))}
    </div>
  );
}
