// A picture under a grid of rows x columns cells: click, drag or the arrow keys choose a cell. With a colour bar.
// Data: picture (URL), alt, rows, columns, cell [row, column], bar {colours [css], ticks [text], label} or null.

import { paced } from "./pace.js";

export default function ({ data, parentElement, setTriggerValue }) {
  const frame = parentElement.querySelector(".frame");
  const image = frame.querySelector("img");
  const [cell, handle] = [".cell", ".handle"].map((name) => frame.querySelector(name));
  if (image.src !== data.picture) image.src = data.picture;
  image.alt = data.alt;
  frame.setAttribute("aria-label", data.alt);
  const pace = paced(frame, data.cell, (chosen) => setTriggerValue("cell", chosen));
  const mark = () => {
    const [row, column] = pace.latest; // at once, before the server has answered
    for (const box of [cell, handle]) {
      box.style.left = `${(100 * (column + 0.5)) / data.columns}%`;
      box.style.top = `${(100 * (row + 0.5)) / data.rows}%`;
      box.style.width = `${100 / data.columns}%`;
      box.style.height = `${100 / data.rows}%`;
    }
    cell.classList.toggle("moving", pace.waiting);
  };
  const clamp = (value, count) => Math.min(count - 1, Math.max(0, value));
  const choose = (row, column) => {
    pace.ask([clamp(row, data.rows), clamp(column, data.columns)]);
    mark();
  };
  const choosePlace = (event) => {
    const box = image.getBoundingClientRect();
    choose(
      Math.floor(((event.clientY - box.top) / box.height) * data.rows),
      Math.floor(((event.clientX - box.left) / box.width) * data.columns),
    );
  };
  mark();
  frame.onclick = choosePlace;
  // A mouse drags from anywhere; a finger from the handle alone, and elsewhere it scrolls the page or taps.
  frame.onpointerdown = (event) => {
    const drags = event.pointerType === "mouse" || event.target === handle;
    if (drags && event.isPrimary && event.button === 0) frame.setPointerCapture(event.pointerId);
  };
  frame.onpointermove = (event) => {
    if (frame.hasPointerCapture(event.pointerId)) choosePlace(event);
  };
  frame.onkeydown = (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const [row, column] = pace.latest;
    choose(row + step[0], column + step[1]);
  };
  const bar = parentElement.querySelector(".bar");
  bar.hidden = !data.bar;
  if (!data.bar) return;
  bar.querySelector(".colours").style.background = `linear-gradient(to right, ${data.bar.colours.join(",")})`;
  bar.querySelector(".numbers").replaceChildren(
    ...data.bar.ticks.map((text) => Object.assign(document.createElement("span"), { textContent: text })),
  );
  bar.querySelector(".label").textContent = data.bar.label;
}
