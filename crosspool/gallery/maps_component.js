// Receives a packed set of maps, which the gallery draws.

import { addSet, removeSet } from "./mapset.js";

export default function ({ data, parentElement }) {
  const received = (parentElement.received ??= { packed: null, id: null });
  const remove = (id) => id !== null && removeSet(id);
  if (received.packed !== data) {
    const before = received.id;
    Object.assign(received, { packed: data, id: addSet(data) });
    remove(before); // after the new one was added: both may be the same set
  }
  return () => {
    remove(received.id);
    Object.assign(received, { packed: null, id: null });
  };
}
