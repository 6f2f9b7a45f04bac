/**
 * What a description of a VM means: its predicted growth, and where it would live now.
 */
import { useEffect, useState } from "preact/hooks";
import { queryWith } from "../api/client.ts";
import { type Draft, planOf, SHARED } from "../model/draft.ts";
import type { Amounts, Result } from "../model/types.ts";
import { figure, percent, resourceName } from "../model/words.ts";
import { Card, ErrorNote, Facts, Loading } from "../ui/basics.tsx";

interface Prediction {
  readonly doublingTimeMinutes: number | null;
  readonly relativeGrowthRate: number;
  readonly amounts: Amounts;
}

/** Time after the last change before the model is asked, ms: a slider sends a change for each step. */
const SETTLE_MS = 150;

/** Computes the steady growth in the page. The models are loaded with the first prediction. */
async function predict({ biologicalType, shares, nutrient }: Draft): Promise<Prediction> {
  const { cellTypeOf, steadyState } = await import("@bioxen/cell-models");
  const full = cellTypeOf(biologicalType).fullDemand;
  const amounts = { ...full };
  for (const name of SHARED) amounts[name] = Math.ceil(((full[name] ?? 0) * (shares[name] ?? 100)) / 100);
  const environment = nutrient === "" ? {} : { nutrientQuality: Number(nutrient) };
  const { doublingTimeMinutes, relativeGrowthRate } = steadyState({
    biologicalType,
    allocation: amounts,
    environment,
  });
  return { doublingTimeMinutes, relativeGrowthRate, amounts };
}

export function useSettled<T>(value: T, key: string): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [key]);
  return settled;
}

export function PredictionCard({ draft }: { readonly draft: Draft }) {
  const [prediction, setPrediction] = useState<Prediction | undefined>();
  const [problem, setProblem] = useState("");
  useEffect(() => {
    let isCurrent = true;
    predict(draft).then(
      (found) => {
        if (!isCurrent) return;
        setPrediction(found);
        setProblem("");
      },
      (error: unknown) => isCurrent && setProblem(error instanceof Error ? error.message : String(error)),
    );
    return () => {
      isCurrent = false;
    };
  }, [draft]);
  const minutes = prediction?.doublingTimeMinutes;
  return (
    <Card title="Predicted growth">
      {problem !== "" && <p class="note is-error">{problem}</p>}
      {prediction === undefined ? (
        <Loading lines={3} />
      ) : (
        <div aria-live="polite">
          <p class="big num">
            {minutes == null ? "does not grow" : `${figure(minutes)} min`}
            <small class="muted"> {minutes == null ? "" : "doubling time"}</small>
          </p>
          <p class="muted">
            {percent(prediction.relativeGrowthRate)} of the reference rate of its type, by the built-in model
          </p>
          <Facts
            facts={SHARED.map((name) => [resourceName(name), figure(prediction.amounts[name] ?? 0)] as const)}
          />
        </div>
      )}
    </Card>
  );
}

export function PlacementCard({ draft }: { readonly draft: Draft }) {
  const [plan, setPlan] = useState<Result<"placementPlan"> | undefined>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    let isCurrent = true;
    queryWith<Result<"placementPlan">>("placement", "plan", planOf(draft)).then(
      (found) => {
        if (!isCurrent) return;
        setPlan(found);
        setError(undefined);
      },
      (thrown: unknown) => isCurrent && setError(thrown),
    );
    return () => {
      isCurrent = false;
    };
  }, [draft]);
  const [place] = plan?.placements ?? [];
  const reasons = plan?.deferrals.flatMap((deferral) => deferral.reasons) ?? [];
  return (
    <Card title="Placement now">
      {error !== undefined && <ErrorNote error={error} />}
      {plan === undefined && error === undefined && <Loading lines={2} />}
      {plan !== undefined && error === undefined && (
        <div aria-live="polite" class="stack">
          {place === undefined ? (
            <p>
              <strong>No chassis has room now.</strong> A started VM waits for a place. What no chassis could
              ever hold is refused.
            </p>
          ) : (
            <p>
              on <strong>{place.chassisId}</strong>, score {place.score} of 1000
            </p>
          )}
          {reasons.length > 0 && (
            <ul class="plain-list small muted">
              {reasons.map(({ chassisId, message }) => (
                <li key={`${chassisId} ${message}`}>
                  {chassisId ?? "cluster"}: {message}
                </li>
              ))}
            </ul>
          )}
          {plan.preemptions.length > 0 && (
            <p class="small">
              It would preempt{" "}
              {plan.preemptions.flatMap(({ victims }) => victims.map(({ vmId }) => vmId)).join(", ")}.
            </p>
          )}
        </div>
      )}
    </Card>
  );
}
