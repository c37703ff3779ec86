// What the reader has chosen. It lives in the address after '#', so that a link or a bookmark shows the same.

const VIEWS = ["best", "pairs", "two", "roc", "calibration", "decision", "sites", "time", "ablations"];
if (SUITE.labels) VIEWS.splice(VIEWS.indexOf("sites"), 0, "labels");
const KINDS = { all: "all rows", ranked: "ranked rows", descriptive: "descriptive rows" };
const THEMES = ["auto", "light", "dark"];
const MOST = 6;

const state = {};

const table = () => tableOf(state.dataset, state.protocol);

/** Take up the address; what it lacks, or what does not exist, is as at the first opening. */
function readAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  const one = (name, allowed, otherwise) => (allowed.includes(said.get(name)) ? said.get(name) : otherwise);
  const first = SUITE.tables.find((each) => each.tested) ?? SUITE.tables[0];
  const datasets = SUITE.tables.map((each) => each.dataset);
  state.dataset = one("dataset", datasets, first.dataset);
  state.protocol = one("protocol", protocolsOf(state.dataset), firstProtocol(state.dataset));
  state.metric = one("metric", [...METRICS.keys()], table().metric);
  state.view = one("view", VIEWS, "best");
  state.kind = one("kind", Object.keys(KINDS), "all");
  state.theme = one("theme", THEMES, "auto");
  state.filter = said.get("filter") ?? "";
  state.sort = said.get("sort") ?? "";
  state.rows = said.getAll("row").filter(isRow).slice(0, MOST);
  state.a = said.get("a");
  state.b = said.get("b");
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
  const methods = table().rows.method;
  state.rows = state.rows.filter(isRow);
  if (!state.rows.length) state.rows = [...(table().shown ?? [])];
  if (!isRow(state.a)) state.a = methods[0];
  if (!isRow(state.b) || state.b === state.a) state.b = methods.find((name) => name !== state.a);
}

function writeAddress() {
  const said = new URLSearchParams();
  for (const name of ["dataset", "protocol", "metric", "view"]) said.set(name, state[name]);
  for (const name of ["filter", "sort"]) if (state[name]) said.set(name, state[name]);
  if (state.kind !== "all") said.set("kind", state.kind);
  if (state.theme !== "auto") said.set("theme", state.theme);
  if (state.rows.join("\n") !== (table().shown ?? []).join("\n")) for (const row of state.rows) said.append("row", row);
  if (state.view === "two") for (const name of ["a", "b"]) if (state[name]) said.set(name, state[name]);
  history.replaceState(null, "", `#${said}`);
}
