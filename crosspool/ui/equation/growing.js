// Draws a block of P at one step of its construction: the position on both images, the bars, and the numbers in words.

import { count, make, numberText } from "../../gallery/elements.js";
import { placeOn } from "../widgets/cells.js";

const VEIL = 120; // of 255: how dark the positions are that are not added yet

const amount = (value) => (Math.abs(value) < 999.5 ? numberText(value) : count(Math.round(value)).replace("-", "−"));

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

function veil(canvas, { rows, columns }, order, step) {
  Object.assign(canvas, { width: columns, height: rows });
  const image = new ImageData(columns, rows);
  for (const position of order.slice(step)) image.data[4 * position + 3] = VEIL;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

const chartsIn = (root) => [".patch", ".product", ".sum"].map((name) => root.querySelector(`${name} .columns`));

// At the end of the walk, what becomes of the positions that it leaves out.
function ending(built, step) {
  const others = built.count - built.end;
  return step === built.end && others ? ` The other ${count(others)} positions weigh 0 and add nothing.` : "";
}

function say(root, data, built, step) {
  const setText = (selector, text) => (root.querySelector(selector).textContent = text);
  const [position, [row, column]] = [built.positionAt(step), built.cellAt(step)];
  const [weight, index] = [numberText(built.weights[position]), position * built.entries];
  const share = built.shares[built.count] ? built.shares[step] / built.shares[built.count] : 0;
  setText(".place", `Position ${step} of ${built.count}: row ${row}, column ${column}`);
  setText(".patch figcaption span", `row ${row}, column ${column}`);
  setText(".product figcaption span", weight);
  setText(".sum figcaption span", `${Math.round(100 * share)} % of the weight`);
  const [value, added] = [built.features[index], built.products[index]].map(amount);
  const [sum, whole] = [step, built.count].map((end) => amount(built.sums[end * built.entries]));
  const isOutside = data.outside.includes(position);
  setText(".words", isOutside
    ? "The patch here crosses the border, and only whole patches are pooled: it adds nothing."
    : `First bar, lower channel ${data.names[0]}: ${weight} × ${value} = ${added}. Sum so far: ${sum} of ${whole}.${ending(built, step)}`);
}

// Once for each map, before its steps are drawn.
export function prepare(root, data, built) {
  const images = root.querySelectorAll("img");
  [data.photo, data.map].forEach((src, index) => Object.assign(images[index], { src, alt: data.alts[index] }));
  const [patch, product, sum] = chartsIn(root);
  for (const chart of [patch, product]) columnsIn(chart, data.names, [""]);
  columnsIn(sum, data.names, ["whole", "part"]);
  stretch(sum, 0, (entry) => built.sums[built.count * built.entries + entry], built.ranges.sums);
  root.querySelector(".over figcaption b").textContent = `Map ${data.channel}`;
  root.querySelector(".patch small").textContent = `${data.names.length} of its ${count(data.length)} numbers`;
  root.querySelector(".sum small").textContent = `pale: the finished block P_${data.channel}`;
  root.querySelector(".note").textContent = data.note;
}

export function drawStep(root, data, built, step) {
  const start = built.positionAt(step) * built.entries;
  for (const box of root.querySelectorAll(".cell, .handle")) placeOn(box, built.cellAt(step), data);
  veil(root.querySelector("canvas"), data, built.order, step);
  const [patch, product, sum] = chartsIn(root);
  stretch(patch, 0, (entry) => built.features[start + entry], built.ranges.features);
  stretch(product, 0, (entry) => built.products[start + entry], built.ranges.products);
  sum.classList.toggle("finished", step >= built.end);
  stretch(sum, 1, (entry) => built.sums[step * built.entries + entry], built.ranges.sums);
  say(root, data, built, step);
}
