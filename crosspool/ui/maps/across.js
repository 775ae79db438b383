// The maps of a few channels over several images: a row for each image, a column for each channel. Press one to enlarge it.
// Data: columns [{channel, scale [low, high] as text | null}], rows [{id, title, alt, thumbnail (URL), chosen, photo (URL)
// | null, rows, columns, cells [{steps (base64), peak, place, mean}]}], selected (a channel), table (base64), opacity,
// overlay, smooth, signed.

import { make } from "../../gallery/elements.js";
import { bytes, paint } from "../../gallery/paint.js";

const FACTS = ["peak", "place", "mean"];

function cellOf(id, channel, send) {
  const onclick = () => send("pressed", [id, channel]);
  const facts = FACTS.map((className) => make("span", { className }));
  return make("div", { role: "gridcell" }, make("button", { className: "cell", tabIndex: -1, onclick }, make("canvas"), ...facts));
}

function rowOf({ id, title, alt, thumbnail }, columns, send) {
  const parts = [make("img", { src: thumbnail, alt }), make("span", { className: "title", textContent: title })];
  const head = make("div", { className: "image", role: "rowheader" }, ...parts);
  head.title = title === alt ? title : `${title}: ${alt}`;
  return make("div", { className: "row", role: "row" }, head, ...columns.map(({ channel }) => cellOf(id, channel, send)));
}

function build(grid, { columns, rows }, send) {
  const head = { className: "channel", role: "columnheader" };
  const heads = columns.map(() => make("div", head, make("b"), make("i"), make("span", { className: "ends" })));
  const corner = make("div", { className: "image", role: "columnheader" }, "image");
  grid.replaceChildren(
    make("div", { className: "row heads", role: "row" }, corner, ...heads),
    ...rows.map((row) => rowOf(row, columns, send)),
  );
  grid.style.setProperty("--columns", columns.length);
  grid.classList.toggle("single", columns.length === 1);
}

function nameColumn(head, { channel, scale }, table) {
  head.querySelector("b").textContent = `Map ${channel}`;
  head.querySelector("span").replaceChildren(...(scale ?? []).map((textContent) => make("span", { textContent })));
  const colours = Array.from({ length: 18 }, (_, step) => `rgb(${table.slice(45 * step, 45 * step + 3).join(" ")})`);
  head.querySelector("i").style.background = `linear-gradient(to right, ${colours.join(",")})`;
  head.classList.toggle("scaled", scale !== null);
}

function draw(button, row, cell, data, table) {
  const canvas = button.querySelector("canvas");
  const drawn = cell ? [row.photo, cell.steps, data.table, data.opacity, data.overlay, data.smooth].join() : "";
  if (button.drawn === drawn) return;
  button.drawn = drawn;
  if (!cell) {
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    return;
  }
  const { opacity, overlay, smooth, signed } = data;
  const look = { rows: row.rows, columns: row.columns, opacity, overlay, smooth, signed };
  const photo = Object.assign(new Image(), { src: row.photo });
  photo.decode().then(() => button.drawn === drawn && paint(canvas, photo, bytes(cell.steps), look, table));
}

function update(button, row, cell, channel, selected) {
  const { peak, place, mean } = cell ?? { peak: "not computed yet", place: "", mean: "" };
  [peak, place, mean].forEach((text, index) => (button.querySelector(`.${FACTS[index]}`).textContent = text));
  const facts = `${peak}${place && ` at ${place}`}${mean && `; ${mean}`}`;
  button.setAttribute("aria-label", `Map ${channel} over ${row.title}: ${facts}`);
  button.setAttribute("aria-pressed", String(selected));
  button.classList.toggle("empty", !cell);
}

// The arrow keys move among the cells; Tab leaves them, and comes back to the one that had the focus last.
function moveFocus(event, grid) {
  const rows = [...grid.querySelectorAll(".row:not(.heads)")].map((row) => [...row.querySelectorAll("button")]);
  const row = rows.findIndex((buttons) => buttons.includes(event.target));
  if (row < 0) return;
  const column = rows[row].indexOf(event.target);
  const single = rows[row].length === 1; // images then stand beside each other, too
  const last = rows[row].length - 1;
  const target = {
    ArrowUp: [row - 1, column],
    ArrowDown: [row + 1, column],
    ArrowLeft: single ? [row - 1, 0] : [row, column - 1],
    ArrowRight: single ? [row + 1, 0] : [row, column + 1],
    Home: single || event.ctrlKey ? [0, 0] : [row, 0],
    End: single || event.ctrlKey ? [rows.length - 1, last] : [row, last],
  }[event.key];
  if (!target) return;
  event.preventDefault();
  rows[target[0]]?.[target[1]]?.focus();
}

function makeReachable(grid, button) {
  for (const other of grid.querySelectorAll("button")) other.tabIndex = other === button ? 0 : -1;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const grid = parentElement.querySelector(".across");
  grid.setAttribute("role", "grid");
  grid.setAttribute("aria-label", "Maps by image and channel");
  const built = JSON.stringify([data.rows.map(({ id }) => id), data.columns.map(({ channel }) => channel)]);
  if (grid.dataset.built !== built) {
    const hadFocus = grid.getRootNode().activeElement?.closest?.(".across") === grid;
    grid.dataset.built = built;
    build(grid, data, setTriggerValue);
    makeReachable(grid, grid.querySelector("button"));
    if (hadFocus) grid.querySelector("button")?.focus({ preventScroll: true });
  }
  grid.onkeydown = (event) => moveFocus(event, grid);
  grid.onfocusin = (event) => event.target.matches("button") && makeReachable(grid, event.target);
  const table = bytes(data.table);
  const [heads, ...rows] = grid.children;
  data.columns.forEach((column, index) => nameColumn(heads.children[index + 1], column, table));
  data.rows.forEach((row, rowIndex) => {
    rows[rowIndex].classList.toggle("chosen", row.chosen);
    data.columns.forEach(({ channel }, index) => {
      const button = rows[rowIndex].children[index + 1].firstChild;
      update(button, row, row.cells[index], channel, row.chosen && channel === data.selected);
      draw(button, row, row.cells[index], data, table);
    });
  });
}
