// The time of day, the same everywhere on the page.

export function clock(at_ms: number, withSeconds = true): string {
  const second = withSeconds ? { second: "2-digit" as const } : {};
  return new Date(at_ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...second });
}
