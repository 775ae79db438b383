// Receives a packed set of maps and shows nothing: the gallery draws it.

import { addSet, removeSet } from "./mapset.js";

export default function ({ data, parentElement }) {
  const received = (parentElement.received ??= { packed: null, id: null });
  const remove = (id) => id !== null && removeSet(id);
  if (received.packed !== data) {
    const before = received.id;
    Object.assign(received, { packed: data, id: addSet(data) });
    remove(before); // after the other was added: they may be one
  }
  return () => {
    remove(received.id);
    Object.assign(received, { packed: null, id: null });
  };
}
