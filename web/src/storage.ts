/** The storage of this tab: gone when it is closed, and no other tab sees it. Null where the browser allows none. */
export function tabStorage(): Storage | null {
  try {
    return window.sessionStorage;
  } catch {
    return null;
  }
}
