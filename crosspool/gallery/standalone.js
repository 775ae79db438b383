// The gallery as a page that contains its maps and settings.

import { Gallery } from "./gallery.js";
import { MapSet } from "./mapset.js";
import { bytes } from "./paint.js";

const settings = JSON.parse(document.getElementById("settings").textContent);
const gallery = new Gallery(document.querySelector(".gallery"));
new MapSet(bytes(document.getElementById("maps").textContent)).ready.then((set) => gallery.show(set, settings, { classes: settings.classes, sprite: null }));
