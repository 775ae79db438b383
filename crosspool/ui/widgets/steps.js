// The steps of a lesson: links to all of them, and buttons to the one before and the one after. Data: titles, step (from 1).

function startOfPage(element) { // a new step is read from its beginning
  let place = element;
  while ((place = place.parentElement ?? place.getRootNode().host)) {
    if (place.scrollTop > 0) place.scrollTop = 0;
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".steps");
  const [previous, list, label, next] = [".previous", "ol", "p", ".next"].map((name) => root.querySelector(name));
  const go = (step) => setTriggerValue("step", step);
  if (list.children.length !== data.titles.length) {
    list.replaceChildren(...data.titles.map((title, place) => {
      const link = document.createElement("a");
      const [number, name] = ["b", "span"].map((kind) => document.createElement(kind));
      [number.textContent, name.textContent] = [place + 1, title];
      link.title = title;
      link.setAttribute("aria-label", `Step ${place + 1}: ${title}`);
      link.append(number, name);
      const item = document.createElement("li");
      item.append(link);
      return item;
    }));
  }
  [...list.children].forEach(({ firstChild: link }, place) => {
    const address = new URL(location.href);
    address.searchParams.set("step", place + 1);
    link.href = address.search;
    if (place + 1 === data.step) link.setAttribute("aria-current", "step");
    else link.removeAttribute("aria-current");
    link.classList.toggle("done", place + 1 < data.step);
    link.onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // the browser's own: a new tab, a new window
      event.preventDefault();
      go(place + 1);
    };
  });
  label.textContent = `Step ${data.step} of ${data.titles.length}`;
  previous.disabled = data.step === 1;
  next.disabled = data.step === data.titles.length;
  previous.onclick = () => go(data.step - 1);
  next.onclick = () => go(data.step + 1);
  if (root.dataset.step && root.dataset.step !== String(data.step)) startOfPage(root);
  root.dataset.step = data.step;
}
