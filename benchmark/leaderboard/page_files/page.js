// The page: its controls, and what is drawn anew when one of them changes.

const option = (value, text) => make("option", { value }, text);
/** The height that the picture of all rows takes at most, to stand in the first screen. */
const ROOM = 590;

function drawControls() {
  fill(byId("dataset"), ...[...new Set(SUITE.tables.map((each) => each.dataset))].map((name) => option(name, name)));
  fill(byId("protocol"), ...protocolsOf(state.dataset).map((name) => option(name, name)));
  fill(byId("metric"), ...SUITE.metrics.map((metric) => option(metric.key, metric.name)));
  fill(byId("kind"), ...Object.entries(KINDS).map(([kind, said]) => option(kind, said)));
  for (const name of ["dataset", "protocol", "metric", "kind", "filter"]) byId(name).value = state[name];
  drawTheme();
}

function drawTheme() {
  if (state.theme === "auto") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", state.theme);
  byId("theme").textContent = `Colours: ${{ auto: "as the system", light: "light", dark: "dark" }[state.theme]}`;
}

function drawSentences() {
  const current = table();
  byId("suite").textContent =
    `Suite ${SUITE.name}, primary metric ${metricName(current.metric)}. Written from stored predictions alone.`;
  byId("stamp").textContent = current.stamp;
  const refused = state.refused.length ? `Not in this leaderboard: ${state.refused.join(", ")}. Shown is ${named()}.` : "";
  fill(byId("message"), ...prose(refused));
  fill(byId("facts"), make("strong", { class: "printed" }, `${named()}. `), ...prose(facts(current)));
  drawQuestions(current);
  fill(byId("conclusion"), ...prose([current.conclusion, ...current.own].join(" ")));
  fill(byId("scope"), ...prose(current.scope));
  const found = (current.audit ?? []).map((sentence) => make("li", {}, ...prose(sentence)));
  fill(byId("audit"), ...(found.length ? [make("strong", {}, "Audit"), make("ul", {}, ...found)] : []));
}

/** Patients and rows in a line. */
function facts(current) {
  const kinds = current.rows.kind ?? [];
  const ranked = kinds.filter((kind) => kind === "ranked").length;
  const counted = kinds.length ? ` ${ranked} ranked row${ranked === 1 ? "" : "s"}, ${kinds.length - ranked} descriptive.` : "";
  return `${current.synthetic ? "Made patients, no real ones. " : ""}${current.cases}${counted}`;
}

/** Every ranked row with its interval, coloured by what the test against the first one says. */
function drawOverview() {
  const current = table();
  const rows = records(current.charts?.intervals ?? []).filter(({ mean }) => known(mean));
  byId("overview").hidden = !rows.length;
  if (!rows.length) return fill(byId("overview"));
  const metric = metricName(current.metric);
  const apart = rows.filter(({ shown }) => shown === "significantly different").length;
  const equal = rows.filter(({ shown }) => shown === "no difference shown").length;
  const interval = intervalOf(rows);
  const verdicts = `${equal} not told apart from the first, ${apart} significantly different`;
  const caption = sentences(
    `${metric}${interval ? " with its 95 % interval" : ""} of every ranked row`,
    current.tested ? `, coloured by its test against the first: ${verdicts}.` : "; nothing is tested here.",
  ).replace(" ,", ",").replace(" ;", ";");
  const whole = figure({
    chart: "intervals",
    caption,
    described: `${metric} of ${rows.length} rows, the first \`${rows[0].method}\` ${rows[0].text}: ${verdicts}.`,
    datasets: { rows },
    words: { metric, interval },
    shape: "named",
    columns: [["method", "method"], ["mean", metric, fixed], ...LIMITS, ["shown", "against the first row"]],
    room: ROOM,
    picked: ({ method }) => method && method !== rows[0].method && compareRows(method, rows[0].method),
  });
  fill(byId("overview"), make("h2", { id: "all-rows" }, "All ranked rows"), whole);
  drawFigures(byId("overview"));
}

/** Incomplete rows, rows that do not apply, and facts to know, below the table. */
function drawRemarks() {
  const current = table();
  const parts = [];
  if (current.retrieval) {
    const { text, head, rows } = current.retrieval;
    const title = "Findings, reports and errors";
    const cells = rows.map((row) => row.map((cell) => make("span", {}, ...prose(cell))));
    const numbers = head.map((_, place) => place).slice(1);
    parts.push(
      make("h3", {}, title),
      make("p", { class: "note" }, ...prose(text)),
      scrolled(title, plainTable(title, head, cells, numbers)),
    );
  }
  if (current.incomplete) {
    const { head, rows } = current.incomplete;
    const cells = rows.map((row) => row.map((text) => make("span", {}, ...prose(text))));
    const title = "Incomplete rows: estimates on the splits that they have, never ranked";
    parts.push(
      make("h3", {}, title),
      scrolled(title, plainTable(title, head, cells, [1, 2])),
    );
  }
  if (current.not_applicable.length) {
    const rows = current.not_applicable.map(([method, why]) => make("li", {}, rowName(method), `: ${why}`));
    parts.push(
      make("details", {}, make("summary", {}, `Rows that are not run here (${rows.length})`), make("ul", {}, ...rows)),
    );
  }
  if (current.notes?.length) {
    const notes = current.notes.map((note) => make("li", {}, ...prose(note)));
    parts.push(make("details", {}, make("summary", {}, `Remarks (${notes.length})`), make("ul", {}, ...notes)));
  }
  fill(byId("further-rows"), ...parts);
}

/** Where the patients come from and how the numbers are made, at the top. */
function drawSource() {
  const { name, title, source, license, citation } = datasetOf(state.dataset);
  const parts = { Dataset: title ?? name, Source: source, Licence: license, Citation: citation };
  const lines = Object.entries(parts).filter(([, text]) => text);
  const terms = lines.flatMap(([term, text]) => [make("dt", {}, term), make("dd", {}, ...linked(text))]);
  const docs = Object.entries(DOCS).map(([file, words]) => make("li", {}, ...link(`[${words}](docs/${file}.md)`)));
  fill(byId("source"), make("dl", {}, ...terms), make("ul", {}, ...docs));
}

const DOCS = {
  page: "How to use this page",
  statistics: "How rows are tested and ranked",
  protocol: "Protocols, splits and what is stored",
  "add-a-method": "Add a method of your own",
};

/** When the results were written: the page's own bytes do not hold it. */
const writtenOn = () => {
  const at = new Date(document.lastModified);
  return `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")}`;
};

/** On paper each table says what it is, and whose patients these are. */
function printedFoot(columns, datasets) {
  const sources = [...new Set(datasets)].map((name) => {
    const { title, license, citation } = datasetOf(name);
    return [name, title, license, citation].filter(Boolean).join(". ");
  });
  const text = `${named()}. Suite ${SUITE.name}, results of ${writtenOn()}. ${sources.join(" ")}`;
  return make("tfoot", { class: "printed" }, make("tr", {}, make("td", { colspan: String(columns) }, text)));
}

function drawSources() {
  fill(byId("note"), ...prose(SUITE.note));
  const method = ({ name, family, reference, differences, error }) =>
    make("li", {}, make("code", {}, name), ...(error ? [`: broken: ${error}`] : prose(` (${family}): ${reference}. ${differences}`)));
  const dataset = ({ name, title, source, license, citation }) =>
    make("li", {}, make("code", {}, name), ": ", ...linked([title, source, license, citation].filter(Boolean).join(". ")));
  byId("methods").append(make("ul", {}, ...SUITE.methods.map(method)));
  byId("datasets").append(make("ul", {}, ...SUITE.datasets.map(dataset)));
}

function drawTabs() {
  const tabs = VIEWS.map((view) => {
    const chosen = view === state.view;
    const tab = make(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${view}`,
        "aria-controls": "panel",
        "aria-selected": String(chosen),
        tabindex: chosen ? "0" : "-1",
      },
      TITLES[view],
    );
    tab.addEventListener("click", () => show(view));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const at =
        event.key === "Home"
          ? 0
          : event.key === "End"
            ? VIEWS.length - 1
            : step
              ? (VIEWS.indexOf(view) + step + VIEWS.length) % VIEWS.length
              : -1;
      if (at < 0) return;
      event.preventDefault();
      show(VIEWS[at]);
      byId(`tab-${VIEWS[at]}`).focus();
    });
    return tab;
  });
  fill(byId("tabs"), ...tabs);
}

function show(view) {
  state.view = view;
  writeAddress();
  for (const each of VIEWS) {
    byId(`tab-${each}`).setAttribute("aria-selected", String(each === view));
    byId(`tab-${each}`).setAttribute("tabindex", each === view ? "0" : "-1");
  }
  drawView();
}

function drawView() {
  const panel = byId("panel");
  panel.setAttribute("aria-labelledby", `tab-${state.view}`);
  const body = table().metrics ? DRAWN[state.view]() : [paragraph("No row is complete yet: there is nothing to draw.")];
  drawFigures(fill(panel, make("h3", {}, `${TITLES[state.view]}: ${named()}`), ...body));
}

/** Figures are drawn once they stand in the page, for they take its width. */
function drawFigures(place) {
  drawing = Promise.all([drawing, ...[...place.querySelectorAll("figure")].map((each) => each.draw())]);
}
/** When all figures so far are drawn. */
let drawing = Promise.resolve();

/** Add a row to the curves or take it away; says whether it is there afterwards. */
function choose(name, wanted) {
  if (wanted && !state.rows.includes(name)) {
    if (state.rows.length >= MOST) {
      byId("count").textContent = `At most ${MOST} rows have their curves drawn: take one away first.`;
      return false;
    }
    state.rows.push(name);
  } else if (!wanted) {
    state.rows = state.rows.filter((row) => row !== name);
  }
  writeAddress();
  for (const box of document.querySelectorAll("input[data-row]")) box.checked = state.rows.includes(box.dataset.row);
  drawCompare();
  if (["roc", "calibration", "decision", "labels", "time"].includes(state.view)) {
    const inside = byId("panel").contains(document.activeElement);
    drawView();
    if (inside) byId("add-row")?.focus();
  }
  return state.rows.includes(name);
}

/** Two rows side by side, wherever they were chosen. */
function compareRows(a, b) {
  Object.assign(state, { a, b });
  show("two");
  byId("panel").scrollIntoView();
}

function drawAll() {
  drawControls();
  drawSource();
  drawSentences();
  drawOverview();
  drawTable();
  drawRemarks();
  drawTabs();
  drawView();
}

function changeTable(dataset, protocol) {
  const own = state.metric === table().metric;
  if (state.rows.join("\n") === (table().shown ?? []).join("\n")) state.rows = []; // unchosen: the new table's own
  state.dataset = dataset;
  state.protocol = protocolsOf(dataset).includes(protocol) ? protocol : firstProtocol(dataset);
  if (own) state.metric = table().metric;
  state.refused = [];
  settle();
  writeAddress();
  drawAll();
}

function listen() {
  byId("dataset").addEventListener("change", (event) => changeTable(event.target.value, state.protocol));
  byId("protocol").addEventListener("change", (event) => changeTable(state.dataset, event.target.value));
  const changed = (name, draw) => (event) => {
    state[name] = event.target.value;
    writeAddress();
    draw();
  };
  byId("metric").addEventListener(
    "change",
    changed("metric", () => (drawTable(), ["time", "across"].includes(state.view) && drawView())),
  );
  byId("kind").addEventListener("change", changed("kind", redrawRows));
  byId("filter").addEventListener("input", changed("filter", redrawRows));
  byId("theme").addEventListener("click", () => {
    state.theme = THEMES[(THEMES.indexOf(state.theme) + 1) % THEMES.length];
    writeAddress();
    drawTheme();
  });
  byId("compare").addEventListener("click", () => compareRows(...state.rows.slice(-2)));
  NARROW.addEventListener("change", drawAll);
  window.addEventListener("hashchange", () => {
    if (!location.hash.includes("=")) return writeAddress();
    const before = state.view;
    readAddress();
    drawAll();
    if (state.view !== before) byId("panel").scrollIntoView();
  });
}

function redrawRows() {
  drawBody();
  if (state.view === "sites") drawView();
}

drawSources();
if (SUITE.tables.length) {
  readAddress();
  listen();
  drawAll();
  watchRun();
} else {
  document.body.classList.add("empty");
  const command = `python -m benchmark run --suite ${SUITE.spelled}`;
  fill(byId("conclusion"), ...prose(`No predictions are stored yet: run \`${command}\`.`));
}
