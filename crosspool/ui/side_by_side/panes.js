// Two panes with linked cursors: what the pointer or the arrow keys mark in one is marked at the same place in the other.
// Data: left and right {title, alt, photo (URL), rows, columns, signed, peakPlace [x, y], selected, map, weights (base64),
// heading, choices [{channel, note, map}]}, look {opacity, overlay, smooth}, table and signedTable (base64). A map: {rows,
// columns, cells}.

import { beforeNextFrame, make, numberText, pointOver } from "../../gallery/elements.js";
import { bytes, paint } from "../../gallery/paint.js";

const SIDES = ["left", "right"];
const STEPS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

const indexOf = (part, count) => Math.min(count - 1, Math.max(0, Math.floor(part * count)));

function cellAt([x, y], { rows, columns }) {
  return [indexOf(y, rows), indexOf(x, columns)];
}

const placeOf = ([row, column], { rows, columns }) => [(column + 0.5) / columns, (row + 0.5) / rows];

// The weight at a place in words; a mean where the map was averaged down.
function weightAt(place, { map, rows, columns, numbers }) {
  const [row, column] = cellAt(place, map);
  const name = map.rows < rows || map.columns < columns ? "mean weight" : "weight";
  return `${name} ${numberText(numbers[row * map.columns + column])}`;
}

function build(root) {
  root.replaceChildren(...SIDES.map((side) => {
    const canvas = make("canvas");
    const mark = make("div", { className: "mark" });
    const frame = make("div", { className: "frame", tabIndex: 0, role: "application" }, canvas, mark);
    const parts = [make("h3"), frame, make("p", { className: "reading" }), make("h4"), make("div", { className: "choices" })];
    return make("section", { className: `pane ${side}` }, ...parts);
  }));
  root.place = null; // in parts of the image, until a cell is marked: the left map's peak
}

function choiceOf({ channel, note }, selected, onChoose) {
  const caption = make("span", {}, make("b", { textContent: channel }), make("span", { textContent: note }));
  const button = make("button", { type: "button", className: "tile", title: `Map ${channel}: ${note}`, onclick: onChoose }, make("canvas"), caption);
  button.ariaPressed = channel === selected;
  button.dataset.channel = channel;
  return button;
}

function show(pane, side, data, onChoose) {
  const find = (selector) => pane.querySelector(selector);
  const focused = pane.contains(pane.getRootNode().activeElement) && pane.getRootNode().activeElement.dataset.channel;
  find("h3").textContent = side.title;
  find("h4").textContent = side.heading;
  find(".frame").ariaLabel = `${side.alt} Arrow keys mark a place on both sides.`;
  const tiles = side.choices.map((choice) => choiceOf(choice, side.selected, () => onChoose(choice.channel)));
  find(".choices").replaceChildren(...tiles);
  if (focused) find(`[data-channel="${focused}"]`)?.focus({ preventScroll: true });
  const table = bytes(side.signed ? data.signedTable : data.table);
  const canvases = [[find(".frame canvas"), side.map], ...tiles.map((tile, index) => [tile.querySelector("canvas"), side.choices[index].map])];
  const draw = () => {
    for (const [canvas, map] of canvases) {
      const look = { rows: map.rows, columns: map.columns, ...data.look, signed: side.signed };
      paint(canvas, side.image, map.values, look, table);
    }
  };
  side.image.decode().then(draw);
  pane.sizes?.disconnect();
  pane.sizes = new ResizeObserver(beforeNextFrame(() => side.image.complete && draw()));
  pane.sizes.observe(find(".frame"));
}

function markPlace(pane, side, place) {
  const [row, column] = cellAt(place, side);
  const percent = (part, count) => `${(100 * part) / count}%`;
  Object.assign(pane.querySelector(".mark").style, {
    left: percent(column, side.columns), top: percent(row, side.rows),
    width: percent(1, side.columns), height: percent(1, side.rows),
  });
  const text = `Map ${side.selected} at row ${row}, column ${column}: ${weightAt(place, side)}`;
  pane.querySelector(".reading").textContent = text;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".panes");
  if (!root.children.length) build(root);
  const panes = [...root.children];
  const sides = SIDES.map((name) => data[name]);
  for (const side of sides) {
    side.image = Object.assign(new Image(), { src: side.photo });
    side.numbers = new Float32Array(bytes(side.weights).buffer);
    for (const map of [side.map, ...side.choices.map((choice) => choice.map)]) map.values = bytes(map.cells);
  }
  const place = () => root.place ?? data.left.peakPlace;
  const mark = () => panes.forEach((pane, index) => markPlace(pane, sides[index], place()));
  panes.forEach((pane, index) => {
    const [side, frame] = [sides[index], pane.querySelector(".frame")];
    show(pane, side, data, (channel) => setTriggerValue("chosen", [SIDES[index], channel]));
    frame.onpointermove = frame.onpointerdown = (event) => {
      root.place = pointOver(frame, event).map((part) => Math.min(Math.max(part, 0), 0.9999));
      mark();
    };
    frame.onkeydown = (event) => {
      if (!STEPS[event.key]) return;
      event.preventDefault();
      const [[across, down], [row, column]] = [STEPS[event.key], cellAt(place(), side)];
      const clamp = (value, count) => Math.min(count - 1, Math.max(0, value));
      root.place = placeOf([clamp(row + down, side.rows), clamp(column + across, side.columns)], side);
      mark();
    };
  });
  mark();
}
