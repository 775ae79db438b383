// The steps of a lesson: a link to each, and buttons to the previous and the next one. Data: titles, step (from 1), marks
// ("right", "wrong", "shown" or "" for each).

import { make } from "../../gallery/elements.js";

const SPOKEN = { right: ", answered right", wrong: ", answered", shown: ", answer seen" };

function scrollToTop(element) { // a new step is read from its beginning
  let ancestor = element;
  while ((ancestor = ancestor.parentElement ?? ancestor.getRootNode().host)) {
    if (ancestor.scrollTop > 0) ancestor.scrollTop = 0;
  }
}

function itemOf(title, step) {
  const parts = [make("b", { textContent: step }), make("span", { textContent: title })];
  return make("li", {}, make("a", { title }, ...parts));
}

function updateLink(link, step, { titles, step: current, marks }, onChoose) {
  const address = new URL(location.href);
  address.searchParams.set("step", step);
  link.href = address.search;
  link.ariaCurrent = step === current ? "step" : null;
  const mark = marks[step - 1];
  link.ariaLabel = `Step ${step}: ${titles[step - 1]}${SPOKEN[mark] ?? ""}`;
  link.className = mark;
  link.onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // the browser opens a new tab or window
    event.preventDefault();
    onChoose(step);
  };
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".steps");
  const [previous, list, label, next] = [".previous", "ol", "p", ".next"].map((name) => root.querySelector(name));
  const choose = (step) => setTriggerValue("step", step);
  if (list.children.length !== data.titles.length) {
    list.replaceChildren(...data.titles.map((title, index) => itemOf(title, index + 1)));
  }
  [...list.children].forEach((item, index) => updateLink(item.firstChild, index + 1, data, choose));
  label.textContent = `Step ${data.step} of ${data.titles.length}`;
  previous.disabled = data.step === 1;
  next.disabled = data.step === data.titles.length;
  previous.onclick = () => choose(data.step - 1);
  next.onclick = () => choose(data.step + 1);
  if (root.dataset.step && root.dataset.step !== String(data.step)) scrollToTop(root);
  root.dataset.step = data.step;
}
