// Scrolls a row of links to the pages so that the current one is in sight, and says which one it is. Data: current, its
// place in the row, or -1.

export default function ({ data, parentElement }) {
  const row = (parentElement.host ?? parentElement).closest('[data-testid="stHorizontalBlock"]');
  if (!row) return;
  const links = [...row.querySelectorAll("a")];
  links.forEach((link, index) => {
    if (index === data.current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  });
  const link = links[data.current];
  if (!link || parentElement.shown === data.current) return; // no jump back after scrolling on to others
  parentElement.shown = data.current;
  const [room, box] = [row, link].map((element) => element.getBoundingClientRect());
  row.scrollLeft += (box.left + box.right - room.left - room.right) / 2;
}
