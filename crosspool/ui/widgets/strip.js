// Thumbnails to choose from, in a row that scrolls or wrapped into several.
// Data: items [{id, title, alt, picture (URL)}], selected, wrapped.

function bringIntoView(strip, tile) { // the strip scrolls, the page does not
  const [room, box] = [strip, tile].map((element) => element.getBoundingClientRect());
  if (box.left < room.left || box.right > room.right) strip.scrollLeft += (box.left + box.right - room.left - room.right) / 2;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const strip = parentElement.querySelector(".strip");
  const ids = JSON.stringify(data.items.map(({ id, alt }) => [id, alt]));
  strip.classList.toggle("wrapped", data.wrapped);
  if (strip.dataset.ids !== ids) {
    strip.dataset.ids = ids;
    strip.replaceChildren(...data.items.map(({ id, title, alt, picture }) => {
      const tile = document.createElement("button");
      tile.className = "tile";
      tile.dataset.id = id;
      tile.title = title === alt ? title : `${title}: ${alt}`;
      const image = Object.assign(document.createElement("img"), { src: picture, alt });
      const caption = Object.assign(document.createElement("span"), { className: "caption", textContent: title });
      tile.append(image, caption);
      tile.onclick = () => setTriggerValue("chosen", id);
      return tile;
    }));
  }
  for (const tile of strip.children) tile.setAttribute("aria-pressed", String(tile.dataset.id === data.selected));
  const shown = JSON.stringify([data.selected, ids]);
  if (strip.dataset.shown === shown) return; // who scrolls on to look at others is left alone
  strip.dataset.shown = shown;
  bringIntoView(strip, strip.querySelector('[aria-pressed="true"]'));
}
