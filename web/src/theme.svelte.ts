/** Light, dark, or as the system has it. `first-theme.js` applies a remembered choice before the first paint. */

const STORE = "drivetrain.theme";
export type Theme = "light" | "dark";

const system = window.matchMedia?.("(prefers-color-scheme: dark)");

class Appearance {
  /** Null follows the system. */
  chosen = $state<Theme | null>(read());
  private systemDark = $state(system?.matches ?? false);

  constructor() {
    system?.addEventListener("change", (event) => {
      this.systemDark = event.matches;
      this.apply();
    });
    this.apply();
  }

  get theme(): Theme {
    return this.chosen ?? (this.systemDark ? "dark" : "light");
  }

  /** To the other one; back to the system's where that is the same. */
  toggle(): void {
    const wanted: Theme = this.theme === "dark" ? "light" : "dark";
    this.chosen = wanted === (this.systemDark ? "dark" : "light") ? null : wanted;
    try {
      if (this.chosen) localStorage.setItem(STORE, this.chosen);
      else localStorage.removeItem(STORE);
    } catch {
      // Storage is switched off: the choice lasts as long as the page.
    }
    this.apply();
  }

  private apply(): void {
    document.documentElement.dataset.theme = this.theme;
  }
}

function read(): Theme | null {
  try {
    const theme = localStorage.getItem(STORE);
    return theme === "light" || theme === "dark" ? theme : null;
  } catch {
    return null;
  }
}

export const appearance = new Appearance();
