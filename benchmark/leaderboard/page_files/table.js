// The table of rows: sorted, filtered, with any metric.

const p = (key) => (row, at) => at.against(row)?.[key] ?? null;

/** Columns: `value` sorts, `cell` shows; `tests` columns stand only where something was tested. */
const COLUMNS = [
  { key: "chosen", head: "Curves", cell: chooser, class: "choose" },
  { key: "rank", head: "Rank", value: (row) => row.rank_low, cell: rankCell, tests: true },
  { key: "method", head: "Method", value: (row) => row.method, cell: (row) => rowName(row.method) },
  {
    key: "estimate",
    head: (at) => `${metricName(at.metric)}${at.intervals ? " (95 % CI)" : ""}`,
    value: (row) => row.mean,
    cell: estimateCell,
    number: true,
  },
  {
    key: "difference",
    head: (at) => `Difference in ${metricName(at.table.metric)} to the first row (95 % CI)`,
    value: p("difference"),
    cell: differenceCell,
    number: true,
    tests: true,
  },
  {
    key: "p_holm",
    head: "p (Holm)",
    value: p("p_holm"),
    cell: (row, at) => testCell(row, at, "p_holm"),
    number: true,
    tests: true,
  },
  { key: "best", head: "Best set", value: (row) => (known(row.best) ? Number(row.best) : null), cell: bestCell, tests: true },
  {
    key: "letters",
    head: "Letters",
    value: (row) => row.letters || null,
    cell: (row) => make("span", { class: "letters" }, row.letters),
    tests: true,
  },
  { key: "p", head: "p", value: p("p"), cell: (row, at) => testCell(row, at, "p"), number: true, tests: true },
  {
    key: "p_delong",
    head: "p (DeLong)",
    value: p("p_delong"),
    cell: (row, at) => testCell(row, at, "p_delong"),
    number: true,
    tests: "p_delong",
  },
  {
    key: "p_equivalent",
    head: "P(equal)",
    value: p("p_equivalent"),
    cell: (row, at) => testCell(row, at, "p_equivalent"),
    number: true,
    tests: "p_equivalent",
  },
  {
    key: "ensemble",
    head: "AUC, seeds averaged",
    value: (row) => row.ensemble,
    cell: (row) => fixed(row.ensemble),
    number: true,
  },
  { key: "family", head: "Family", value: (row) => row.family, cell: (row) => row.family },
  { key: "inputs", head: "Inputs", value: (row) => row.inputs, cell: (row) => row.inputs },
  {
    key: "seconds",
    head: "Seconds per split",
    value: (row) => row.seconds,
    cell: (row) => secondsText(row.seconds),
    number: true,
  },
  { key: "cells", head: "Splits", cell: (row) => row.cells, number: true },
  { key: "source", head: "Source", value: (row) => row.source, cell: (row) => row.source },
];

const LEGEND =
  "Rank is an interval: from 1 + the number of ranked rows that are significantly better to the number of rows, those still to " +
  "come included, minus those significantly worse. Best set: no row is significantly better. Rows that share a letter are not shown to differ, which is " +
  "not the same as equal. All of these come from one family of paired tests over all pairs of ranked rows (Holm); overlapping " +
  "intervals are no test. Descriptive rows are never ranked.";
const EQUAL = " P(equal) is the probability that the difference from the first row lies within .01.";

/** What the cells of one drawing of the table share. */
function tableContext() {
  const current = table();
  const leader = 0;
  const means = current.metrics?.[state.metric];
  return {
    table: current,
    metric: state.metric,
    intervals: means?.low.some(known) ?? false,
    ranked: current.rows.kind?.filter((kind) => kind === "ranked").length ?? 0,
    against: (row) => (row.kind === "ranked" && row.place !== leader ? pairOf(current, row.place, leader) : null),
  };
}

const columnsOf = (at) =>
  COLUMNS.filter(({ tests }) => !tests || (at.table.tested && (tests === true || at.table.pairs[tests])));

function drawTable() {
  const at = tableContext();
  fill(byId("legend"));
  if (!at.table.metrics) {
    fill(byId("table"), make("p", {}, "No row is complete yet."));
    byId("count").textContent = "";
    return;
  }
  const heads = columnsOf(at).map((column) => headCell(column, at));
  const caption = make(
    "caption",
    { class: "hidden" },
    `${at.table.dataset}, ${at.table.protocol}: ${metricName(at.metric)} of every row`,
  );
  fill(byId("table"), make("table", {}, caption, make("thead", {}, make("tr", {}, ...heads)), make("tbody")));
  if (at.table.tested) fill(byId("legend"), make("p", { class: "note" }, LEGEND + (at.table.pairs.p_equivalent ? EQUAL : "")));
  drawBody();
}

function headCell(column, at) {
  const text = typeof column.head === "function" ? column.head(at) : column.head;
  const attributes = { scope: "col", class: [column.class, column.number && "number"].filter(Boolean).join(" ") || null };
  if (!column.value) return make("th", attributes, text);
  const button = make("button", { type: "button", onclick: () => sortBy(column.key) }, text);
  // Browsers do not repeat buttons on each printed page.
  const printed = make("span", { class: "printed", "aria-hidden": "true" }, text);
  return make("th", { ...attributes, "data-key": column.key, "aria-sort": "none" }, button, printed);
}

/** The first press sorts by what reads naturally first, the second turns round, the third is the table's own order. */
function sortBy(key) {
  const falling =
    ["estimate", "difference", "best", "ensemble"].includes(key) && !(key === "estimate" && METRICS.get(state.metric).lower);
  const order = falling ? [`${key}-desc`, `${key}-asc`, ""] : [`${key}-asc`, `${key}-desc`, ""];
  state.sort = order[(order.indexOf(state.sort) + 1) % 3];
  writeAddress();
  drawBody();
}

function drawBody() {
  const at = tableContext();
  const columns = columnsOf(at);
  const all = rowsOf(at.table, at.metric);
  const shown = sorted(all.filter(passes), columns, at);
  for (const head of byId("table").querySelectorAll("th[data-key]")) {
    const turn =
      state.sort === `${head.dataset.key}-asc`
        ? "ascending"
        : state.sort === `${head.dataset.key}-desc`
          ? "descending"
          : "none";
    head.setAttribute("aria-sort", turn);
  }
  fill(byId("table").querySelector("tbody"), ...shown.map((row) => bodyRow(row, columns, at)));
  byId("count").textContent =
    `${shown.length} of ${all.length} rows` +
    (at.ranked < all.length ? `; ${at.ranked} rows are ranked.` : "; all are ranked.");
}

function passes(row) {
  const words = state.filter.toLowerCase().split(/\s+/).filter(Boolean);
  const text = [row.method, row.family, row.inputs, row.kind].join(" ").toLowerCase();
  return (state.kind === "all" || row.kind === state.kind) && words.every((word) => text.includes(word));
}

/** Sorted rows; undefined values last whichever way. */
function sorted(rows, columns, at) {
  const [key, turn] = state.sort.split("-");
  const column = columns.find((each) => each.key === key && each.value);
  if (!column) return rows;
  const sign = turn === "desc" ? -1 : 1;
  const keyed = rows.map((row) => [column.value(row, at), row]);
  const compare = (x, y) => (typeof x === "string" ? x.localeCompare(y) : x - y);
  keyed.sort(([x], [y]) => (known(x) && known(y) ? sign * compare(x, y) : Number(known(y)) - Number(known(x))));
  return keyed.map(([, row]) => row);
}

function bodyRow(row, columns, at) {
  const cells = columns.map((column) => {
    const tag = column.key === "method" ? "th" : "td";
    const names = [column.class, column.number && "number"].filter(Boolean).join(" ") || null;
    return make(tag, { class: names, scope: tag === "th" ? "row" : null }, column.cell(row, at));
  });
  return make("tr", { class: [row.kind, row.best ? "best" : ""].filter(Boolean).join(" ") }, ...cells);
}

function chooser(row) {
  const box = make("input", { type: "checkbox", "aria-label": `curves of ${row.method}`, "data-row": row.method });
  box.checked = state.rows.includes(row.method);
  box.addEventListener("change", () => (box.checked = choose(row.method, box.checked)));
  return box;
}

/** The rank interval as a bar from 1 to the number of places, rows still to come included, and as text. */
function rankCell(row, at) {
  if (!known(row.rank_low)) return row.kind === "ranked" ? "n/a" : "descriptive";
  const bar = make("span", {});
  const places = Math.max(at.ranked, ...table().rows.rank_high.filter(known));
  bar.style.left = `${(100 * (row.rank_low - 1)) / places}%`;
  bar.style.right = `${100 - (100 * row.rank_high) / places}%`;
  const text = row.rank_low === row.rank_high ? `${row.rank_low}` : `${row.rank_low}\u2013${row.rank_high}`;
  const cell = make("span", {}, make("span", { class: "rank", "aria-hidden": "true" }, bar), text);
  return cell;
}

function estimateCell(row) {
  const digits = METRICS.get(state.metric).unordered ? 2 : 3;
  const range = between(row.low, row.high, (value) => fixed(value, digits));
  return make("span", {}, fixed(row.mean, digits), range ? " " : null, range ? make("span", { class: "range" }, range) : null);
}

function differenceCell(row, at) {
  const pair = at.against(row);
  if (!pair) return row.place === 0 ? "first row" : "";
  const range = between(pair.low, pair.high, signed);
  return make("span", {}, signed(pair.difference), range ? " " : null, range ? make("span", { class: "range" }, range) : null);
}

function testCell(row, at, key) {
  const pair = at.against(row);
  return pair ? pText(pair[key]) : "";
}

function bestCell(row) {
  if (known(row.best)) return row.best ? "yes" : "no";
  return row.kind === "ranked" ? "n/a" : "";
}
