// The maps of a few channels over several images: a row for each image, a column for each channel. Press one to study it.
// Data: columns [{channel, scale [low, high] as text | null}], rows [{id, title, alt, thumbnail (URL), chosen, photo (URL)
// | null, rows, columns, cells [{steps (base64), peak, place, mean}]}], table (base64), opacity, smooth.

import { bytes, paint } from "../../gallery/paint.js";

function part(tag, className, ...children) {
  const element = Object.assign(document.createElement(tag), { className });
  element.append(...children);
  return element;
}

function withRole(element, role) {
  element.setAttribute("role", role);
  return element;
}

function cellOf(id, channel, send) {
  const button = part("button", "cell", document.createElement("canvas"));
  button.append(...["peak", "place", "mean"].map((name) => part("span", name)));
  button.tabIndex = -1;
  button.onclick = () => send("pressed", [id, channel]);
  return withRole(part("div", "place-of-cell", button), "gridcell");
}

function rowOf({ id, title, alt, thumbnail }, columns, send) {
  const image = Object.assign(document.createElement("img"), { src: thumbnail, alt });
  const head = withRole(part("div", "image", image, part("span", "title", title)), "rowheader");
  head.title = title === alt ? title : `${title}: ${alt}`;
  return withRole(part("div", "row", head, ...columns.map(({ channel }) => cellOf(id, channel, send))), "row");
}

function build(grid, { columns, rows }, send) {
  const heads = columns.map(() => withRole(part("div", "channel", part("b", ""), part("i", ""), part("span", "ends")), "columnheader"));
  const corner = withRole(part("div", "image", "image"), "columnheader");
  grid.replaceChildren(
    withRole(part("div", "row heads", corner, ...heads), "row"),
    ...rows.map((row) => rowOf(row, columns, send)),
  );
  grid.style.setProperty("--columns", columns.length);
  grid.classList.toggle("single", columns.length === 1);
}

function nameColumn(head, { channel, scale }, table) {
  head.querySelector("b").textContent = `Map ${channel}`;
  head.querySelector("span").replaceChildren(...(scale ?? []).map((end) => part("span", "", end)));
  const colours = Array.from({ length: 18 }, (_, step) => `rgb(${table.slice(45 * step, 45 * step + 3).join(" ")})`);
  head.querySelector("i").style.background = `linear-gradient(to right, ${colours.join(",")})`;
  head.classList.toggle("scaled", scale !== null);
}

function draw(button, row, cell, data, table) {
  const canvas = button.querySelector("canvas");
  const drawn = cell ? [row.photo, cell.steps, data.table, data.opacity, data.smooth].join() : "";
  if (button.drawn === drawn) return;
  button.drawn = drawn;
  if (!cell) {
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    return;
  }
  const look = { rows: row.rows, columns: row.columns, opacity: data.opacity, smooth: data.smooth };
  const photo = Object.assign(new Image(), { src: row.photo });
  photo.decode().then(() => button.drawn === drawn && paint(canvas, photo, bytes(cell.steps), look, table));
}

function update(button, row, cell, channel, selected) {
  const said = cell ?? { peak: "not computed yet", place: "", mean: "" };
  for (const name of ["peak", "place", "mean"]) button.querySelector(`.${name}`).textContent = said[name];
  const words = [said.peak, said.place && `at ${said.place}`].filter(Boolean).join(" ");
  button.setAttribute("aria-label", `Map ${channel} over ${row.title}: ${words}${said.mean && `; ${said.mean}`}`);
  button.setAttribute("aria-pressed", String(selected));
  button.classList.toggle("empty", !cell);
}

// Arrows go among the cells; Tab leaves them at the one that had the focus last.
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
  const next = target && rows[target[0]]?.[target[1]];
  if (!target) return;
  event.preventDefault();
  next?.focus();
}

function reach(grid, button) {
  for (const other of grid.querySelectorAll("button")) other.tabIndex = other === button ? 0 : -1;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const grid = withRole(parentElement.querySelector(".across"), "grid");
  grid.setAttribute("aria-label", "Maps by image and channel");
  const built = JSON.stringify([data.rows.map(({ id }) => id), data.columns.map(({ channel }) => channel)]);
  if (grid.dataset.built !== built) {
    const held = grid.getRootNode().activeElement?.closest?.(".across") === grid;
    grid.dataset.built = built;
    build(grid, data, setTriggerValue);
    reach(grid, grid.querySelector("button"));
    if (held) grid.querySelector("button")?.focus({ preventScroll: true });
  }
  grid.onkeydown = (event) => moveFocus(event, grid);
  grid.onfocusin = (event) => event.target.matches("button") && reach(grid, event.target);
  const table = bytes(data.table);
  const [heads, ...rows] = grid.children;
  data.columns.forEach((column, at) => nameColumn(heads.children[at + 1], column, table));
  data.rows.forEach((row, index) => {
    rows[index].classList.toggle("chosen", row.chosen);
    data.columns.forEach(({ channel }, at) => {
      const button = rows[index].children[at + 1].firstChild;
      update(button, row, row.cells[at], channel, row.chosen && at === 0);
      draw(button, row, row.cells[at], data, table);
    });
  });
}
