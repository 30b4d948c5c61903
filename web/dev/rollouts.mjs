export function rollouts() {
  return () => null;
}
