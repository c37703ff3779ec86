// The view across datasets: rows by datasets under one protocol, shaded within each dataset.

/** The shades of a column: a fifth of its rows each, the best the darkest. */
const SHADES = 5;

function acrossDatasets() {
  const { protocol } = table();
  const tables = SUITE.tables.filter((each) => each.protocol === protocol && each.metrics);
  const columns = tables.map(columnOf);
  const names = [...new Set(columns.flatMap(({ rows }) => [...rows.keys()]))];
  const kept = names.filter((name) => columns.some(({ rows }) => rows.has(name) && passes(rows.get(name))));
  const metric = metricName(state.metric);
  const own = tables.every((each) => each.metric === state.metric);
  const title = `${metric} of every row on every dataset, ${protocol}`;
  const body = kept.map((name) => [rowName(name), ...columns.map((column) => acrossCell(column, name, own))]);
  const heads = ["method", ...columns.map(({ dataset }) => dataset)];
  const right = columns.map((_, i) => i + 1);
  const note = sentences(
    `${metric} under \`${protocol}\`, the rows in the order of \`${columns[0].dataset}\`. The darker a cell, the better the row's place within its dataset: figures of different datasets are not comparable.`,
    own ? "\u25be: significantly worse than the best ranked row of that dataset (adjusted p). * marks the best ranked row, and rows without a mark are not told apart from it." : "",
    "Descriptive rows are in italics; an empty cell has no complete row.",
  );
  const untested = tables.filter((each) => !each.tested).map((each) => `\`${each.dataset}\``);
  const content = plainTable(title, heads, body, right, tables.map((each) => each.dataset));
  content.classList.add("across");
  return [
    paragraph(note),
    own && untested.length ? paragraph(`Nothing is tested on ${untested.join(", ")}.`) : null,
    scrolled(title, content),
  ].filter(Boolean);
}

/** A dataset's rows by name, each with its shade; `worse` are those significantly worse than the first. */
function columnOf(each) {
  const rows = rowsOf(each, state.metric);
  const losses = rows.filter(({ mean }) => known(mean)).map(({ mean }) => shortfall(state.metric, mean));
  const ahead = (mean) => losses.filter((loss) => loss < shortfall(state.metric, mean)).length;
  const shade = ({ mean }) => (known(mean) ? SHADES - Math.floor((SHADES * ahead(mean)) / losses.length) : 0);
  const beside = records(each.charts.intervals).map(({ method, shown }) => [method, shown]);
  return {
    dataset: each.dataset,
    rows: new Map(rows.map((row) => [row.method, { ...row, shade: shade(row) }])),
    beside: new Map(beside),
  };
}

const MARKS = { "first row": ["*", "best ranked row"], "significantly different": ["\u25be", "significantly worse than the best"] };

function acrossCell({ rows, beside }, name, own) {
  const row = rows.get(name);
  if (!row) return "";
  const [mark, words] = (own && MARKS[beside.get(name)]) || ["", ""];
  const sign = mark ? [make("span", { "aria-hidden": "true" }, mark), make("span", { class: "hidden" }, words)] : [];
  const text = estimateText(state.metric)(row.mean);
  return make("span", { class: `${row.kind} shade-${row.shade}` }, text, make("span", { class: "mark" }, ...sign));
}
