// Named values as bars to either side of zero. Each row is a button, with a box to tick and small maps where it has them.
// Data: rows [{id, name, value, after | null, text, note, label, ticked | null, maps [{rows, columns, cells, table,
// photo}]}], photos [URL], tables [base64], opacity, smooth, selected, signature (of all that needs new rows).

import { bytes, paint } from "../../gallery/paint.js";

const part = (tag, className) => Object.assign(document.createElement(tag), { className });

function rowOf({ id, ticked, maps }, send) {
  const row = part("div", "row");
  row.dataset.id = id;
  row.setAttribute("role", "listitem");
  if (ticked !== null) {
    const box = Object.assign(part("input", "box"), { type: "checkbox" });
    box.onchange = () => send("ticked", [id, box.checked]);
    row.append(box);
  }
  const button = part("button", "tile");
  button.append(...maps.map(() => document.createElement("canvas")));
  const track = part("span", "track");
  track.append(part("i", "before"), part("i", "after"), part("i", "zero"));
  button.append(part("b", "name"), part("span", "text"), track, part("span", "note"));
  button.onclick = () => send("chosen", id);
  row.append(button);
  return row;
}

function place(bar, value, low, high) {
  bar.hidden = value === null;
  const at = (number) => (100 * (number - low)) / (high - low);
  bar.style.left = `${at(Math.min(value, 0))}%`;
  bar.style.width = `${at(Math.max(value, 0)) - at(Math.min(value, 0))}%`;
  bar.classList.toggle("negative", value < 0);
}

function update(row, { name, value, after, text, note, label, ticked }, selected, low, high) {
  const find = (selector) => row.querySelector(selector);
  find(".name").textContent = name;
  find(".text").textContent = text;
  find(".note").textContent = note;
  place(find(".before"), value, low, high);
  place(find(".after"), after, low, high);
  find(".track").classList.toggle("changed", after !== null);
  find(".zero").style.left = `${(100 * -low) / (high - low)}%`;
  const button = find("button");
  button.title = label;
  button.setAttribute("aria-label", label);
  button.setAttribute("aria-pressed", String(selected));
  const box = find(".box");
  if (!box) return;
  box.checked = ticked;
  box.setAttribute("aria-label", `Count ${name}`);
  row.classList.toggle("off", !ticked);
}

function draw(row, { maps }, photos, data) {
  const canvases = row.querySelectorAll("canvas");
  maps.forEach((map, index) => {
    const look = { ...map, opacity: data.opacity, smooth: data.smooth };
    const show = () => paint(canvases[index], photos[map.photo], bytes(map.cells), look, bytes(data.tables[map.table]));
    photos[map.photo].decode().then(show);
  });
}

function moveFocus(event, list) {
  const kind = event.target.matches(".box") ? ".box" : "button";
  const all = [...list.querySelectorAll(kind)];
  const here = all.indexOf(event.target);
  const target = { Home: 0, End: all.length - 1, ArrowDown: here + 1, ArrowUp: here - 1 }[event.key];
  if (here < 0 || !all[target]) return;
  event.preventDefault();
  all[target].focus();
}

export default function ({ data, parentElement, setTriggerValue }) {
  const list = parentElement.querySelector(".bars");
  if (list.dataset.signature !== data.signature) {
    const focused = parentElement.activeElement ?? parentElement.getRootNode().activeElement;
    const held = list.contains(focused) && { id: focused.closest(".row").dataset.id, box: focused.matches(".box") };
    list.dataset.signature = data.signature;
    const photos = data.photos.map((url) => Object.assign(new Image(), { src: url }));
    list.replaceChildren(...data.rows.map((row) => rowOf(row, setTriggerValue)));
    [...list.children].forEach((row, index) => draw(row, data.rows[index], photos, data));
    const again = held && [...list.children].find((row) => row.dataset.id === held.id);
    if (again) again.querySelector(held.box ? ".box" : "button")?.focus();
    list.onkeydown = (event) => moveFocus(event, list);
  }
  const [low, high] = data.range;
  data.rows.forEach((row, index) => update(list.children[index], row, row.id === data.selected, low, high));
}
