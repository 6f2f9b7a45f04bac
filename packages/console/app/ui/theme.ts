/**
 * Dark or light: what the system prefers, until the user chooses. The choice is kept in the browser.
 */
import { signal } from "@preact/signals";

export type Theme = "light" | "dark";
const KEY = "bioxen-theme";
const preferred = window.matchMedia("(prefers-color-scheme: dark)");

function chosen(): Theme | undefined {
  try {
    const stored = localStorage.getItem(KEY);
    return stored === "dark" || stored === "light" ? stored : undefined;
  } catch {
    // Storage can be switched off; the preference of the system then decides.
    return undefined;
  }
}

export const theme = signal<Theme>(chosen() ?? (preferred.matches ? "dark" : "light"));

function show(): void {
  document.documentElement.dataset["theme"] = theme.value;
}
show();

preferred.addEventListener("change", () => {
  theme.value = chosen() ?? (preferred.matches ? "dark" : "light");
  show();
});

export function switchTheme(): void {
  theme.value = theme.value === "dark" ? "light" : "dark";
  try {
    localStorage.setItem(KEY, theme.value);
  } catch {
    // Without storage the choice lasts until the page is closed.
  }
  show();
}
