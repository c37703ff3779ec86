// The page: its controls, and what is drawn anew when one of them changes.

const option = (value, text) => make("option", { value }, text);

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
  drawQuestions(current);
  fill(byId("conclusion"), ...prose([current.conclusion, ...current.own].join(" ")));
  fill(byId("scope"), ...prose(current.scope));
  const found = (current.audit ?? []).map((sentence) => make("li", {}, ...prose(sentence)));
  fill(byId("audit"), ...(found.length ? [make("strong", {}, "Audit"), make("ul", {}, ...found)] : []));
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
      make(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
        plainTable(title, head, cells, numbers),
      ),
    );
  }
  if (current.incomplete) {
    const { head, rows } = current.incomplete;
    const cells = rows.map((row) => row.map((text) => make("span", {}, ...prose(text))));
    const title = "Incomplete rows: estimates on the splits that they have, never ranked";
    parts.push(
      make("h3", {}, title),
      make(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
        plainTable(title, head, cells, [1, 2]),
      ),
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

function drawSources() {
  fill(byId("note"), ...prose(SUITE.note));
  const method = ({ name, family, reference, differences, error }) =>
    make("li", {}, make("code", {}, name), error ? `: broken: ${error}` : ` (${family}): ${reference}. ${differences}`);
  const dataset = ({ name, title, source, license, citation }) =>
    make("li", {}, make("code", {}, name), `: ${[title, source, license, citation].filter(Boolean).join(". ")}`);
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
  for (const each of place.querySelectorAll("figure")) each.draw();
}

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
  if (["roc", "calibration", "decision", "labels", "time"].includes(state.view)) {
    const inside = byId("panel").contains(document.activeElement);
    drawView();
    if (inside) byId("add-row")?.focus();
  }
  return state.rows.includes(name);
}

function drawAll() {
  drawControls();
  drawSentences();
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
    changed("metric", () => (drawTable(), state.view === "time" && drawView())),
  );
  byId("kind").addEventListener("change", changed("kind", redrawRows));
  byId("filter").addEventListener("input", changed("filter", redrawRows));
  byId("theme").addEventListener("click", () => {
    state.theme = THEMES[(THEMES.indexOf(state.theme) + 1) % THEMES.length];
    writeAddress();
    drawTheme();
  });
  window.addEventListener("hashchange", () => {
    if (location.hash.includes("=")) {
      readAddress();
      drawAll();
    } else writeAddress();
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
} else {
  byId("conclusion").textContent = `No predictions are stored yet: run \`python -m benchmark run --suite ${SUITE.spelled}\`.`;
}
