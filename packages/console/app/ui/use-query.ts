/**
 * A query of a view: its last answer, its error, and whether it is under way. The last answer stays while the query is
 * asked again, so that a view does not jump.
 */
import { useEffect, useState } from "preact/hooks";

export interface Asked<T> {
  readonly data: T | undefined;
  readonly error: unknown;
  readonly isLoading: boolean;
  readonly reload: () => void;
}

/** Asks again when a part of `key` changes. An answer that comes after a newer question is dropped. */
export function useQuery<T>(ask: () => Promise<T>, key: readonly unknown[]): Asked<T> {
  const [state, setState] = useState<{ data?: T; error?: unknown; isLoading: boolean; key?: string }>({
    isLoading: true,
  });
  const [round, setRound] = useState(0);
  const keyText = JSON.stringify(key);
  useEffect(() => {
    let isCurrent = true;
    setState((last) =>
      last.key === keyText ? { ...last, isLoading: true } : { isLoading: true, key: keyText },
    );
    ask().then(
      (data) => isCurrent && setState({ data, isLoading: false, key: keyText }),
      (error: unknown) =>
        isCurrent && setState((last) => ({ ...last, error, isLoading: false, key: keyText })),
    );
    return () => {
      isCurrent = false;
    };
  }, [keyText, round]);
  const isSame = state.key === keyText;
  return {
    data: isSame ? state.data : undefined,
    error: isSame ? state.error : undefined,
    isLoading: state.isLoading || !isSame,
    reload: () => setRound((last) => last + 1),
  };
}
