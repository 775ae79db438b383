// An image under a grid of rows x columns cells: click, drag or the arrow keys choose a cell. Below it, a colour bar.
// Data: image (URL), alt, rows, columns, cell [row, column] or null, bar {colours [css], ticks [text], label} or null, aspect,
// names [those of rows, those of columns], asks. Where it asks for a cell, only a click or Enter chooses.

import { make } from "../../gallery/elements.js";
import { listenForCells, placeOn } from "./cells.js";
import { paced } from "./pace.js";

const NAME_HEIGHT = 13; // pixels

function showColourBar(element, bar) {
  element.hidden = !bar;
  if (!bar) return;
  element.querySelector(".colours").style.background = `linear-gradient(to right, ${bar.colours.join(",")})`;
  element.querySelector(".numbers").replaceChildren(...bar.ticks.map((textContent) => make("span", { textContent })));
  element.querySelector(".label").textContent = bar.label;
}

// The names of the rows and of the columns, and of the cell that is pointed at.
function showNames(parent, frame, { names: [rows, columns], alt, cell }) {
  for (const [kind, names] of Object.entries({ rows, columns })) {
    const list = parent.querySelector(`.${kind}`);
    list.hidden = !names.length;
    list.replaceChildren(...names.map((textContent) => make("span", { textContent, title: textContent })));
  }
  const nameOf = ([row, column]) => `${rows[row]}, ${columns[column]}`;
  frame.nameOf = rows.length ? nameOf : () => "";
  frame.ariaLabel = cell && rows.length ? `${alt} ${nameOf(cell)}` : alt;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const frame = parentElement.querySelector(".frame");
  const image = frame.querySelector("img");
  const [cell, handle] = [".cell", ".handle"].map((name) => frame.querySelector(name));
  const isSame = image.getAttribute("src") === data.image;
  if (!data.asks || !isSame || `${data.cell}` !== frame.dataset.cell) frame.pointed = null;
  frame.dataset.cell = `${data.cell}`;
  if (!isSame) image.src = data.image;
  image.style.aspectRatio = data.aspect;
  image.style.minHeight = `${NAME_HEIGHT * data.names[0].length}px`;
  image.alt = data.alt;
  showNames(parentElement, frame, data);
  const pace = paced(frame, data.cell, (chosen) => setTriggerValue("cell", chosen));
  const current = () => frame.pointed ?? pace.latest ?? [data.rows >> 1, data.columns >> 1];
  const mark = () => {
    for (const box of [cell, handle]) placeOn(box, current(), data); // at once, before the server has answered
    cell.classList.toggle("moving", pace.isWaiting || Boolean(frame.pointed) || Boolean(data.asks && data.cell));
    if (frame.pointed) frame.ariaLabel = `${data.alt} ${frame.nameOf(frame.pointed)}`.trim();
  };
  const choose = (chosen, isFinal) => {
    if (data.asks) frame.pointed = chosen;
    if (!data.asks || isFinal) pace.ask(chosen);
    mark();
  };
  mark();
  listenForCells(frame, handle, data, current, choose);
  showColourBar(parentElement.querySelector(".bar"), data.bar);
}
