// The gallery by itself: its maps and its settings are in the page.

import { Gallery } from "./gallery.js";
import { arrive } from "./mapset.js";
import { bytes } from "./paint.js";

const settings = JSON.parse(document.getElementById("settings").textContent);
const packedMaps = bytes(document.getElementById("maps").textContent);
new Gallery(document.querySelector(".gallery")).show({ ...settings, maps: arrive(packedMaps) });
