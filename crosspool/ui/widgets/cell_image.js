// An image under a grid of rows x columns cells: click, drag or the arrow keys choose a cell. Below it, a colour bar.
// Data: image (URL), alt, rows, columns, cell [row, column] or null, bar {colours [css], ticks [text], label} or null.
// Without a cell, the image asks for one: only a click or Enter chooses.

import { make } from "../../gallery/elements.js";
import { listenForCells, placeOn } from "./cells.js";
import { paced } from "./pace.js";

function showColourBar(element, bar) {
  element.hidden = !bar;
  if (!bar) return;
  element.querySelector(".colours").style.background = `linear-gradient(to right, ${bar.colours.join(",")})`;
  element.querySelector(".numbers").replaceChildren(...bar.ticks.map((textContent) => make("span", { textContent })));
  element.querySelector(".label").textContent = bar.label;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const frame = parentElement.querySelector(".frame");
  const image = frame.querySelector("img");
  const [cell, handle] = [".cell", ".handle"].map((name) => frame.querySelector(name));
  if (data.cell || image.src !== data.image) frame.pointed = null;
  if (image.src !== data.image) image.src = data.image;
  image.alt = frame.ariaLabel = data.alt;
  const pace = paced(frame, data.cell, (chosen) => setTriggerValue("cell", chosen));
  const current = () => frame.pointed ?? pace.latest ?? [data.rows >> 1, data.columns >> 1];
  const mark = () => {
    for (const box of [cell, handle]) placeOn(box, current(), data); // at once, before the server has answered
    cell.classList.toggle("moving", pace.isWaiting || Boolean(frame.pointed));
  };
  const choose = (chosen, isFinal) => {
    if (!data.cell) frame.pointed = chosen;
    if (data.cell || isFinal) pace.ask(chosen);
    mark();
  };
  mark();
  listenForCells(frame, handle, data, current, choose);
  showColourBar(parentElement.querySelector(".bar"), data.bar);
}
