// Elements made in one line, and numbers as text.

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// A function that calls `draw` once before the next frame, however often it is called until then.
export function beforeNextFrame(draw) {
  let frame = null;
  return () => {
    frame ??= requestAnimationFrame(() => {
      frame = null;
      draw();
    });
  };
}

// Where in an element a pointer is, [x, y] in parts of its width and height.
export function pointOver(element, { clientX, clientY }) {
  const { left, top, width, height } = element.getBoundingClientRect();
  return [(clientX - left) / width, (clientY - top) / height];
}

// To three significant digits, with a typographic minus sign.
export function numberText(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size >= 1e-4 && size < 999.5 ? String(Number(value.toPrecision(3))) : value.toExponential(2).replace(/\.?0+e/, "e");
  return text.replaceAll("-", "−");
}

// A word of the glossary: where there is one, a link that explains itself (crosspool/ui/widgets/glossary.js).
export const term = (name, hasGlossary) => (hasGlossary ? make("a", { href: `#term-${name.replaceAll(" ", "-")}`, textContent: name }) : name);

export const percent = (share) => `${numberText(Number((100 * share).toPrecision(2)))} %`;
export const count = (number) => number.toLocaleString("en-US");
