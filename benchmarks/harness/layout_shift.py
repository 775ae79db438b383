"""How far the parts of a page are pushed about, as https://web.dev/articles/cls defines it."""

from typing import Any

GOOD_SHIFT = 0.1

# A script for a page before its own: `shifts` are those that no input explains, with the elements that moved.
PROBE = """
globalThis.shifts = [];
const name = (node) => {
  const element = node?.nodeType === 1 ? node : node?.parentElement;
  if (!element) return "?";
  const near = element.closest?.("[data-testid], [class*=st-key-]");
  const key = near?.className?.match?.(/st-key-([\\w-]+)/)?.[1];
  return `${element.tagName.toLowerCase()} in ${key ?? near?.dataset.testid ?? "a component"}`;
};
new PerformanceObserver((list) => {
  for (const { value, startTime, hadRecentInput, sources } of list.getEntries()) {
    const elements = sources.map(({ node }) => name(node));
    if (!hadRecentInput) shifts.push({ value, at: startTime, elements });
  }
}).observe({ type: "layout-shift", buffered: true });
"""


def cumulative(shifts: list[dict[str, Any]]) -> float:
    """The largest sum over a window: shifts less than 1 s apart, and 5 s from the first to the last at most."""
    worst = total = 0.0
    first = last = -1e9
    for shift in shifts:
        if shift["at"] - last > 1000 or shift["at"] - first > 5000:
            first, total = shift["at"], 0.0
        last, total = shift["at"], total + shift["value"]
        worst = max(worst, total)
    return worst
