// Listens to keys on the whole page. Data: keys, as KeyboardEvent.key names them.

const GAP = 120; // milliseconds between two presses that count, so that a key held down does not run ahead of the page
const TYPED_INTO = "input, textarea, select, [contenteditable=''], [contenteditable='true']";
const MOVED_IN = "[role=application], [role=combobox], [role=listbox], [role=option], [role=radio], [role=slider], [role=tab], [role=grid], .tile";

// Whether what has the focus needs the key itself: text, choices and pictures do, plain buttons and links do not.
function isTaken(event) {
  const focused = event.composedPath().filter((place) => place instanceof Element);
  if (focused.some((place) => place.matches(TYPED_INTO))) return true;
  return event.key.startsWith("Arrow") && focused.some((place) => place.matches(MOVED_IN));
}

export default function ({ data, parentElement, setTriggerValue }) {
  const onKey = (event) => {
    if (!data.keys.includes(event.key) || event.defaultPrevented || isTaken(event)) return;
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (performance.now() - (parentElement.pressed ?? -Infinity) < GAP) return;
    parentElement.pressed = performance.now();
    setTriggerValue("pressed", event.key);
  };
  parentElement.stop?.(); // this runs with each new data, but only what it returned last is called in the end
  document.addEventListener("keydown", onKey);
  parentElement.stop = () => document.removeEventListener("keydown", onKey);
  return parentElement.stop;
}
