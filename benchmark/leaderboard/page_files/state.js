// What the reader has chosen. It lives in the address after '#', so that a link or a bookmark shows the same.

const VIEWS = ["best", "across", "pairs", "two", "roc", "calibration", "decision", "sites", "time", "ablations"];
if (SUITE.labels) VIEWS.splice(VIEWS.indexOf("sites"), 0, "labels");
const KINDS = { all: "all rows", ranked: "ranked rows", descriptive: "descriptive rows" };
const THEMES = ["auto", "light", "dark"];
const MOST = 6;

const state = {};

const table = () => tableOf(state.dataset, state.protocol);

/** Take up the address; what it lacks, or what does not exist, is as at the first opening, and `state.refused` says so. */
function readAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  state.refused = [];
  const one = (name, allowed, otherwise) => {
    const asked = said.get(name);
    if (allowed.includes(asked)) return asked;
    if (asked !== null) state.refused.push(`${name} \`${asked}\``);
    return otherwise;
  };
  const real = SUITE.tables.filter((each) => !each.synthetic);
  const first = real.find((each) => each.tested) ?? real[0] ?? SUITE.tables.find((each) => each.tested) ?? SUITE.tables[0];
  const datasets = SUITE.tables.map((each) => each.dataset);
  state.dataset = one("dataset", datasets, first.dataset);
  state.protocol = one("protocol", protocolsOf(state.dataset), firstProtocol(state.dataset));
  state.metric = one("metric", [...METRICS.keys()], table().metric);
  state.view = one("view", VIEWS, "best");
  state.kind = one("kind", Object.keys(KINDS), "all");
  state.theme = one("theme", THEMES, "auto");
  state.filter = said.get("filter") ?? "";
  state.sort = said.get("sort") ?? "";
  state.columns = said.getAll("column");
  state.rows = said.getAll("row").filter(isRow).slice(0, MOST);
  state.a = said.get("a");
  state.b = said.get("b");
  for (const name of ["a", "b"]) if (state[name] && !pairNames().includes(state[name])) state.refused.push(`row \`${state[name]}\``);
  settle();
}

const protocolsOf = (dataset) => SUITE.tables.filter((each) => each.dataset === dataset).map((each) => each.protocol);

function firstProtocol(dataset) {
  const found = SUITE.tables.filter((each) => each.dataset === dataset);
  return (found.find((each) => each.tested) ?? found[0]).protocol;
}

const isRow = (name) => table().rows.method.includes(name);

/** Choices that the table does not have give way to its own. */
function settle() {
  const names = pairNames();
  const methods = table().rows.method;
  state.rows = state.rows.filter(isRow);
  if (!state.rows.length) state.rows = [...(table().shown ?? [])];
  if (!names.includes(state.a)) state.a = methods[0];
  if (!names.includes(state.b) || state.b === state.a) state.b = methods.find((name) => name !== state.a);
}

const addressOf = (chosen) => {
  const said = new URLSearchParams();
  for (const name of ["dataset", "protocol", "metric", "view"]) said.set(name, chosen[name]);
  for (const name of ["filter", "sort"]) if (chosen[name]) said.set(name, chosen[name]);
  if (chosen.kind !== "all") said.set("kind", chosen.kind);
  if (chosen.theme !== "auto") said.set("theme", chosen.theme);
  for (const name of chosen.columns) said.append("column", name);
  if (chosen.rows.join("\n") !== (table().shown ?? []).join("\n")) for (const row of chosen.rows) said.append("row", row);
  if (chosen.view === "two") for (const name of ["a", "b"]) if (chosen[name]) said.set(name, chosen[name]);
  return `#${said}`;
};

function writeAddress() {
  history.replaceState(null, "", addressOf(state));
}
