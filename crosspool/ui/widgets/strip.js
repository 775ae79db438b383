// Thumbnails to choose from, in a row that scrolls or wrapped into several.
// Data: items [{id, title, alt, image (URL)}], selected, wrapped.

import { make } from "../../gallery/elements.js";

function bringIntoView(strip, tile) { // the strip scrolls, the page does not
  const [room, box] = [strip, tile].map((element) => element.getBoundingClientRect());
  if (box.left < room.left || box.right > room.right) strip.scrollLeft += (box.left + box.right - room.left - room.right) / 2;
}

function tileOf({ id, title, alt, image }, onChoose) {
  const parts = [make("img", { src: image, alt }), make("span", { className: "caption", textContent: title })];
  const hint = title === alt ? title : `${title}: ${alt}`;
  const tile = make("button", { className: "tile", title: hint, onclick: () => onChoose(id) }, ...parts);
  tile.dataset.id = id;
  return tile;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const strip = parentElement.querySelector(".strip");
  const ids = JSON.stringify(data.items.map(({ id, alt }) => [id, alt]));
  strip.classList.toggle("wrapped", data.wrapped);
  if (strip.dataset.ids !== ids) {
    strip.dataset.ids = ids;
    strip.replaceChildren(...data.items.map((item) => tileOf(item, (id) => setTriggerValue("chosen", id))));
  }
  for (const tile of strip.children) tile.ariaPressed = tile.dataset.id === data.selected;
  const selection = JSON.stringify([data.selected, ids]);
  if (strip.dataset.selection === selection) return; // no jump back after scrolling on to others
  strip.dataset.selection = selection;
  const chosen = strip.querySelector('[aria-pressed="true"]');
  if (chosen) bringIntoView(strip, chosen);
}
