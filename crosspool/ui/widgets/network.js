// A network as a picture. A row for each stage, from the photo down to the last layers, shows a pair of neighbouring
// layers as two slabs: as wide as a map is, as high as there are channels. Below, all pairs of the chosen stage as bars,
// and behind a button all pairs by name.
// Data: size, stages [{title, pairs [{id, name, words, lower, upper: [channels, side]}]}], selected, signature (changes when
// anything but the selection does).

import { count, make } from "../../gallery/elements.js";
import { chosenPhoto } from "./chosen_photo.js";

const SIDE = 84; // pixels of the photo, and so of the input
const SLABS = 58; // pixels of the highest pair of slabs
const BAR = 36; // pixels of the highest bar
const THINNEST = 2;
const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

const pixels = (number, least = THINNEST) => `${Math.max(number, least).toFixed(1)}px`;
const pairsOf = (stages) => stages.flatMap(({ pairs }) => pairs);

function nameOf(name) { // a line may break after a dot
  return make("small", {}, ...name.split(/(?<=\.)/).flatMap((part) => [part, make("wbr")]));
}

function slabs({ lower, upper }, { size, most }) {
  const slab = ([channels, side], className) => {
    const element = make("i", { className });
    element.style.width = pixels((SIDE * side) / size, 3);
    element.style.height = pixels((SLABS * channels) / most);
    return element;
  };
  return [slab(lower, "lower"), slab(upper, "upper")];
}

function bars({ lower, upper }, { widest }) {
  return [lower, upper].map(([channels], index) => {
    const bar = make("i", { className: index ? "upper" : "lower" });
    bar.style.height = pixels((BAR * channels) / widest);
    return bar;
  });
}

function optionOf(pair, label, ...parts) {
  const option = make("div", { className: "option", role: "option", title: `${pair.words} (${pair.name})` }, ...parts);
  if (label) option.ariaLabel = label;
  option.dataset.id = pair.id;
  return option;
}

const optionsOf = (list) => [...list.querySelectorAll('[role="option"]')];

function moveFocus(event, list, choose) {
  const options = optionsOf(list);
  const index = options.indexOf(event.target);
  if (index < 0) return;
  if (event.key === "Enter" || event.key === " ") choose(event.target.dataset.id);
  const target = { Home: 0, End: options.length - 1 }[event.key] ?? index + (STEPS[event.key] ?? NaN);
  if (event.key !== "Enter" && event.key !== " " && !options[target]) return;
  event.preventDefault();
  options[target]?.focus();
}

function listOf(className, label, options, choose) {
  const list = make("div", { className, role: "listbox", ariaLabel: label }, ...options);
  list.onclick = ({ target }) => {
    const option = target.closest('[role="option"]');
    if (option) choose(option.dataset.id);
  };
  list.onkeydown = (event) => moveFocus(event, list, choose);
  return list;
}

function mark(list, isSelected) { // Tab reaches the selected option, or the last one
  const options = optionsOf(list);
  for (const option of options) option.ariaSelected = isSelected(option);
  const current = options.find(({ ariaSelected }) => ariaSelected === "true") ?? options.at(-1);
  for (const option of options) option.tabIndex = option === current ? 0 : -1;
  return current;
}

// Behind the slabs, from the photo down, the network narrows: half-way to the rows above and below.
function funnel(picture, [above, here, below], size) {
  picture.style.setProperty("--top", pixels((SIDE * (above + here)) / 2 / size, 3));
  picture.style.setProperty("--bottom", pixels((SIDE * (here + below)) / 2 / size, 3));
}

// A row shows the selected pair where it is of this stage, else the recommended one.
function rowOf({ title, pairs }, pair, scale) {
  const picture = make("span", { className: "picture" }, ...slabs(pair, scale));
  const words = make("span", { className: "words" }, make("b", { textContent: title }), make("span", { textContent: pair.words }), nameOf(pair.name));
  const row = optionOf(pair, `${title}: ${pair.words}, ${pair.name}`, picture, words);
  row.dataset.id = pairs.at(-1).id;
  return row;
}

function fineChoice({ title, pairs }, scale, choose) {
  const options = pairs.map((pair) => optionOf(pair, `${pair.words}, ${pair.name}`, ...bars(pair, scale)));
  const list = listOf("fine", `Pairs of the ${title.toLowerCase()}`, options, choose);
  list.ariaOrientation = "horizontal";
  const text = `All ${count(pairs.length)} pairs of the ${title.toLowerCase()}, by their numbers of maps:`;
  return [make("p", { textContent: text }), list];
}

function allPairs(stages, choose) {
  const groups = stages.toReversed().map(({ title, pairs }) => {
    const options = pairs.toReversed().map((pair) => optionOf(pair, "", make("span", { textContent: pair.words }), nameOf(pair.name)));
    return make("div", { role: "group", ariaLabel: title }, make("b", { role: "presentation", textContent: title }), ...options);
  });
  return listOf("all", "All layer pairs", groups, choose);
}

function intoView(list, option) { // the list scrolls, the page does not
  const [room, box] = [list, option].map((element) => element.getBoundingClientRect());
  list.scrollLeft += (box.left + box.right - room.left - room.right) / 2;
  list.scrollTop += (box.top + box.bottom - room.top - room.bottom) / 2;
}

function build(root, data, choose) {
  const { size, stages } = data;
  const total = pairsOf(stages).length;
  const label = make("span", { textContent: `Image, ${size}×${size} pixels` });
  const image = make("div", { className: "input" }, make("img", { alt: "" }), label);
  const all = allPairs(stages, choose);
  const more = make("button", { className: "more", type: "button", textContent: `All ${count(total)} pairs by name` });
  const toggle = (open) => {
    all.hidden = !open;
    more.ariaExpanded = open;
    root.dataset.open = open;
  };
  more.onclick = () => {
    toggle(all.hidden);
    const selected = all.querySelector('[aria-selected="true"]');
    if (!all.hidden && selected) intoView(all, selected);
  };
  toggle(root.dataset.open === "true");
  const rows = listOf("stages", "Layer pair", [], choose);
  const fine = make("div", { className: "within" });
  if (total === 1) more.hidden = true;
  const about = "Layer pair: patches of the grey layer are pooled under every map of the green one.";
  root.replaceChildren(make("p", { textContent: about }), image, rows, fine, more, all);
}

function update(root, data, choose) {
  const { stages, selected, size } = data;
  const channels = pairsOf(stages).map(({ lower, upper }) => [lower[0], upper[0]]);
  const scale = { size, most: Math.max(...channels.map(([a, b]) => a + b)), widest: Math.max(...channels.flat()) };
  const [rows, within, all] = [".stages", ".within", ".all"].map((name) => root.querySelector(name));
  const isIn = ({ pairs }) => pairs.find(({ id }) => id === selected);
  const had = root.contains(root.getRootNode().activeElement) && root.getRootNode().activeElement.closest('[role="listbox"]')?.className;
  const shown = stages.map((stage) => isIn(stage) ?? stage.pairs.at(-1));
  rows.replaceChildren(...stages.map((stage, index) => rowOf(stage, shown[index], scale)));
  const sides = [size, ...shown.map(({ upper }) => upper[1]), shown.at(-1).upper[1]];
  rows.querySelectorAll(".picture").forEach((picture, index) => funnel(picture, sides.slice(index, index + 3), size));
  const stage = stages.find(isIn);
  within.replaceChildren(...(stage && stage.pairs.length > 1 ? fineChoice(stage, scale, choose) : []));
  const fine = within.querySelector(".fine");
  const current = [
    mark(rows, (row) => stage?.pairs.at(-1).id === row.dataset.id),
    fine && mark(fine, ({ dataset }) => dataset.id === selected),
    mark(all, ({ dataset }) => dataset.id === selected),
  ];
  if (fine) new ResizeObserver(() => intoView(fine, current[1])).observe(fine); // now, and when a phone's side bar opens
  if (had) current[["stages", "fine", "all"].indexOf(had)]?.focus({ preventScroll: true });
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".network");
  const choose = (id) => {
    update(root, { ...data, selected: id }, choose); // at once; the server follows
    setTriggerValue("chosen", id);
  };
  if (root.dataset.signature !== data.signature) build(root, data, choose);
  root.dataset.signature = data.signature;
  update(root, data, choose);
  const showPhoto = () => chosenPhoto.url && (root.querySelector(".input img").src = chosenPhoto.url);
  showPhoto();
  chosenPhoto.addEventListener("change", showPhoto);
  return () => chosenPhoto.removeEventListener("change", showPhoto);
}
