// Takes a packed set of maps and shows nothing: the gallery draws it.

import { arrive, leave } from "./mapset.js";

export default function ({ data, parentElement }) {
  const kept = (parentElement.kept ??= { packed: null, id: null });
  if (kept.packed !== data) {
    const before = kept.id;
    kept.packed = data;
    kept.id = arrive(data);
    if (before !== null && before !== kept.id) leave(before);
  }
  return () => {
    if (kept.id !== null) leave(kept.id);
    Object.assign(kept, { packed: null, id: null });
  };
}
