// The controls above the wall.

import { count, make } from "./elements.js";

const SORTS = {
  energy_share: "energy", peak: "peak", mean: "mean", sparsity: "sparsity", channel: "number", box: "box match",
};
const SMALLEST_TILE = 64;
const LARGEST_TILE = 240;

function labelled(label, control, className = "") {
  control.ariaLabel = label; // without it, the label's text would include the options
  return make("label", { className }, make("span", { textContent: label }), control);
}

const options = (names) => Object.entries(names).map(([value, textContent]) => make("option", { value, textContent }));

export class Toolbar {
  constructor(gallery) {
    this.gallery = gallery;
    const setter = (name, valueOf = ({ value }) => value) => ({ target }) => gallery.changeView({ [name]: valueOf(target) });
    const numberSetter = (name) => setter(name, ({ valueAsNumber }) => valueAsNumber);
    this.sort = make("select", { onchange: setter("sort") });
    this.filter = make("select", { onchange: setter("kept_maps") });
    this.search = make("input", {
      type: "search", placeholder: "all", title: "A number, or several: 0,5,12-20", oninput: () => gallery.search(this.search.value),
    });
    this.search.onkeydown = (event) => {
      if (event.key === "Enter" && gallery.order.length) gallery.select(gallery.order[0]);
      if (event.key === "Escape") this.clearSearch();
    };
    this.colours = make("select", { onchange: setter("colours") });
    this.overlay = make("select", { onchange: setter("overlay") }, ...options({ growing: "grows with the weight", even: "even" }));
    this.opacity = make("input", { type: "range", min: 0, max: 1, step: 0.05, oninput: numberSetter("opacity") });
    this.scale = make("select", { onchange: setter("scale") }, ...options({ map: "per map", layer: "per layer", fixed: "fixed" }));
    this.top = make("input", { type: "number", min: 0, step: "any", onchange: numberSetter("top") });
    this.smooth = make("input", { type: "checkbox", onchange: setter("smooth", ({ checked }) => checked) });
    this.tile = make("input", { type: "range", min: SMALLEST_TILE, max: LARGEST_TILE, step: 8, oninput: numberSetter("tile") });
    this.fixed = labelled("Up to", this.top, "number");
    this.root = make(
      "div", { className: "toolbar", role: "toolbar", ariaLabel: "How the maps are sorted and drawn" },
      labelled("Sort by", this.sort), labelled("Show", this.filter), labelled("Channel", this.search, "number"), this.look(),
    );
  }

  // How maps are drawn, in a panel that closes when it is left.
  look() {
    const panel = make(
      "div", { className: "panel", tabIndex: -1 },
      labelled("Colours", this.colours), labelled("Overlay", this.overlay), labelled("Opacity", this.opacity, "range"), labelled("Scale", this.scale), this.fixed,
      labelled("Tiles", this.tile, "range"), labelled("Smooth", this.smooth, "tick"),
    );
    const summary = make("summary", { textContent: "Look" });
    const look = make("details", { className: "look" }, summary, panel);
    look.onfocusout = ({ relatedTarget }) => look.contains(relatedTarget) || (look.open = false);
    look.onkeydown = ({ key }) => {
      if (key !== "Escape") return;
      look.open = false;
      summary.focus();
    };
    return look;
  }

  clearSearch() {
    this.search.value = "";
    this.gallery.search("");
  }

  // `counts` is how many maps pass each filter.
  show(view, { colourMaps, hasBox, counts, largestTop }) {
    const sorts = Object.fromEntries(Object.entries(SORTS).filter(([name]) => hasBox || name !== "box"));
    this.fill(this.sort, sorts, view.sort);
    this.fill(this.filter, {
      alive: `active (${count(counts.alive)})`, all: `all (${count(counts.all)})`,
      most: `90 % energy (${count(counts.most)})`, pinned: `pinned (${count(counts.pinned)})`,
    }, view.kept_maps);
    this.fill(this.colours, Object.fromEntries(colourMaps.map((name) => [name, name])), view.colours);
    this.colours.disabled = colourMaps.length === 1;
    this.scale.value = view.scale;
    this.overlay.value = view.overlay;
    this.fixed.hidden = view.scale !== "fixed";
    this.smooth.checked = view.smooth;
    this.top.max = largestTop;
    for (const name of ["opacity", "tile", "top"]) {
      if (this.root.getRootNode().activeElement !== this[name] || name === "top") this[name].value = view[name];
      this[name].title = String(view[name]);
    }
  }

  fill(select, names, selected) {
    const signature = JSON.stringify(names);
    if (select.dataset.names !== signature) {
      select.dataset.names = signature;
      select.replaceChildren(...options(names));
    }
    select.value = selected in names ? selected : Object.keys(names)[0];
  }
}
