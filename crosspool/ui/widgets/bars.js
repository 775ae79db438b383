// Named values as bars to either side of zero. Each row is a button, some with a box to tick and small maps.
// Data: rows [{id, name, value, after | null, text, note, label, ticked | null, maps [{rows, columns, cells, table,
// photo}]}], range, photos [URL], tables [base64], opacity, smooth, selected, signature (changes when rows are drawn anew).

import { make } from "../../gallery/elements.js";
import { bytes, paint } from "../../gallery/paint.js";

function rowOf({ id, ticked, maps }, send) {
  const row = make("div", { className: "row", role: "listitem" });
  row.dataset.id = id;
  const onchange = ({ target }) => send("ticked", [id, target.checked]);
  if (ticked !== null) row.append(make("input", { type: "checkbox", className: "box", onchange }));
  const bars = ["before", "after", "zero"].map((className) => make("i", { className }));
  const track = make("span", { className: "track" }, ...bars);
  const [text, note] = ["text", "note"].map((className) => make("span", { className }));
  const parts = [...maps.map(() => make("canvas")), make("b", { className: "name" }), text, track, note];
  row.append(make("button", { className: "tile", onclick: () => send("chosen", id) }, ...parts));
  return row;
}

function stretch(bar, value, low, high) {
  bar.hidden = value === null;
  const percentOf = (number) => (100 * (number - low)) / (high - low);
  const start = percentOf(Math.min(value, 0));
  bar.style.left = `${start}%`;
  bar.style.width = `${percentOf(Math.max(value, 0)) - start}%`;
  bar.classList.toggle("negative", value < 0);
}

function update(row, { name, value, after, text, note, label, ticked }, selected, low, high) {
  const find = (selector) => row.querySelector(selector);
  for (const [part, textContent] of Object.entries({ name, text, note })) find(`.${part}`).textContent = textContent;
  stretch(find(".before"), value, low, high);
  stretch(find(".after"), after, low, high);
  find(".track").classList.toggle("changed", after !== null);
  find(".zero").style.left = `${(100 * -low) / (high - low)}%`;
  Object.assign(find("button"), { title: label, ariaLabel: label, ariaPressed: selected });
  const box = find(".box");
  if (!box) return;
  Object.assign(box, { checked: ticked, ariaLabel: `Count ${name}` });
  row.classList.toggle("off", !ticked);
}

function draw(row, { maps }, photos, data) {
  const canvases = row.querySelectorAll("canvas");
  maps.forEach((map, index) => {
    const look = { ...map, opacity: data.opacity, overlay: data.overlay, smooth: data.smooth, signed: map.table === 1 };
    const show = () => paint(canvases[index], photos[map.photo], bytes(map.cells), look, bytes(data.tables[map.table]));
    photos[map.photo].decode().then(show);
  });
}

function moveFocus(event, list) {
  const kind = event.target.matches(".box") ? ".box" : "button";
  const all = [...list.querySelectorAll(kind)];
  const index = all.indexOf(event.target);
  const target = { Home: 0, End: all.length - 1, ArrowDown: index + 1, ArrowUp: index - 1 }[event.key];
  if (index < 0 || !all[target]) return;
  event.preventDefault();
  all[target].focus();
}

export default function ({ data, parentElement, setTriggerValue }) {
  const list = parentElement.querySelector(".bars");
  if (list.dataset.signature !== data.signature) {
    const focused = parentElement.activeElement ?? parentElement.getRootNode().activeElement;
    const focus = list.contains(focused) && { id: focused.closest(".row").dataset.id, box: focused.matches(".box") };
    list.dataset.signature = data.signature;
    const photos = data.photos.map((url) => Object.assign(new Image(), { src: url }));
    list.replaceChildren(...data.rows.map((bar) => rowOf(bar, setTriggerValue)));
    [...list.children].forEach((child, index) => draw(child, data.rows[index], photos, data));
    const row = focus && [...list.children].find(({ dataset }) => dataset.id === focus.id);
    if (row) row.querySelector(focus.box ? ".box" : "button")?.focus();
    list.onkeydown = (event) => moveFocus(event, list);
  }
  const [low, high] = data.range;
  data.rows.forEach((bar, index) => update(list.children[index], bar, bar.id === data.selected, low, high));
}
