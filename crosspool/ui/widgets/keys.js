// Listens to keys on the whole page. Data: keys, as KeyboardEvent.key names them.

const INTERVAL = 120; // milliseconds between two presses that count: a key that is held down must not run ahead of the page
const TYPED_INTO = "input, textarea, select, [contenteditable=''], [contenteditable='true']";
const ARROW_ROLES = ["application", "combobox", "grid", "listbox", "option", "radio", "slider", "tab"];
const MOVED_IN = [...ARROW_ROLES.map((role) => `[role=${role}]`), ".tile"].join();

// Whether the focused element needs the key itself: text, choices and images do, plain buttons and links do not.
function isTaken(event) {
  const elements = event.composedPath().filter((target) => target instanceof Element);
  if (elements.some((element) => element.matches(TYPED_INTO))) return true;
  return event.key.startsWith("Arrow") && elements.some((element) => element.matches(MOVED_IN));
}

export default function ({ data, parentElement, setTriggerValue }) {
  const onKey = (event) => {
    if (!data.keys.includes(event.key) || event.defaultPrevented || isTaken(event)) return;
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (performance.now() - (parentElement.pressedAt ?? -Infinity) < INTERVAL) return;
    parentElement.pressedAt = performance.now();
    setTriggerValue("pressed", event.key);
  };
  parentElement.stop?.(); // this runs with each new data, but only the last function that it returned is called at the end
  document.addEventListener("keydown", onKey);
  parentElement.stop = () => document.removeEventListener("keydown", onKey);
  return parentElement.stop;
}
