// Receives what the channels of a layer pair mean, once for all images. Data: id, classes, sprite, as in `meaning.js`.

import { addMeaning } from "./meaning.js";

export default function ({ data }) {
  addMeaning(data);
}
