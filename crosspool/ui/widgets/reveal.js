// Scrolls the page to itself when it appears, and again for another key.

const MARGIN = 70; // pixels above: the page's head lies over its first ones

export default function ({ data, parentElement }) {
  if (parentElement.revealed === data.key) return;
  parentElement.revealed = data.key;
  const host = parentElement.host ?? parentElement;
  const place = host.closest('[data-testid="stElementContainer"]') ?? host;
  requestAnimationFrame(() => {
    const next = place.nextElementSibling ?? place;
    const { top, bottom } = next.getBoundingClientRect();
    if (top >= MARGIN && bottom <= innerHeight) return;
    next.style.scrollMarginTop = `${MARGIN}px`;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    next.scrollIntoView({ block: "start", behavior: still ? "instant" : "smooth" });
  });
}
