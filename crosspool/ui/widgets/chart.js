// Bars side by side, or points and the line on which both of their numbers are equal; each can be read, with the pointer
// or the arrow keys. Data: values, labels, alt, horizontal and vertical (the axes' titles); for bars first (the number
// of the first), ticks ([[place, name]] | null), marked ([place, name] | null), percent; for points x.

import { count, make, numberText } from "../../gallery/elements.js";

const SVG = "http://www.w3.org/2000/svg";
const ROOM_ABOVE = 0.18; // of the largest bar, for the name of a marked one
const CHARACTER = 6.5; // pixels, of a name below the axis
const STEPS = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 };

// Round numbers between two others, about `parts` of them.
function roundNumbers(low, high, parts) {
  const rough = (high - low) / parts;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const start = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - start + 1 }, (_, index) => (start + index) * step);
}

// "block P_7" with the 7 as a subscript.
function withSubscripts(className, text) {
  const parts = text.split(/_(\w+)/).map((part, index) => (index % 2 ? make("sub", { textContent: part }) : part));
  return make("div", { className }, ...parts);
}

function scaleText(value) {
  const rounded = Number(value.toPrecision(6)); // 0.1 + 0.2 is 0.3
  return Math.abs(rounded) >= 1000 && Math.abs(rounded) < 1e6 ? count(rounded).replace("-", "−") : numberText(rounded);
}

function rangeOf(numbers) {
  const [low, high] = numbers.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [0, 0]);
  return low === high ? [0, 1] : [low, high];
}

function path(className, commands) {
  const shape = document.createElementNS(SVG, "path");
  shape.setAttribute("class", className);
  shape.setAttribute("d", commands);
  return shape;
}

// Where everything is, across and up, in parts of the plot from 0 to 1.
function geometry({ x, values, marked }) {
  const [low, high] = rangeOf(x ? [...x, ...values] : values);
  const margin = x ? 0.04 * (high - low) : 0;
  const [bottom, top] = [low - margin, high + (marked ? ROOM_ABOVE * (high - low) : margin)];
  const part = (value) => (value - bottom) / (top - bottom);
  return { low: bottom, high: top, up: part, across: x ? (index) => part(x[index]) : (index) => (index + 0.5) / values.length };
}

const along = (left, right, y) => `M${left} ${1 - y}H${right}`;

function barPath({ values }, { up }, index, width = 0.86) {
  const [left, size] = [(index + 0.5 - width / 2) / values.length, width / values.length];
  return `M${left} ${1 - up(0)}h${size}V${1 - up(values[index])}h${-size}z`;
}

function marksOf(data, place) {
  const { x, values, marked } = data;
  const dots = values.map((value, index) => `M${place.across(index)} ${1 - place.up(value)}h0`);
  if (x) return [path("equal", `M0 1L1 0`), path("points", dots.join(""))];
  const many = values.length > 200; // and each may be thinner than a pixel
  const width = many ? 1 : 0.86;
  const bars = path(many ? "bars fine" : "bars", values.map((_, index) => barPath(data, place, index, width)).join(""));
  const wide = Math.max(width, values.length / 160);
  return [bars, path("marked", marked ? barPath(data, place, marked[0], wide) : ""), path("zero", along(0, 1, place.up(0)))];
}

function at(left, text) {
  const name = make("i", { textContent: text });
  name.style.left = `${100 * left}%`;
  return name;
}

// The numbers or names below the plot: the places and texts of those there is room for.
function namesBelow({ x, ticks, values, first }, place, width) {
  if (ticks) return ticks.map(([index, text]) => [place.across(index), text]);
  if (x) return roundNumbers(place.low, place.high, Math.max(2, Math.min(8, width / 60))).map((value) => [place.up(value), scaleText(value)]);
  const parts = Math.max(2, Math.min(10, width / 70, values.length));
  const whole = roundNumbers(first, first + values.length - 1, parts).filter((value) => Number.isInteger(value));
  return whole.map((value) => [place.across(value - first), count(value)]);
}

function drawNames(chart, data, place) {
  const names = chart.querySelector(".names");
  const width = chart.querySelector(".plot").clientWidth;
  const below = namesBelow(data, place, width);
  const longest = Math.max(0, ...below.map(([, text]) => text.length)) * CHARACTER;
  const tilted = Boolean(data.ticks) && longest + 6 > width / below.length;
  names.classList.toggle("tilted", tilted);
  names.style.height = tilted ? `${0.75 * longest + 14}px` : "";
  names.replaceChildren(...below.map(([left, text]) => at(left, text)));
}

function drawPlot(chart, data, place) {
  const heights = roundNumbers(place.low, place.high, 5);
  const text = (value) => (data.percent ? `${numberText(Number((100 * value).toPrecision(6)))} %` : scaleText(value));
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 1 1");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.append(path("grid", heights.map((value) => along(0, 1, place.up(value))).join("")), ...marksOf(data, place), path("pointed", ""));
  const bubble = make("div", { className: "bubble", hidden: true });
  const plot = make("div", { className: "plot", tabIndex: 0, role: "slider", ariaLabel: data.alt }, svg, bubble);
  if (data.marked) {
    const [index, name] = data.marked;
    const mark = withSubscripts("mark", name);
    mark.style.left = `${100 * Math.min(0.97, Math.max(0.03, place.across(index)))}%`;
    mark.style.bottom = `${100 * place.up(Math.max(0, data.values[index]))}%`;
    plot.append(mark);
  }
  const scale = make("div", { className: "scale" });
  for (const value of heights) {
    const label = make("i", { textContent: text(value) });
    label.style.bottom = `${100 * place.up(value)}%`;
    scale.append(label, make("span", { textContent: text(value) })); // the hidden one keeps the width
  }
  const body = make("div", { className: "body" }, scale, plot, make("div", { className: "names" }));
  chart.replaceChildren(withSubscripts("title", data.vertical), body, withSubscripts("title horizontal", data.horizontal));
  return plot;
}

// The place of the bar or point that is nearest to the pointer.
function placeAt({ x, values }, place, plot, { clientX, clientY }) {
  const { left, bottom, width, height } = plot.getBoundingClientRect();
  const [right, up] = [clientX - left, bottom - clientY];
  if (!x) return Math.min(values.length - 1, Math.max(0, Math.floor((right / width) * values.length)));
  const distances = values.map((value, index) => Math.hypot(place.across(index) * width - right, place.up(value) * height - up));
  return distances.indexOf(Math.min(...distances));
}

function makeReadable(plot, data, place) {
  const [bubble, pointed] = [plot.querySelector(".bubble"), plot.querySelector(".pointed")];
  const { x, values, labels, marked } = data;
  let current = marked?.[0] ?? 0;
  Object.assign(plot, { ariaValueMin: 1, ariaValueMax: values.length });
  const point = (index) => {
    current = Math.min(values.length - 1, Math.max(0, index));
    Object.assign(plot, { ariaValueNow: current + 1, ariaValueText: labels[current] });
    const left = place.across(current);
    pointed.classList.toggle("dot", Boolean(x));
    const [start, size] = [current / values.length, 1 / values.length];
    pointed.setAttribute("d", x ? `M${left} ${1 - place.up(values[current])}h0` : `M${start} 0h${size}V1h${-size}z`);
    bubble.textContent = labels[current];
    Object.assign(bubble.style, left < 0.5 ? { left: `calc(${100 * left}% + 10px)`, right: "" } : { left: "", right: `calc(${100 * (1 - left)}% + 10px)` });
  };
  const show = (shown) => {
    bubble.hidden = !shown;
    pointed.style.display = shown ? "" : "none";
  };
  point(current);
  show(false);
  plot.onpointermove = plot.onpointerdown = (event) => {
    point(placeAt(data, place, plot, event));
    show(true);
  };
  plot.onpointerleave = () => show(plot.matches(":focus-visible"));
  plot.onfocus = () => show(true);
  plot.onblur = () => show(false);
  plot.onkeydown = (event) => {
    const target = { Home: 0, End: values.length - 1 }[event.key] ?? current + STEPS[event.key];
    if (event.key === "Escape") show(false);
    if (Number.isNaN(target) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    point(target);
    show(true);
  };
}

export default function ({ data, parentElement }) {
  const chart = parentElement.querySelector(".chart");
  const signature = JSON.stringify(data);
  if (chart.drawn === signature) return; // a run of the page that changes nothing leaves focus and bubble
  chart.drawn = signature;
  const focused = parentElement.activeElement ?? parentElement.getRootNode().activeElement;
  const place = geometry(data);
  const plot = drawPlot(chart, data, place);
  makeReadable(plot, data, place);
  if (focused?.matches(".plot")) plot.focus();
  chart.observer?.disconnect();
  chart.observer = new ResizeObserver(() => drawNames(chart, data, place));
  chart.observer.observe(plot);
}
