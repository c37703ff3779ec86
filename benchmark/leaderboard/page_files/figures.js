// Drawing: a chart's one specification, the records of what is chosen, and the same as a table for who cannot see it.

const OPTIONS = {
  mode: "vega-lite",
  renderer: "svg",
  ast: true,
  actions: false,
  defaultStyle: false,
  tooltip: { disableDefaultStyle: true, formatTooltip: tooltipTable },
};
const NARROW = matchMedia("(max-width: 40rem)");
const LABEL_STEP = 30;
/** The height of a row whose name stands above its point. */
const SMALLEST_CELL = 8;

/** A figure with a caption, a drawing and its table; `shape` is the class of its drawing, `picked` takes what is pressed. */
function figure({ chart, caption, described, datasets, words = {}, shape, columns, room, picked }) {
  const place = make("div", { "aria-hidden": "true" });
  const drawing = make("div", { class: `drawing ${shape}`, role: "img", tabindex: "0", "aria-label": described }, place);
  const details = make("details", {}, make("summary", {}, "Data as table"));
  details.addEventListener(
    "toggle",
    () => details.open && details.childElementCount === 1 && details.append(dataTable(caption, columns, datasets.rows)),
  );
  const save = make("button", { type: "button", class: "save", onclick: () => saveDrawing(whole.view, chart) }, "Save SVG");
  const below = make("div", { class: "below" }, details, save);
  const whole = make("figure", {}, make("figcaption", {}, ...prose(caption)), drawing, below);
  whole.draw = async () => {
    whole.view = await draw(place, fitted(filled(DATA.charts[chart], datasets, words), shape, place, room));
    if (picked) whole.view?.addEventListener("click", (_, item) => item?.datum && picked(item.datum));
  };
  return whole;
}

function dataTable(caption, columns, rows) {
  const heads = columns.map(([, head]) => head);
  const say = (value, format) => (format ? format(value) : known(value) ? String(value) : "");
  const cells = rows.map((row) => columns.map(([field, , format]) => say(row[field], format)));
  const right = columns.flatMap(([, , format], i) => (format ? [i] : []));
  return scrolled(caption, plainTable(caption, heads, cells, right));
}

/** The specification with its records and with what depends on them, as `charts.filled` says. */
function filled(spec, datasets, words) {
  const put = (text) => Object.entries(words).reduce((done, [word, said]) => done.replaceAll(`{${word}}`, said), text);
  const distinct = (name, of = "rows") => [...new Set(datasets[of].map((row) => row[name]))];
  const walk = (value) => {
    if (typeof value === "string") return put(value);
    if (Array.isArray(value)) return value.map(walk);
    if (value?.distinct) return distinct(value.distinct, value.of);
    if (value?.lines) return distinct(value.lines).length * value.step;
    if (value && typeof value === "object") {
      const parts = Object.entries(value).filter(([name]) => name !== "needs");
      return Object.fromEntries(parts.map(([name, each]) => [name, walk(each)]));
    }
    return value;
  };
  const layer = spec.layer.filter(({ needs }) => !needs || datasets.rows.some((row) => known(row[needs])));
  return { ...walk({ ...spec, layer }), datasets };
}

/** The specification in its place: lines as near as its `room` asks, on a telephone names above their points and small cells. */
function fitted(spec, shape, place, room = Infinity) {
  const lines = new Set(spec.datasets.rows.map((row) => row.method ?? row.label)).size;
  if (shape === "named" && NARROW.matches) return stacked(spec, lines, place.clientWidth);
  if (shape === "named" && spec.height > room) {
    const size = Math.max(7, Math.min(11, Math.floor(room / lines) - 1));
    return { ...spec, height: room, config: { ...spec.config, axisY: { labelFontSize: size } } };
  }
  if (shape === "cells matrix" && NARROW.matches) return shrunk(spec, place.clientWidth);
  return spec;
}

/** Cells as small as the width asks. */
function shrunk(spec, width) {
  const { rows } = spec.datasets;
  const names = Math.min(110, 7 * Math.max(...rows.map(({ a, b }) => Math.max(a.length, b.length))));
  const places = 1 + Math.max(...rows.map(({ b_place }) => b_place));
  const step = Math.max(SMALLEST_CELL, Math.min(18, Math.floor((width - names - 10) / places)));
  const axis = { ...spec.config.axis, labelLimit: names, labelFontSize: Math.max(7, Math.min(11, step)) };
  const layer = encoded(spec, (name, channel) => legendOf(channel, 1));
  return { ...spec, layer, width: { step }, height: { step }, config: { ...spec.config, axis } };
}

/** The layers with each channel's encoding put through `change`. */
const encoded = (spec, change) =>
  spec.layer.map((each) => {
    const channels = Object.entries(each.encoding).map(([name, channel]) => [name, change(name, channel)]);
    return { ...each, encoding: Object.fromEntries(channels) };
  });

const legendOf = (channel, columns) => (channel.legend ? { ...channel, legend: { ...channel.legend, columns } } : channel);

/** Names above their points, over the whole width. */
function stacked(spec, lines, width) {
  const label = {
    labelAlign: "left",
    labelBaseline: "bottom",
    labelPadding: -2,
    labelOffset: -5,
    labelLimit: width - 12,
    domain: false,
    zindex: 1,
  };
  const layer = encoded(spec, (name, channel) =>
    name === "y" && channel.type === "nominal"
      ? { ...channel, axis: { ...channel.axis, ...label } }
      : legendOf(channel, Math.min(2, channel.legend?.columns)),
  );
  return { ...spec, layer, height: LABEL_STEP * lines };
}

/** When the page has loaded, or the reader has stopped that: the library that draws comes after the texts and tables. */
const LOADED = new Promise((resolve) => {
  const look = () => document.readyState === "complete" && resolve();
  document.addEventListener("readystatechange", look);
  look();
});

/** Draw a figure. Vega's interpreter (`ast`) draws, since its usual compiler would need a policy that allows evaluated scripts. */
async function draw(place, spec) {
  try {
    await LOADED;
    if (!place.isConnected) return null; // another view was chosen meanwhile
    return (await vegaEmbed(place, spec, OPTIONS)).view;
  } catch (error) {
    fill(place, make("p", {}, `This figure could not be drawn (${error.message}); its data stand in the table below.`));
    console.error(error);
    return null;
  }
}

const SPOKEN = {
  p_adjusted: "adjusted p",
  signed: "difference",
  x: "at",
  y: "value",
  n: "cases",
  positives: "label 1",
  shown: "against the first",
};
const SAID = { p_adjusted: pText, signed, difference: signed, seconds: secondsText, n: String, positives: String };

/** What a tooltip shows of a point, written as in the tables; `escape` is the library's. */
function tooltipTable(datum, escape) {
  const say = "x" in datum ? point : fixed;
  const rows = Object.entries(datum)
    .filter(([, value]) => value !== "null" && value !== "")
    .map(([field, value]) => {
      const text = typeof value !== "number" ? String(value) : (SAID[field] ?? say)(value);
      return `<tr><td class="key">${escape(SPOKEN[field] ?? field)}</td><td class="value">${escape(text)}</td></tr>`;
    });
  return `<table>${rows.join("")}</table>`;
}

/** The drawing as a file for a paper: black on white whatever the page's colours are. */
async function saveDrawing(view, chart) {
  if (!view) return;
  const probe = document.body.appendChild(make("span", { style: "color-scheme: light" }));
  const colour = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const drawn = (await view.toSVG()).replace(/var\((--[\w-]+)\)/g, (_, name) => colour(name));
  probe.remove();
  const svg = drawn.replace(/(<svg[^>]*>)/, '$1<rect width="100%" height="100%" fill="#ffffff"/>');
  const address = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  const name = [state.dataset, state.protocol, chart].join("-").replace(/[^\w.-]+/g, "_");
  make("a", { href: address, download: `${name}.svg` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
