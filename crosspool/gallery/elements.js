// Elements made in one line, and numbers for people.

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("aria-") || name === "role" || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

// To three significant digits, with the minus sign that people write.
export function numberText(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size >= 1e-4 && size < 999.5 ? String(Number(value.toPrecision(3))) : value.toExponential(2).replace(/\.?0+e/, "e");
  return text.replaceAll("-", "−");
}

export const percent = (share) => `${numberText(Number((100 * share).toPrecision(2)))} %`;
export const count = (number) => number.toLocaleString("en-US");
