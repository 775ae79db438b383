// Notes when something on the page of a collection was pressed, and when a wall that differs from the one before is there:
// with all of its pictures that are in sight, as `wallOf` describes it.

let strip = null, ids = "", seen = [];

const wallOf = () => {
  if (!strip?.isConnected) {
    const inside = [...document.querySelectorAll(".st-key-collection-wall *")].map(({ shadowRoot }) => shadowRoot);
    strip = inside.find(Boolean)?.querySelector(".strip.small");
  }
  if (!strip) return null;
  if (strip.dataset.ids !== ids) {
    ids = strip.dataset.ids;
    const isSeen = ({ top, bottom }) => bottom > 0 && top < innerHeight;
    seen = [...strip.querySelectorAll("img")].filter((image) => isSeen(image.getBoundingClientRect()));
  }
  const isShown = seen.length > 0 && seen.every(({ complete, naturalWidth }) => complete && naturalWidth > 0);
  return { ids, isShown };
};

const walls = { pressed: NaN, shown: NaN, before: "" };
Object.assign(globalThis, { walls });

const watch = () => {
  const wall = wallOf();
  if (Number.isNaN(walls.shown) && wall?.isShown && wall.ids !== walls.before) walls.shown = performance.now();
  else requestAnimationFrame(watch);
};

addEventListener("click", () => Object.assign(walls, { pressed: performance.now(), shown: NaN, before: wallOf()?.ids ?? "" }) && watch(), true);
watch(); // the first wall, from the beginning of the visit
