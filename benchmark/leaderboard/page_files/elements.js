// Elements. Every name from the data enters the page as text, never as markup.

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

const LINK = /(\[[^\][]+\]\([^()\s]+\))/;

/** Text in which `backticks` mark code, *asterisks* emphasis and [words](target) a link. */
function prose(text) {
  return text.split(LINK).flatMap((part, i) => (i % 2 ? link(part) : marked(part)));
}

function marked(text) {
  return text
    .split(/(`[^`]+`|\*[^*\s][^*]*\*)/)
    .filter(Boolean)
    .map((part) => {
      if (part.length > 2 && part[0] === "`" && part.at(-1) === "`") return make("code", {}, part.slice(1, -1));
      if (part.length > 2 && part[0] === "*" && part.at(-1) === "*") return make("em", {}, part.slice(1, -1));
      return document.createTextNode(part);
    });
}

/** A link to the web or to the documentation; of any other target the words alone. */
function link(text) {
  const [, words, target] = text.match(/^\[(.+)\]\((.+)\)$/);
  if (/^https:\/\//.test(target)) return [make("a", { href: target, rel: "noreferrer" }, ...marked(words))];
  if (/^docs\/[\w-]+\.md$/.test(target)) return [make("a", { href: `../${target}` }, ...marked(words))];
  return marked(words);
}

/** Text whose addresses are links. */
const linked = (text) => text.split(/(https:\/\/[^\s,;)]+[^\s,;).])/).flatMap((part, i) => (i % 2 ? link(`[${part}](${part})`) : [part]));

/** A row's name as code that may break between its parts. */
const rowName = (name) =>
  make("code", {}, ...name.split(/(?=\[)|(?<=[,+])/).flatMap((part, i) => (i ? [make("wbr"), part] : [part])));

/** A plain table: heads are strings, cells strings or elements; numbers (positions in `right`) stand to the right. */
function plainTable(caption, heads, rows, right = [], datasets = [state.dataset]) {
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
    printedFoot(heads.length, datasets),
  );
}

/** A table that is wider than its place scrolls there. */
const scrolled = (title, content) =>
  make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, content);
