// Weighting maps over a photo, one button a map. Data: photo (URL), maps (base64, uint8, count x rows x columns),
// table (base64, 256 RGB colours), tiles [{channel, share, label}], opacity, smooth, selected, signature.

function tileOf({ channel, share, label }, choose) {
  const tile = document.createElement("button");
  tile.className = "tile";
  tile.dataset.channel = channel;
  tile.setAttribute("aria-label", label);
  tile.title = label;
  const canvas = document.createElement("canvas");
  const caption = document.createElement("span");
  caption.className = "caption";
  const number = document.createElement("b");
  number.textContent = channel;
  const energy = document.createElement("span");
  energy.textContent = share;
  caption.append(number, energy);
  tile.append(canvas, caption);
  tile.onclick = () => choose(channel);
  return tile;
}

function moveFocus(event, grid) {
  const tiles = [...grid.children];
  const here = tiles.indexOf(event.target);
  const perRow = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: perRow, ArrowUp: -perRow };
  const target = { Home: 0, End: tiles.length - 1 }[event.key] ?? here + (steps[event.key] ?? NaN);
  if (here < 0 || !tiles[target]) return;
  event.preventDefault();
  tiles[target].focus();
}

export default function ({ data, parentElement, setTriggerValue }) {
  const grid = parentElement.querySelector(".grid");
  const mark = () => {
    for (const tile of grid.children) {
      const chosen = Number(tile.dataset.channel) === data.selected;
      tile.setAttribute("aria-pressed", String(chosen));
    }
  };
  if (grid.dataset.signature === data.signature) {
    mark(); // only the selection changed: keep the tiles, the focus and the place
    return;
  }
  grid.dataset.signature = data.signature;
  const table = bytes(data.table);
  const maps = bytes(data.maps);
  const cells = data.rows * data.columns;
  const photo = new Image();
  const observer = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      const place = Number(target.dataset.place);
      paint(target.firstChild, photo, maps.subarray(place * cells, (place + 1) * cells), data, table);
    }
  }, { rootMargin: "400px" });
  const tiles = data.tiles.map((tile) => tileOf(tile, (channel) => setTriggerValue("channel", channel)));
  tiles.forEach((tile, place) => (tile.dataset.place = place));
  grid.replaceChildren(...tiles);
  mark();
  grid.onkeydown = (event) => moveFocus(event, grid);
  photo.onload = () => tiles.forEach((tile) => observer.observe(tile));
  photo.src = data.photo;
}
