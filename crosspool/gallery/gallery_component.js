// The gallery on a page of the app. Data: see Gallery.show; maps is the name of the set that `maps_component.js` takes.

import { Gallery } from "./gallery.js";

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".gallery");
  const gallery = (root.gallery ??= new Gallery(root));
  gallery.tell = setTriggerValue;
  gallery.show(data);
  return () => {
    gallery.close();
    root.gallery = undefined; // what is shown here again begins anew
  };
}
