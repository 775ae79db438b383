// An image under a grid of rows x columns cells: click, drag or the arrow keys choose a cell. Below it, a colour bar.
// Data: image (URL), alt, rows, columns, cell [row, column], bar {colours [css], ticks [text], label} or null.

import { make } from "../../gallery/elements.js";
import { paced } from "./pace.js";

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function showColourBar(element, bar) {
  element.hidden = !bar;
  if (!bar) return;
  element.querySelector(".colours").style.background = `linear-gradient(to right, ${bar.colours.join(",")})`;
  element.querySelector(".numbers").replaceChildren(...bar.ticks.map((textContent) => make("span", { textContent })));
  element.querySelector(".label").textContent = bar.label;
}

function placeOn(box, [row, column], { rows, columns }) {
  const [left, top] = [(column + 0.5) / columns, (row + 0.5) / rows].map((part) => `${100 * part}%`);
  Object.assign(box.style, { left, top, width: `${100 / columns}%`, height: `${100 / rows}%` });
}

// A mouse drags from anywhere; a finger from the handle alone, and elsewhere it scrolls the page or taps.
function listen(frame, handle, { chooseAt, move }) {
  frame.onclick = chooseAt;
  frame.onpointerdown = (event) => {
    const drags = event.pointerType === "mouse" || event.target === handle;
    if (drags && event.isPrimary && event.button === 0) frame.setPointerCapture(event.pointerId);
  };
  frame.onpointermove = (event) => {
    if (frame.hasPointerCapture(event.pointerId)) chooseAt(event);
  };
  frame.onkeydown = (event) => {
    if (!STEPS[event.key]) return;
    event.preventDefault();
    move(...STEPS[event.key]);
  };
}

export default function ({ data, parentElement, setTriggerValue }) {
  const frame = parentElement.querySelector(".frame");
  const image = frame.querySelector("img");
  const [cell, handle] = [".cell", ".handle"].map((name) => frame.querySelector(name));
  if (image.src !== data.image) image.src = data.image;
  image.alt = frame.ariaLabel = data.alt;
  const pace = paced(frame, data.cell, (chosen) => setTriggerValue("cell", chosen));
  const mark = () => {
    for (const box of [cell, handle]) placeOn(box, pace.latest, data); // at once, before the server has answered
    cell.classList.toggle("moving", pace.isWaiting);
  };
  const clamp = (value, number) => Math.min(number - 1, Math.max(0, value));
  const choose = (row, column) => {
    pace.ask([clamp(row, data.rows), clamp(column, data.columns)]);
    mark();
  };
  const chooseAt = ({ clientX, clientY }) => {
    const { left, top, width, height } = image.getBoundingClientRect();
    choose(Math.floor(((clientY - top) / height) * data.rows), Math.floor(((clientX - left) / width) * data.columns));
  };
  const move = (down, across) => {
    const [row, column] = pace.latest;
    choose(row + down, column + across);
  };
  mark();
  listen(frame, handle, { chooseAt, move });
  showColourBar(parentElement.querySelector(".bar"), data.bar);
}
