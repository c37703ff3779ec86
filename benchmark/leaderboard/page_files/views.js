// The views: each gives headings, sentences and figures for the chosen table, or says why there is nothing to show.

const TITLES = {
  best: "Difference from the first row",
  across: "Across datasets",
  pairs: "All pairs",
  two: "Two rows",
  roc: "ROC",
  calibration: "Calibration",
  decision: "Decision curves",
  labels: "Few labels",
  sites: "Sites",
  time: "Training time",
  ablations: "Ablations and sensitivity",
};
const sentences = (...parts) => parts.filter(Boolean).join(" ");
const paragraph = (text, attributes = {}) => make("p", attributes, ...prose(text));
const named = () => `${table().dataset}, ${table().protocol}`;
const untested = () => paragraph(`Nothing is tested in this table, so there is nothing to draw. ${table().conclusion}`);
const limits = (say) => ["low", "high"].map((name) => [name, name, say]);
const LIMITS = limits(fixed);

const DRAWN = {
  best() {
    const current = table();
    if (!current.tested) return [untested()];
    const rows = records(current.charts.forest);
    const metric = metricName(current.metric);
    const worse = rows.filter((row) => row.shown === "significantly different").length;
    const equal = rows.filter((row) => row.shown === "no difference shown").length;
    const caption = sentences(
      `Difference in ${metric} of every ranked row from the first row, \`${rows[0].method}\`, with the 95 % interval`,
      `${current.adjusted_by === "max-T" ? "for all pairs together" : "comparison"}. Colour and symbol give the verdict after`,
      `${current.adjusted_by} over all ${current.corrected} pairs, so an interval may not agree with it.`,
    );
    const verdicts = `${worse} rows significantly different, ${equal} without a shown difference`;
    const described = `${metric} differences to ${rows[0].method}: ${verdicts}.`;
    const columns = [["method", "method"], ["difference", "difference", signed], ...limits(signed), ["shown", "verdict"]];
    return [figure({ chart: "forest", caption, described, datasets: { rows }, words: { metric }, shape: "named", columns })];
  },

  across: acrossDatasets,

  pairs() {
    const current = table();
    if (!current.tested) return [untested()];
    if (!current.all_pairs) return [paragraph(`${current.comparisons} pairs are too many for a figure. Choose two rows to compare.`)];
    const rows = records([current.pairs]);
    const shown = rows.filter(({ verdict }) => verdict in TURNED).length;
    const caption = sentences(
      "Every pair of ranked rows: + the row is significantly better than the column, \u2212 significantly worse,",
      `\u00b7 no difference shown (${current.adjusted_by} over ${current.corrected} pairs).`,
    );
    const rest = current.comparisons - shown;
    const described = `${shown} of ${current.comparisons} pairs differ significantly, ${rest} are not shown to differ.`;
    const columns = [
      ["a", "row"],
      ["b", "other row"],
      ["difference", "difference", signed],
      ["p", "p", pText],
      ["p_adjusted", "p, all pairs", pText],
    ];
    const picked = ({ row, column }) => row && column && compareRows(row, column);
    const whole = figure({ chart: "matrix", caption, described, datasets: { rows }, shape: "cells matrix", columns, picked });
    return [paragraph(`${described} Press a cell to compare its two rows.`), whole];
  },

  two: twoRows,

  roc: () => {
    const columns = [["method", "method"], ["x", "1 \u2212 specificity", point], ["y", "sensitivity", point], ...limits(point)];
    const aucs = table().metrics.auc.mean;
    return curveView("roc", columns, (rows) => ({
      caption: sentences(
        `ROC curves, the mean over test parts${intervalOf(rows) ? " with 95 % bands of each point" : "; this protocol allows no bands"}.`,
        `Label 1 (${table().positive}) is positive. The dashed line is chance.`,
      ),
      described: `ROC curves: ${state.rows.map((name) => `${name} AUC ${fixed(aucs[placeOf(name)])}`).join(", ")}.`,
      datasets: { rows },
    }));
  },

  calibration: () => {
    const columns = [
      ["method", "method"],
      ["x", "predicted", point],
      ["y", "observed", point],
      ...limits(point),
      ["share", "share of predictions", point],
    ];
    return curveView("calibration", columns, (rows) => {
      const eces = state.rows.map((name) => `\`${name}\` ${fixed(table().metrics.calibration_error.mean[placeOf(name)])}`);
      const intervals = intervalOf(rows) ? ", 95 % intervals by patient bootstrap" : "; this protocol allows no intervals";
      const shares = figure({
        chart: "shares",
        caption: "Share of the predictions in each of ten bins of equal width.",
        described: `Share of predictions by predicted probability for ${state.rows.join(", ")}.`,
        datasets: { rows },
        shape: "square",
        columns: [
          ["method", "method"],
          ["middle", "middle of the bin", point],
          ["share", "share", point],
        ],
      });
      return {
        caption: sentences(
          `Observed proportion of label 1 (${table().positive}) by predicted probability, ten bins of equal width${intervals}.`,
          "The greater a point, the more predictions its bin holds. On the dashed line predictions are what they say.",
          `Expected calibration error: ${eces.join(", ")}.`,
        ),
        described: `Calibration curves of ${state.rows.join(", ")}.`,
        datasets: { rows },
        after: [shares],
      };
    });
  },

  decision: () => {
    const columns = [["method", "method"], ["x", "threshold", point], ["y", "net benefit", point], ...limits(point)];
    return curveView("decision", columns, (rows) => ({
      caption: sentences(
        `Net benefit of treating whom a row puts above the threshold probability as label 1 (${table().positive})${intervalOf(rows) ? ", with 95 % bands of each point" : ""}.`,
        "The thin line treats everyone, zero no one. Values below \u2212.05 are cut off. No p-values belong to these curves.",
      ),
      described: `Decision curves of ${state.rows.join(", ")}, with treat all and treat none.`,
      datasets: { rows, everyone: records(table().charts.everyone) },
    }));
  },

  labels() {
    const own = SUITE.labels[state.dataset];
    if (!own) return [paragraph(`No tables of \`${state.dataset}\` differ in the share of the labels alone.`)];
    const drawn = state.rows.filter((name) => own.some((block) => block.method === name));
    if (!drawn.length) return [rowChooser(), paragraph("None of the rows chosen was run at several shares of the labels.")];
    const rows = recordsOf(own, drawn);
    const metric = metricName(table().metric);
    const caption = sentences(
      `${metric} by the share of the labels that a row learns from${intervalOf(rows) ? ", with the 95 % interval at each share" : ""}.`,
      "All shares have the same test parts; the other training cases are there without their label.",
      "Overlapping bands are no test, and different shares are not tested against each other.",
    );
    const described = `${metric} by share of the labels of ${drawn.join(", ")}.`;
    const columns = [["method", "method"], ["x", "share", fixed], ["y", metric, fixed], ...LIMITS];
    const words = { metric, interval: intervalOf(rows) };
    return [rowChooser(), figure({ chart: "labels", caption, described, datasets: { rows }, words, shape: "square", columns })];
  },

  sites() {
    const current = table();
    if (!current.sites) {
      const other = protocolsOf(current.dataset).find((protocol) => tableOf(current.dataset, protocol).sites);
      const where = other ? ` Choose the protocol \`${other}\`.` : "";
      return [
        paragraph(`Under \`${current.protocol}\` no site is held out as a whole: there is nothing to show by site.${where}`),
      ];
    }
    const sites = current.sites;
    const metric = metricName(current.metric);
    const kept = keptRows(current);
    const rows = recordsOf(
      current.charts.sites,
      kept.map((row) => row.method),
    );
    if (!rows.some((row) => known(row.value))) return [paragraph(`${metric} is undefined at every site.`)];
    const caption = sentences(
      `${metric} by held-out site (${current.site}), the mean over training seeds.`,
      sites.small ? `${sites.small} small sites (fewer than 5 of a class) are shown and left out of the means.` : "",
      "A cell rests on the cases of one site alone. Filter the rows above to shorten the figure.",
    );
    const described = `${metric} of ${kept.length} rows at ${sites.count} sites.`;
    const columns = [
      ["site", "site"],
      ["method", "method"],
      ["n", "cases", String],
      ["positives", "label 1", String],
      ["value", metric, fixed],
    ];
    const whole = figure({
      chart: sites.chart,
      caption,
      described,
      datasets: { rows },
      words: { metric },
      shape: "cells",
      columns,
    });
    return [whole, ...meanRanks(current), ...spreadOverSites(current)];
  },

  time() {
    const current = table();
    const metric = metricName(state.metric);
    const rows = rowsOf(current, state.metric).filter((row) => row.seconds && known(row.mean));
    if (!rows.length) return [paragraph("No training times are stored for the rows of this table.")];
    const chosen = rows.filter((row) => state.rows.includes(row.method));
    const named = chosen.map((row, i) => ({ ...row, number: i + 1, key: `${i + 1} ${row.method}` }));
    const caption = sentences(
      `${metric} against the time to train and predict one split, as measured where the row was computed: rows need not come`,
      "from the same machine, nor from an idle one. A training that rows share counts for each of them, pre-training does not.",
      "The rows chosen for curves are numbered.",
    );
    const seconds = rows.map((row) => row.seconds);
    const span = `${secondsText(Math.min(...seconds))} to ${secondsText(Math.max(...seconds))} seconds`;
    const described = `${metric} against training time of ${rows.length} rows, from ${span}.`;
    const columns = [
      ["method", "method"],
      ["family", "family"],
      ["seconds", "seconds", secondsText],
      ["mean", metric, estimateText(state.metric)],
      ...limits(estimateText(state.metric)),
    ];
    const words = { metric, interval: intervalOf(rows) };
    const datasets = { rows, named };
    return [figure({ chart: "time", caption, described, datasets, words, shape: "", columns })];
  },

  ablations() {
    const found = DATA.further.flatMap((suite) => suite.tables.map((each) => ({ suite, each })));
    const own = found.filter(({ each }) => each.dataset === state.dataset);
    if (!found.length) return [paragraph("No ablation or sensitivity suite has results yet.")];
    return (own.length ? own : found).flatMap(({ suite, each }) => {
      const metric = metricName(each.metric);
      const rows = records(each.dots);
      const caption = sentences(
        `${suite.title}: ${metric}${intervalOf(rows) ? ", 95 % intervals" : ""}.`,
        "Rows are grouped by the parameters that they change. Overlapping intervals are no test.",
      );
      const columns = [["label", "row"], ["group", "changed"], ["value", metric, fixed], ...LIMITS];
      const whole = figure({
        chart: "dots",
        caption,
        described: `${metric} of ${rows.length} rows of ${suite.title}.`,
        datasets: { rows },
        words: { metric, interval: intervalOf(rows) },
        shape: "named",
        columns,
      });
      return [make("h4", {}, `${suite.name}: ${each.dataset}, ${each.protocol}`), paragraph(each.conclusion), whole];
    });
  },
};

/** The rows that the filter leaves, in the table's order. */
const keptRows = (current) => rowsOf(current, state.metric).filter(passes);

const placeOf = (name) => table().rows.method.indexOf(name);

/** A view of curves: which rows, the chart, what belongs below it. */
function curveView(chart, columns, content) {
  const { after = [], ...rest } = content(recordsOf(table().charts[chart], state.rows));
  return [rowChooser(), figure({ chart, shape: "square", columns, ...rest }), ...after];
}

function rowChooser() {
  const chips = state.rows.map((name) =>
    make(
      "li",
      {},
      make("button", { type: "button", onclick: () => choose(name, false), "aria-label": `remove ${name}` }, `${name} \u00d7`),
    ),
  );
  const others = table().rows.method.filter((name) => !state.rows.includes(name));
  const add = make(
    "select",
    { id: "add-row" },
    make("option", { value: "" }, "choose"),
    ...others.map((name) => make("option", { value: name }, name)),
  );
  add.addEventListener("change", () => add.value && choose(add.value, true));
  return make(
    "div",
    {},
    make("div", { class: "controls" }, make("label", {}, `Add a row (at most ${MOST})`, add)),
    make("ul", { class: "chips", "aria-label": "rows shown" }, ...chips),
  );
}

/** What an axis says of intervals, where rows have any. */
function intervalOf(rows) {
  return rows.some((row) => known(row.low)) ? ", 95 % CI" : "";
}

function meanRanks(current) {
  if (!current.ranks) return [];
  const { sites, f, p, difference } = current.ranks;
  const rows = records(current.ranks.records);
  const caption = sentences(
    `Mean ranks of the ranked rows over ${sites} sites (Iman-Davenport F ${known(f) ? decimals(f, 2) : "infinite"}, p ${pText(p)}).`,
    `Rows whose bars overlap differ by less than Nemenyi's critical difference, ${decimals(difference, 2)}: no difference is shown.`,
  );
  const places = (value) => decimals(value, 2);
  const columns = [["method", "method"], ["value", "mean rank", places]];
  const described = `Mean ranks: ${rows.map((row) => `${row.method} ${places(row.value)}`).join(", ")}.`;
  const whole = figure({ chart: "ranks", caption, described, datasets: { rows }, shape: "named", columns });
  return [make("h4", {}, "Mean ranks over sites"), whole];
}

function spreadOverSites(current) {
  const columns = current.between_sites;
  if (!columns) return [];
  const rows = keptRows(current).map((row) => columns.map((column) => cellOf(column, row)));
  const heads = columns.map((column) => column.heading);
  const title = "How much the AUC differs between sites";
  return [
    make("h4", {}, title),
    scrolled(title, plainTable(title, heads, rows, [1, 2])),
  ];
}
