// Elements and figures as text. Every name from the data enters the page as text, never as markup.

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const byId = (id) => document.getElementById(id);

function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null));
  return element;
}

/** Text in which `backticks` mark code and *asterisks* emphasis; a [link](target) stands as its words. */
function prose(text) {
  const plain = text.replace(/\[([^\][]+)\]\([^()\s]+\)/g, "$1");
  return plain
    .split(/(`[^`]+`|\*[^*\s][^*]*\*)/)
    .filter(Boolean)
    .map((part) => {
      if (part.length > 2 && part[0] === "`" && part.at(-1) === "`") return make("code", {}, part.slice(1, -1));
      if (part.length > 2 && part[0] === "*" && part.at(-1) === "*") return make("em", {}, part.slice(1, -1));
      return document.createTextNode(part);
    });
}

/** A row's name as code that may break between its parts. */
const rowName = (name) =>
  make("code", {}, ...name.split(/(?=\[)|(?<=[,+])/).flatMap((part, i) => (i ? [make("wbr"), part] : [part])));

const known = (value) => value !== null && value !== undefined;

const fixed = (value, digits = 3) => (known(value) ? value.toFixed(digits).replace("-", "\u2212") : "n/a");

const signed = (value) => (known(value) ? (value > 0 ? "+" : "") + fixed(value) : "n/a");

const between = (low, high, say = fixed) => (known(low) && known(high) ? `${say(low)} to ${say(high)}` : "");

const pText = (p) => (known(p) ? (p < 0.001 ? "<.001" : p.toFixed(3)) : "n/a");

const secondsText = (value) => (known(value) ? (value < 10 ? value.toPrecision(2) : value.toFixed(0)) : "n/a");

/** A plain table: heads are strings, cells strings or elements; numbers (positions in `right`) stand to the right. */
function plainTable(caption, heads, rows, right = []) {
  const side = (i) => (right.includes(i) ? { class: "number" } : {});
  return make(
    "table",
    {},
    make("caption", { class: "hidden" }, caption),
    make("thead", {}, make("tr", {}, ...heads.map((head, i) => make("th", { scope: "col", ...side(i) }, head)))),
    make(
      "tbody",
      {},
      ...rows.map((row) =>
        make("tr", {}, ...row.map((cell, i) => (i ? make("td", side(i), cell) : make("th", { scope: "row" }, cell)))),
      ),
    ),
  );
}
