// The table of rows: sorted, filtered, with any metric; six columns, and the others when asked for.

/** How each kind of column shows its values in a row; the columns themselves are declared in Python. */
const CELLS = {
  name: (_, name) => rowName(name),
  text: (_, text) => (known(text) ? text : ""),
  letters: (_, letters) => make("span", { class: "letters" }, letters),
  rank: rankCell,
  estimate: (_, mean, low, high) => ranged(estimateText(state.metric), mean, low, high),
  difference: differenceCell,
  p: (row, value) => (isTested(row) ? pText(value) : ""),
  flag: (row, flag) => (known(flag) ? (flag ? "yes" : "no") : row.kind === "ranked" ? "n/a" : ""),
  figure: (_, value) => fixed(value),
  share: (_, value) => (known(value) ? `${decimals(100 * value, 0)} %` : "n/a"),
  seconds: (_, value) => secondsText(value),
  cells: (_, ok, all) => `${ok}/${all}`,
  worst: (_, site, value) => `${site} (${fixed(value)})`,
};
const NUMBERS = ["estimate", "difference", "p", "figure", "share", "seconds", "cells"];
const ESTIMATE = ["mean", "low", "high"];
/** The columns whose values go with the metric that is shown. */
const OF_METRIC = ["estimate", "difference"];
const NARROW_ORDER = ["method", "estimate", "difference", "p_adjusted", "rank", "inputs"];

const isFirst = (row) => row.kind === "ranked" && row.place === 0;
const isTested = (row) => row.kind === "ranked" && row.place > 0;
const fieldsOf = (column) => (column.kind === "estimate" && OF_METRIC.includes(column.name) ? ESTIMATE : column.fields);
const cellOf = (column, row) => CELLS[column.kind](row, ...fieldsOf(column).map((field) => row[field]));
const isNumber = (column) => NUMBERS.includes(column.kind);
const isOwnMetric = () => state.metric === table().metric;

/** A figure with its interval, where it has one. */
function ranged(say, value, low, high) {
  const range = between(low, high, say);
  return make("span", {}, say(value), range ? " " : null, range ? make("span", { class: "range" }, range) : null);
}

/** The difference from the first row; of a tested pair it leads to the two rows. */
function differenceCell(row, ...difference) {
  const say = METRICS.get(state.metric).kind === "intercept" ? (value) => signed(value, 2) : signed;
  if (isFirst(row)) return "first row";
  if (!isTested(row)) return "";
  const text = ranged(say, ...difference);
  const [first] = table().rows.method;
  if (!isOwnMetric()) return text;
  return make("a", { href: addressOf({ ...state, view: "two", a: row.method, b: first }), class: "pair-link" }, text);
}

/** What the columns of the tests mean, where they stand. */
const LEGENDS = {
  rank: "Rank is an interval: from 1 + the number of ranked rows that are significantly better to the number of rows, those still to come included, minus those significantly worse.",
  best_set: "Best set: no row is significantly better.",
  letters: "Rows that share a letter are not shown to differ, which is not the same as equal.",
  p: "p is each pair's own, unadjusted.",
  p_equivalent: "P(equal) is the probability that the difference from the first row lies within .01.",
};
const OF_ALL =
  "Names in bold are in the best set: no row is significantly better. Ranks and adjusted p come from one family of paired tests over all " +
  "pairs of ranked rows; overlapping intervals are no test. Descriptive rows are never ranked. A difference leads to its two rows.";

/** The columns that stand: those shown unasked and those asked for; tests only beside the metric that is tested. */
function standing() {
  const { columns } = table();
  const kept = columns.filter(
    ({ name, shown, of_tests }) => (shown || state.columns.includes(name)) && (isOwnMetric() || !of_tests),
  );
  const place = ({ name }) => (NARROW_ORDER.includes(name) ? NARROW_ORDER.indexOf(name) : NARROW_ORDER.length);
  return NARROW.matches ? [...kept].sort((x, y) => place(x) - place(y)) : kept;
}

function drawTable() {
  const current = table();
  fill(byId("legend"));
  drawColumnMenu(current);
  drawCompare();
  if (!current.metrics) {
    fill(byId("table"), make("p", {}, "No row is complete yet."));
    byId("count").textContent = "";
    return;
  }
  const heads = [make("th", { scope: "col", class: "choose" }, "Curves"), ...standing().map(headCell)];
  const caption = make(
    "caption",
    { class: "hidden" },
    `${current.dataset}, ${current.protocol}: ${metricName(state.metric)} of every row`,
  );
  const foot = printedFoot(heads.length, [current.dataset]);
  fill(byId("table"), make("table", {}, caption, make("thead", {}, make("tr", {}, ...heads)), make("tbody"), foot));
  const own = metricName(current.metric);
  const notes = [
    current.tested && isOwnMetric() ? [...standing().map(({ name }) => LEGENDS[name] ?? ""), OF_ALL].filter(Boolean).join(" ") : "",
    current.tested && !isOwnMetric() ? `Ranks and tests are of ${own}: choose it to see them.` : "",
  ].filter(Boolean);
  fill(byId("legend"), ...notes.map((note) => make("p", { class: "note" }, note)));
  drawBody();
}

/** The other columns, each to be shown or not. */
function drawColumnMenu(current) {
  const others = (current.columns ?? []).filter(({ shown, of_tests }) => !shown && (isOwnMetric() || !of_tests));
  const box = ({ name, heading }) => {
    const input = make("input", { type: "checkbox", "data-column": name });
    input.checked = state.columns.includes(name);
    input.addEventListener("change", () => {
      state.columns = input.checked ? [...state.columns, name] : state.columns.filter((each) => each !== name);
      writeAddress();
      drawTable();
      byId("columns").querySelector(`[data-column="${name}"]`)?.focus();
    });
    return make("label", {}, input, heading);
  };
  fill(byId("columns"), ...others.map(box));
}

/** The rows whose curves were chosen last, to be compared. */
function drawCompare() {
  const [a, b] = state.rows.slice(-2);
  byId("compare").hidden = !b;
  if (b) fill(byId("compare"), "Compare the last two ticked: ", make("code", {}, a), " and ", make("code", {}, b));
}

/** The heading of a column; those of estimates and differences follow the metric which is chosen. */
function headOf({ name, heading }) {
  if (name === "estimate") return metricName(state.metric) + (table().metrics[state.metric].low?.some(known) ? " (95 % CI)" : "");
  if (name !== "difference" || isOwnMetric()) return heading;
  return `Difference in ${metricName(state.metric)} from the first row, not tested`;
}

function headCell(column) {
  const text = headOf(column);
  const button = make("button", { type: "button", onclick: () => sortBy(column) }, text);
  // Browsers do not repeat buttons on each printed page.
  const printed = make("span", { class: "printed", "aria-hidden": "true" }, text);
  const attributes = { scope: "col", class: isNumber(column) ? "number" : null, "data-key": column.name, "aria-sort": "none" };
  return make("th", attributes, button, printed);
}

/** The first press sorts by what reads naturally first, of a metric its best values; the second turns round, the third is the table's own order. */
function sortBy({ name, greatest_first }) {
  const falling = greatest_first && !(name === "estimate" && METRICS.get(state.metric).best !== "greatest");
  const order = falling ? [`${name}-desc`, `${name}-asc`, ""] : [`${name}-asc`, `${name}-desc`, ""];
  state.sort = order[(order.indexOf(state.sort) + 1) % 3];
  writeAddress();
  drawBody();
}

function drawBody() {
  const columns = standing();
  const all = rowsOf(table(), state.metric);
  const shown = sorted(all.filter(passes), columns);
  for (const head of byId("table").querySelectorAll("th[data-key]")) head.setAttribute("aria-sort", turnOf(head.dataset.key));
  fill(byId("table").querySelector("tbody"), ...shown.map((row) => bodyRow(row, columns)));
  const ranked = all.filter((row) => row.kind === "ranked").length;
  byId("count").textContent =
    `${shown.length} of ${all.length} rows` + (ranked < all.length ? `; ${ranked} ${ranked === 1 ? "row is" : "rows are"} ranked.` : "; all are ranked.");
}

/** How a column is sorted, for screen readers; values whose best lies in the middle stand by their distance from it. */
function turnOf(name) {
  const [key, turn] = state.sort.split("-");
  if (key !== name) return "none";
  if (name === "estimate" && typeof METRICS.get(state.metric).best === "number") return "other";
  return turn === "asc" ? "ascending" : "descending";
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
  const { best } = METRICS.get(state.metric);
  const from = key === "estimate" && typeof best === "number" ? (value) => Math.abs(value - best) : (value) => value;
  const keyed = rows.map((row) => [row[first] === "" || !known(row[first]) ? null : from(row[first]), row]);
  const compare = (x, y) => (typeof x === "string" ? x.localeCompare(y) : x - y);
  keyed.sort(([x], [y]) => (known(x) && known(y) ? sign * compare(x, y) : Number(known(y)) - Number(known(x))));
  return keyed.map(([, row]) => row);
}

function bodyRow(row, columns) {
  const cells = columns.map((column) => {
    const head = column.kind === "name";
    const attributes = { class: isNumber(column) ? "number" : null, scope: head ? "row" : null, "data-cell": column.name };
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
