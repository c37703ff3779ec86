// The table of rows: sorted, filtered, with any metric.

/** How each kind of column shows its values in a row; the columns themselves are declared in Python. */
const CELLS = {
  name: (_, name) => rowName(name),
  text: (_, text) => (known(text) ? text : ""),
  letters: (_, letters) => make("span", { class: "letters" }, letters),
  rank: rankCell,
  estimate: (row, mean, low, high) => {
    const digits = METRICS.get(state.metric).unordered ? 2 : 3;
    return ranged((value) => fixed(value, digits), mean, low, high);
  },
  difference: (row, ...difference) => (isFirst(row) ? "first row" : isTested(row) ? ranged(signed, ...difference) : ""),
  p: (row, value) => (isTested(row) ? pText(value) : ""),
  flag: (row, flag) => (known(flag) ? (flag ? "yes" : "no") : row.kind === "ranked" ? "n/a" : ""),
  figure: (_, value) => fixed(value),
  share: (_, value) => (known(value) ? `${(100 * value).toFixed(0)} %` : "n/a"),
  seconds: (_, value) => secondsText(value),
  cells: (_, ok, all) => `${ok}/${all}`,
  worst: (_, site, value) => `${site} (${fixed(value)})`,
};
const NUMBERS = ["estimate", "difference", "p", "figure", "share", "seconds", "cells"];
const ESTIMATE = ["mean", "low", "high"];

const isFirst = (row) => row.kind === "ranked" && row.place === 0;
const isTested = (row) => row.kind === "ranked" && row.place > 0;
const fieldsOf = (column) => (column.kind === "estimate" ? ESTIMATE : column.fields);
const cellOf = (column, row) => CELLS[column.kind](row, ...fieldsOf(column).map((field) => row[field]));
const isNumber = (column) => NUMBERS.includes(column.kind);

/** A figure with its interval, where it has one. */
function ranged(say, value, low, high) {
  const range = between(low, high, say);
  return make("span", {}, say(value), range ? " " : null, range ? make("span", { class: "range" }, range) : null);
}

const LEGEND =
  "Rank is an interval: from 1 + the number of ranked rows that are significantly better to the number of rows, those still to " +
  "come included, minus those significantly worse. Best set: no row is significantly better. Rows that share a letter are not shown to differ, which is " +
  "not the same as equal. All of these come from one family of paired tests over all pairs of ranked rows; overlapping " +
  "intervals are no test. Descriptive rows are never ranked.";
const EQUAL = " P(equal) is the probability that the difference from the first row lies within .01.";

function drawTable() {
  const current = table();
  fill(byId("legend"));
  if (!current.metrics) {
    fill(byId("table"), make("p", {}, "No row is complete yet."));
    byId("count").textContent = "";
    return;
  }
  const heads = [make("th", { scope: "col", class: "choose" }, "Curves"), ...current.columns.map(headCell)];
  const caption = make(
    "caption",
    { class: "hidden" },
    `${current.dataset}, ${current.protocol}: ${metricName(state.metric)} of every row`,
  );
  fill(byId("table"), make("table", {}, caption, make("thead", {}, make("tr", {}, ...heads)), make("tbody")));
  if (current.tested) fill(byId("legend"), make("p", { class: "note" }, LEGEND + (current.rows.p_equivalent ? EQUAL : "")));
  drawBody();
}

/** The heading of a column; that of the estimates follows the metric which is chosen. */
function headOf(column) {
  if (column.kind !== "estimate") return column.heading;
  return metricName(state.metric) + (table().metrics[state.metric].low.some(known) ? " (95 % CI)" : "");
}

function headCell(column) {
  const text = headOf(column);
  const button = make("button", { type: "button", onclick: () => sortBy(column) }, text);
  // Browsers do not repeat buttons on each printed page.
  const printed = make("span", { class: "printed", "aria-hidden": "true" }, text);
  const attributes = { scope: "col", class: isNumber(column) ? "number" : null, "data-key": column.name, "aria-sort": "none" };
  return make("th", attributes, button, printed);
}

/** The first press sorts by what reads naturally first, the second turns round, the third is the table's own order. */
function sortBy({ name, kind, greatest_first }) {
  const falling = greatest_first && !(kind === "estimate" && METRICS.get(state.metric).lower);
  const order = falling ? [`${name}-desc`, `${name}-asc`, ""] : [`${name}-asc`, `${name}-desc`, ""];
  state.sort = order[(order.indexOf(state.sort) + 1) % 3];
  writeAddress();
  drawBody();
}

function drawBody() {
  const { columns } = table();
  const all = rowsOf(table(), state.metric);
  const shown = sorted(all.filter(passes), columns);
  const turns = { [state.sort]: state.sort.endsWith("-asc") ? "ascending" : "descending" };
  for (const head of byId("table").querySelectorAll("th[data-key]")) {
    const key = head.dataset.key;
    head.setAttribute("aria-sort", turns[`${key}-asc`] ?? turns[`${key}-desc`] ?? "none");
  }
  fill(byId("table").querySelector("tbody"), ...shown.map((row) => bodyRow(row, columns)));
  const ranked = all.filter((row) => row.kind === "ranked").length;
  byId("count").textContent =
    `${shown.length} of ${all.length} rows` + (ranked < all.length ? `; ${ranked} rows are ranked.` : "; all are ranked.");
}

function passes(row) {
  const words = state.filter.toLowerCase().split(/\s+/).filter(Boolean);
  const text = [row.method, row.family, row.inputs, row.kind].join(" ").toLowerCase();
  return (state.kind === "all" || row.kind === state.kind) && words.every((word) => text.includes(word));
}

/** Sorted rows; undefined values last whichever way. */
function sorted(rows, columns) {
  const [key, turn] = state.sort.split("-");
  const column = columns.find((each) => each.name === key);
  if (!column) return rows;
  const sign = turn === "desc" ? -1 : 1;
  const [first] = fieldsOf(column);
  const keyed = rows.map((row) => [row[first] === "" ? null : row[first], row]);
  const compare = (x, y) => (typeof x === "string" ? x.localeCompare(y) : x - y);
  keyed.sort(([x], [y]) => (known(x) && known(y) ? sign * compare(x, y) : Number(known(y)) - Number(known(x))));
  return keyed.map(([, row]) => row);
}

function bodyRow(row, columns) {
  const cells = columns.map((column) => {
    const head = column.kind === "name";
    const attributes = { class: isNumber(column) ? "number" : null, scope: head ? "row" : null };
    return make(head ? "th" : "td", attributes, cellOf(column, row));
  });
  const names = { class: [row.kind, row.best_set ? "best" : ""].filter(Boolean).join(" ") };
  return make("tr", names, make("td", { class: "choose" }, chooser(row)), ...cells);
}

function chooser(row) {
  const box = make("input", { type: "checkbox", "aria-label": `curves of ${row.method}`, "data-row": row.method });
  box.checked = state.rows.includes(row.method);
  box.addEventListener("change", () => (box.checked = choose(row.method, box.checked)));
  return box;
}

/** The rank interval as a bar from 1 to the number of places, rows still to come included, and as text. */
function rankCell(row, low, high) {
  if (!known(low)) return row.kind === "ranked" ? "n/a" : "descriptive";
  const bar = make("span", {});
  const places = Math.max(...table().rows.rank_high.filter(known));
  bar.style.left = `${(100 * (low - 1)) / places}%`;
  bar.style.right = `${100 - (100 * high) / places}%`;
  const text = low === high ? `${low}` : `${low}\u2013${high}`;
  return make("span", {}, make("span", { class: "rank", "aria-hidden": "true" }, bar), text);
}
