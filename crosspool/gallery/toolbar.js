// The controls above the wall. Each is labelled, and calls `change` with what it sets.

import { count, make } from "./elements.js";

const SORTS = {
  energy_share: "share of energy", peak: "peak", mean: "mean weight", sparsity: "sparsity", channel: "channel number",
  box: "how well it finds the box",
};
const SMALLEST_TILE = 64;
const LARGEST_TILE = 240;

function labelled(label, control, className = "") {
  control.ariaLabel = label; // the label's own text would count the options
  return make("label", { className }, make("span", { textContent: label }), control);
}

const choices = (names) => Object.entries(names).map(([value, textContent]) => make("option", { value, textContent }));

export class Toolbar {
  constructor({ change, find, go }) {
    const on = (name, of = (control) => control.value) => ({ target }) => change({ [name]: of(target) });
    this.sort = make("select", { onchange: on("sort") });
    this.kept = make("select", { onchange: on("kept_maps") });
    this.find = make("input", { type: "search", placeholder: "all", title: "A number, or several: 0,5,12-20", oninput: () => find(this.find.value) });
    this.find.onkeydown = (event) => {
      if (event.key === "Enter") go();
      if (event.key === "Escape") this.clear(find);
    };
    this.colours = make("select", { onchange: on("colours") });
    this.opacity = make("input", { type: "range", min: 0, max: 1, step: 0.05, oninput: on("opacity", ({ valueAsNumber }) => valueAsNumber) });
    this.scale = make("select", { onchange: on("scale") }, ...choices({ map: "per map", layer: "per layer", fixed: "fixed" }));
    this.top = make("input", { type: "number", min: 0, step: "any", onchange: on("top", ({ valueAsNumber }) => valueAsNumber) });
    this.smooth = make("input", { type: "checkbox", onchange: on("smooth", ({ checked }) => checked) });
    this.tile = make("input", {
      type: "range", min: SMALLEST_TILE, max: LARGEST_TILE, step: 8, oninput: on("tile", ({ valueAsNumber }) => valueAsNumber),
    });
    this.fixed = labelled("Up to", this.top, "number");
    this.root = make(
      "div", { className: "toolbar", role: "toolbar", "aria-label": "How the maps are sorted and drawn" },
      labelled("Sort by", this.sort), labelled("Show", this.kept), labelled("Channel", this.find, "number"),
      labelled("Colours", this.colours), labelled("Opacity", this.opacity, "range"), labelled("Scale", this.scale), this.fixed,
      labelled("Tiles", this.tile, "range"), labelled("Smooth", this.smooth, "tick"),
    );
  }

  clear(find) {
    this.find.value = "";
    find("");
  }

  // `counts` is how many maps each filter keeps.
  show(view, { colourMaps, hasBox, counts, largestTop }) {
    const sorts = Object.fromEntries(Object.entries(SORTS).filter(([name]) => hasBox || name !== "box"));
    this.options(this.sort, sorts, view.sort);
    this.options(this.kept, {
      alive: `not dead (${count(counts.alive)})`, all: `all (${count(counts.all)})`,
      most: `90 % of energy (${count(counts.most)})`, pinned: `pinned (${count(counts.pinned)})`,
    }, view.kept_maps);
    this.options(this.colours, Object.fromEntries(colourMaps.map((name) => [name, name])), view.colours);
    this.colours.disabled = colourMaps.length === 1;
    this.scale.value = view.scale;
    this.fixed.hidden = view.scale !== "fixed";
    this.smooth.checked = view.smooth;
    this.top.max = largestTop;
    for (const name of ["opacity", "tile", "top"]) {
      if (this.root.getRootNode().activeElement !== this[name] || name === "top") this[name].value = view[name];
      this[name].title = String(view[name]);
    }
  }

  options(select, names, chosen) {
    const signature = JSON.stringify(names);
    if (select.dataset.names !== signature) {
      select.dataset.names = signature;
      select.replaceChildren(...choices(names));
    }
    select.value = chosen in names ? chosen : Object.keys(names)[0];
  }
}
