// The gallery as a page that contains its maps and settings.

import { Gallery } from "./gallery.js";
import { MapSet } from "./mapset.js";
import { bytes } from "./paint.js";

const settings = JSON.parse(document.getElementById("settings").textContent);
const gallery = new Gallery(document.querySelector(".gallery"));
MapSet.read(bytes(document.getElementById("maps").textContent)).then((set) => gallery.show(set, settings, { classes: settings.classes, sprite: null }));
