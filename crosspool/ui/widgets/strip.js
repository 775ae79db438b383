// Thumbnails to choose from, in a row that scrolls, to which images can be added, or wrapped into several rows.
// Data: items [{id, title, alt, image (URL), own, mark}], selected, wrapped, small, adding (null, or as `FileTaker` gets it).

import { make } from "../../gallery/elements.js";
import { choosePhoto } from "./chosen_photo.js";
import { FileTaker } from "./file_taker.js";

function bringIntoView(strip, tile) { // the strip scrolls, the page does not
  const [room, box] = [strip, tile].map((element) => element.getBoundingClientRect());
  const right = strip.querySelector(".add")?.getBoundingClientRect().left ?? room.right;
  if (box.left < room.left || box.right > right) strip.scrollLeft += (box.left + box.right - room.left - right) / 2;
}

// The image, and a frame around a part of it; of a longer image, the square that has this part is shown.
function pictureOf({ alt, image, mark }) {
  const picture = make("img", { src: image, alt, loading: "lazy" });
  if (!mark) return picture;
  const percent = (part) => `${100 * part}%`;
  picture.style.objectPosition = mark.shown.map(percent).join(" ");
  const frame = make("i", { className: "mark" });
  for (const name of ["left", "top", "width", "height"]) frame.style[name] = percent(mark[name]);
  return make("span", { className: "marked" }, picture, frame);
}

function tileOf(item, send) {
  const { id, title, alt, own } = item;
  const parts = [pictureOf(item), make("span", { className: "caption", textContent: title })];
  const hint = title === alt ? title : `${title}: ${alt}`;
  const tile = make("button", { className: "tile", title: hint, onclick: () => send("chosen", id) }, ...parts);
  tile.dataset.id = id;
  if (!own) return make("div", { className: "place" }, tile);
  const onclick = () => send("removed", id);
  tile.onkeydown = ({ key }) => key === "Delete" && onclick();
  const name = `Remove ${title}`;
  const remove = make("button", { className: "corner remove", title: name, ariaLabel: name, textContent: "×", onclick });
  return make("div", { className: "place" }, tile, remove);
}

function addTile(strip, send) {
  const choose = () => strip.taker.choose();
  const hint = "Add images: choose files, drop them anywhere on the page, or paste them (Ctrl+V)";
  const plus = make("span", { className: "plus", textContent: "+" });
  const caption = make("span", { className: "caption", textContent: "Add" });
  const place = make("div", { className: "place add" }, make("button", { className: "tile", title: hint, onclick: choose }, plus, caption));
  if (!navigator.mediaDevices) return place; // browsers offer the camera to secure pages only
  const name = "Take a photo";
  const camera = make("button", { className: "corner camera", title: name, ariaLabel: name, onclick: () => send("camera", true) });
  place.append(camera);
  return place;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const strip = parentElement.querySelector(".strip");
  const ids = JSON.stringify(data.items.map(({ id, title, alt, mark }) => [id, title, alt, mark]));
  strip.classList.toggle("wrapped", data.wrapped);
  strip.classList.toggle("small", data.small);
  if (data.adding) (strip.taker ??= new FileTaker(parentElement)).listen(data.adding, setTriggerValue);
  if (strip.dataset.ids !== ids) {
    strip.dataset.ids = ids;
    strip.replaceChildren(...data.items.map((item) => tileOf(item, setTriggerValue)));
    if (data.adding) strip.append(addTile(strip, setTriggerValue));
  }
  if (data.adding) choosePhoto(data.items.find(({ id }) => id === data.selected).image); // it is the page's choice of image
  const tiles = [...strip.querySelectorAll(".tile[data-id]")];
  for (const tile of tiles) tile.ariaPressed = tile.dataset.id === data.selected;
  const selection = JSON.stringify([data.selected, ids]);
  if (strip.dataset.selection !== selection) { // no jump back after scrolling on to others
    strip.dataset.selection = selection;
    const chosen = strip.querySelector('[aria-pressed="true"]');
    if (chosen) bringIntoView(strip, chosen);
  }
  return () => strip.taker?.stop();
}
