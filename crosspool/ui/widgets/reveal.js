// Scrolls the page to itself when it appears, and again for another key. Screen readers say the message whenever it
// changes. The keyboard goes on from here where the button that had it is disabled or gone, or was revealed before: the
// progress of a training is taken away when its result is there.

const MARGIN = 70; // pixels above: the page's head lies over its first ones
const UPPER_PART = 1 / 3; // of the window: what begins there is left where it is

function takeFocus(element) {
  const focused = document.activeElement ?? document.body;
  if (focused !== document.body && !focused.disabled && !focused.closest("[data-revealed]")) return;
  element.tabIndex = -1;
  element.style.outline = "none";
  element.focus({ preventScroll: true });
}

export default function ({ data, parentElement }) {
  const status = parentElement.querySelector("p");
  const host = parentElement.host ?? parentElement;
  const place = host.closest('[data-testid="stElementContainer"]') ?? host;
  // In the next frame: only what comes into a region that was there before is said.
  requestAnimationFrame(() => {
    if (status.textContent !== data.message) status.textContent = data.message;
    if (parentElement.revealed === data.key) return;
    parentElement.revealed = data.key;
    const next = place.nextElementSibling ?? place;
    takeFocus(next);
    next.dataset.revealed = "";
    const { top } = next.getBoundingClientRect();
    if (top >= MARGIN && top <= innerHeight * UPPER_PART) return;
    next.style.scrollMarginTop = `${MARGIN}px`;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    next.scrollIntoView({ block: "start", behavior: still ? "instant" : "smooth" });
  });
}
