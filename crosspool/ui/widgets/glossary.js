// Explains the words of the glossary on the page, which are links to #term-NAME, in one bubble.
// Data: {"term-NAME": [name, sentence]}.

import { make } from "../../gallery/elements.js";

const GAP = 6; // pixels between the word, the bubble and the edge of the window
const HIDING_MS = 150; // in which the pointer may move from the word into the bubble

let sentences;
let bubble;
let shownFor;
let hiding;

function termAt(event) {
  const link = event.composedPath().find((element) => element.matches?.('a[href^="#term-"]'));
  return link && sentences[link.getAttribute("href").slice(1)] ? link : undefined;
}

function place(link) {
  if (!link.isConnected) return;
  const [word] = link.getClientRects(); // its first line, where it is broken
  const { offsetWidth: width, offsetHeight: height } = bubble;
  const left = Math.max(GAP, Math.min(word.left, document.documentElement.clientWidth - width - GAP));
  const above = word.top - height - GAP;
  bubble.style.translate = `${left}px ${above > GAP ? above : word.bottom + GAP}px`;
}

function show(link) {
  clearTimeout(hiding);
  if (shownFor === link) return;
  hide();
  const [name, sentence] = sentences[link.getAttribute("href").slice(1)];
  bubble.replaceChildren(make("b", { textContent: name }), ` ${sentence}`);
  bubble.style.colorScheme = getComputedStyle(link).colorScheme; // light or dark, as Streamlit's theme is
  bubble.showPopover();
  shownFor = link;
  link.setAttribute("aria-description", sentence);
  place(link);
}

function hide() {
  clearTimeout(hiding);
  shownFor = undefined;
  bubble.hidePopover();
}

function hideSoon() {
  clearTimeout(hiding);
  hiding = setTimeout(hide, HIDING_MS);
}

function start() {
  bubble = make("div", { className: "term-bubble", popover: "manual" });
  bubble.setAttribute("role", "tooltip");
  document.body.append(bubble);
  bubble.onpointerenter = () => clearTimeout(hiding);
  bubble.onpointerleave = hideSoon;
  const onTerm = (act) => (event) => {
    const link = termAt(event);
    if (link) act(link, event);
  };
  addEventListener("pointerover", onTerm((link, { pointerType }) => pointerType !== "touch" && show(link)));
  addEventListener("pointerout", onTerm((link, { pointerType }) => pointerType !== "touch" && hideSoon()));
  addEventListener("focusin", onTerm(show));
  addEventListener("focusout", onTerm(hide));
  addEventListener("pointerdown", (event) => {
    if (!termAt(event) && !event.composedPath().includes(bubble)) hide();
  });
  addEventListener("scroll", () => shownFor && place(shownFor), { capture: true, passive: true });
  addEventListener("keydown", ({ key }) => key === "Escape" && hide(), true);
  // Before Streamlit and the browser, who would write the word into the address.
  const press = (link, event) => {
    event.preventDefault();
    event.stopPropagation();
    show(link);
  };
  addEventListener("click", onTerm(press), true);
}

export default function ({ data }) {
  if (document.querySelector(".term-bubble")) return; // since another page of this visit
  sentences = data;
  start();
}
