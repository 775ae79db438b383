// A block of P built up position by position: the photo and the map with the current position, and bars that grow.
// Data: photo, map (URLs), alts [2], rows, columns, weights (base64, float32, one for each position), features (base64,
// float32, positions x entries), names [entries], outside [positions that are not pooled], cell [row, column],
// order ("rows" or "strongest"), channel, channels, length (of a patch), note, signature (changes with the maps).

import { count, make, numberText } from "../../gallery/elements.js";
import { bytes } from "../../gallery/paint.js";
import { listenForCells, placeOn } from "../widgets/cells.js";
import { paced } from "../widgets/pace.js";

const POSITION_MILLISECONDS = 245; // 49 positions in 12 s
const LONGEST_MILLISECONDS = 20_000; // however many there are
const LEAST_ROOM = 420; // pixels

const amount = (value) => (Math.abs(value) < 999.5 ? numberText(value) : count(Math.round(value)).replace("-", "−"));
const floats = (text) => new Float32Array(bytes(text).buffer);

function orderOf(weights, order) {
  const positions = [...weights.keys()];
  return order === "rows" ? positions : positions.sort((a, b) => Math.abs(weights[b]) - Math.abs(weights[a]));
}

// Everything that depends on the maps and the order alone. After step s the first s positions of `order` are added.
function constructionOf(data) {
  const [weights, features] = [floats(data.weights), floats(data.features)];
  const order = orderOf(weights, data.order);
  const [count, entries] = [order.length, data.names.length];
  const products = Float64Array.from(features, (value, index) => value * weights[Math.floor(index / entries)]);
  const sums = new Float64Array((count + 1) * entries);
  const shares = [0];
  for (let step = 1; step <= count; step++) {
    const position = order[step - 1];
    for (let entry = 0; entry < entries; entry++) {
      sums[step * entries + entry] = sums[(step - 1) * entries + entry] + products[position * entries + entry];
    }
    shares.push(shares[step - 1] + Math.abs(weights[position]));
  }
  const end = 1 + order.findLastIndex((position) => weights[position]); // nothing is added after this step
  const stepOf = new Map(order.map((position, index) => [position, index + 1]));
  return { weights, features, products, sums, shares, order, count, entries, end: Math.max(1, end), stepOf };
}

function rangeOf(values) {
  let [low, high] = [0, 0];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return low === high ? [0, 1] : [low, high];
}

function columnsIn(chart, names, classes) {
  const column = (name) => make("span", { title: `lower channel ${name}` }, ...classes.map((className) => make("i", { className })));
  chart.replaceChildren(...names.map(column), make("hr"));
}

// Draws values on an axis over [low, high]; `index` says which of several bars in each column.
function stretch(chart, index, valueAt, [low, high]) {
  const percentOf = (value) => (100 * (value - low)) / (high - low);
  chart.lastChild.style.bottom = `${percentOf(0)}%`;
  for (let entry = 0; entry < chart.children.length - 1; entry++) {
    const [value, bar] = [valueAt(entry), chart.children[entry].children[index]];
    const bottom = percentOf(Math.min(value, 0));
    bar.style.bottom = `${bottom}%`;
    bar.style.height = `${percentOf(Math.max(value, 0)) - bottom}%`;
  }
}

function veil(canvas, { rows, columns }, { order }, step) {
  Object.assign(canvas, { width: columns, height: rows });
  const image = new ImageData(columns, rows);
  for (const position of order.slice(step)) image.data[4 * position + 3] = 120;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// Leaves as much room as there is between the player's upper edge, unscrolled, and the lower edge of the window.
function fitIn(root) {
  const scrolled = root.getRootNode().host.closest("[data-testid=stMain]")?.scrollTop ?? 0;
  const room = innerHeight - root.getBoundingClientRect().top - scrolled - 12;
  root.style.setProperty("--room", `${Math.max(LEAST_ROOM, Math.floor(room))}px`);
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".player");
  const find = (selector) => root.querySelector(selector);
  const [play, restart, onward, slider, speed] = [".play", ".restart", ".onward", "[type=range]", ".speed select"].map(find);
  const [patch, product, sum] = [".patch", ".product", ".sum"].map((name) => find(`${name} .columns`));
  const pace = paced(root, data.cell, (cell) => setTriggerValue("cell", cell));
  const isNew = root.signature !== data.signature;
  const player = isNew ? (root.player = constructionOf(data)) : root.player;
  const positionAt = (step) => player.order[step - 1];
  const cellAt = (step) => [Math.floor(positionAt(step) / data.columns), positionAt(step) % data.columns];
  const stepAt = ([row, column]) => player.stepOf.get(row * data.columns + column);
  const speedUp = () => Number(speed.value) / Math.min(POSITION_MILLISECONDS, LONGEST_MILLISECONDS / player.count);

  const say = (step) => {
    const [position, [row, column]] = [positionAt(step), cellAt(step)];
    const [weight, index] = [player.weights[position], position * player.entries];
    const share = player.shares[player.count] ? player.shares[step] / player.shares[player.count] : 0;
    find(".place").textContent = `Position ${step} of ${player.count}: row ${row}, column ${column}`;
    find(".patch figcaption span").textContent = `row ${row}, column ${column}`;
    find(".product figcaption span").textContent = numberText(weight);
    find(".sum figcaption span").textContent = `${Math.round(100 * share)} % of the weight`;
    const [value, added] = [player.features[index], player.products[index]].map(amount);
    const [total, whole] = [player.sums[step * player.entries], player.sums[player.count * player.entries]].map(amount);
    find(".words").textContent = data.outside.includes(position)
      ? "The patch here crosses the border, and only whole patches are pooled: it adds nothing."
      : `First bar, lower channel ${data.names[0]}: ${numberText(weight)} × ${value} = ${added}. Sum so far: ${total} of ${whole}.`;
  };
  const draw = () => {
    const { step } = root;
    const [position, cell] = [positionAt(step), cellAt(step)];
    for (const box of root.querySelectorAll(".cell, .handle")) placeOn(box, cell, data);
    veil(find("canvas"), data, player, step);
    slider.value = step;
    stretch(patch, 0, (entry) => player.features[position * player.entries + entry], root.ranges.features);
    stretch(product, 0, (entry) => player.products[position * player.entries + entry], root.ranges.products);
    stretch(sum, 1, (entry) => player.sums[step * player.entries + entry], root.ranges.sums);
    say(step);
    play.textContent = root.isPlaying ? "❚❚ Pause" : "▶ Play";
    onward.disabled = step === player.count;
    restart.disabled = step === 1;
  };
  const stop = () => {
    root.isPlaying = false;
    pace.ask(cellAt(root.step));
    draw();
  };
  const goTo = (step) => {
    root.step = Math.min(player.count, Math.max(1, step));
    stop();
  };
  const playOn = (now) => {
    if (!root.isPlaying || !root.isConnected) return;
    root.steps += (now - root.drawnAt) * speedUp();
    root.drawnAt = now;
    const whole = Math.floor(root.steps);
    root.steps -= whole;
    root.step = Math.min(player.end, root.step + whole);
    if (root.step === player.end) stop();
    else {
      if (whole) draw();
      requestAnimationFrame(playOn);
    }
  };
  const togglePlaying = () => {
    if (root.isPlaying) return stop();
    if (root.step >= player.end) root.step = 1;
    Object.assign(root, { isPlaying: true, steps: 0, drawnAt: performance.now() });
    draw();
    return requestAnimationFrame(playOn);
  };

  fitIn(root);
  root.observer ??= new ResizeObserver(() => fitIn(root));
  root.observer.observe(document.documentElement);
  if (isNew) {
    Object.assign(root, { signature: data.signature, isPlaying: false });
    root.ranges = { features: rangeOf(player.features), products: rangeOf(player.products), sums: rangeOf(player.sums) };
    const images = root.querySelectorAll("img");
    [data.photo, data.map].forEach((src, index) => Object.assign(images[index], { src, alt: data.alts[index] }));
    for (const chart of [patch, product]) columnsIn(chart, data.names, [""]);
    columnsIn(sum, data.names, ["whole", "part"]);
    stretch(sum, 0, (entry) => player.sums[player.count * player.entries + entry], root.ranges.sums);
    find(".over figcaption b").textContent = `Map ${data.channel}`;
    find(".patch small").textContent = `${data.names.length} of its ${count(data.length)} numbers`;
    find(".sum small").textContent = `pale: the finished block P_${data.channel}`;
    Object.assign(slider, { max: player.count });
  }
  if (!root.isPlaying) root.step = stepAt(pace.latest) ?? 1;
  find(".note").textContent = data.note;
  const number = Object.assign(find("[type=number]"), { max: data.channels - 1, value: data.channel });
  number.onchange = () => number.reportValidity() && setTriggerValue("channel", Number(number.value));
  const order = Object.assign(find(".order select"), { value: data.order });
  order.onchange = () => setTriggerValue("order", order.value);
  for (const frame of root.querySelectorAll(".frame")) {
    const handle = frame.querySelector(".handle");
    frame.ariaLabel = frame.querySelector("img").alt;
    listenForCells(frame, handle, data, () => cellAt(root.step), (cell) => goTo(stepAt(cell)));
  }
  play.disabled = player.end === 1;
  play.onclick = togglePlaying;
  restart.onclick = () => goTo(1);
  onward.onclick = () => goTo(root.step + 1);
  slider.oninput = () => goTo(Number(slider.value));
  draw();
}
