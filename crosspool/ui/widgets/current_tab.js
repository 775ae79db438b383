// Scrolls a row of links to the pages so that the current one is in sight, and says which one it is. Data: current, its
// place in the row, or -1. The links may come, or be drawn anew, after this. Also says, by the class that the document
// comes with, whether the page has a side bar (data: hasSideBar), as another page may have come with it.

export default function ({ data, parentElement }) {
  document.documentElement.classList.toggle("with-side-bar", data.hasSideBar);
  const host = parentElement.host ?? parentElement;
  const mark = () => {
    const row = host.closest('[data-testid="stHorizontalBlock"]');
    const links = [...(row?.querySelectorAll("a") ?? [])];
    links.forEach((link, index) => {
      if (index === data.current) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    });
    const link = links[data.current];
    if (!link || parentElement.shown === data.current) return; // no jump back after scrolling on to others
    parentElement.shown = data.current;
    const [room, box] = [row, link].map((element) => element.getBoundingClientRect());
    row.scrollLeft += (box.left + box.right - room.left - room.right) / 2;
  };
  parentElement.observer?.disconnect();
  parentElement.observer = new MutationObserver(mark);
  const around = host.closest('[data-testid="stMain"]') ?? document.body;
  parentElement.observer.observe(around, { childList: true, subtree: true });
  mark();
}
