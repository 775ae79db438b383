// The gallery on a page of the app. Data: see Gallery.show; also `maps`, the name of the set that `maps_component.js`
// receives, `meaning`, the id of what `meaning_component.js` receives, and `revisions`, see Exchange.

import { Exchange } from "./exchange.js";
import { Gallery } from "./gallery.js";
import { mapSet } from "./mapset.js";
import { meaningOf } from "./meaning.js";

function build(root) {
  const exchange = new Exchange();
  const gallery = new Gallery(root, {
    onSelect: (channel) => exchange.change("selected", channel),
    onPin: (channels) => exchange.change("pins", channels),
    onBox: (box) => exchange.changeLater("box", box),
    onView: (view) => exchange.changeLater("view", view),
  });
  Object.assign(root, { exchange, gallery });
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".gallery");
  if (!root.gallery) build(root);
  const { exchange, gallery } = root;
  exchange.send = (changes) => setTriggerValue("changes", changes);
  root.latest = data;
  Promise.all([mapSet(data.maps), meaningOf(data.meaning)]).then(([set, meaning]) => {
    if (root.latest !== data) return; // newer data has arrived
    const { selected, pins, view } = gallery;
    const mine = gallery.set === set ? { selected, pins, view, box: gallery.lens.box } : { view }; // channels belong to their maps
    const merged = exchange.merge(data, mine);
    if (gallery.set === set && exchange.isAhead("selected")) merged.cell = gallery.place;
    gallery.show(set, merged, meaning);
  });
  return () => {
    exchange.flush();
    gallery.close();
    root.latest = root.gallery = undefined; // if shown again, it is built again
  };
}
