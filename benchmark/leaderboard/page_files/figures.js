// Drawing: a chart's one specification, the records of what is chosen, and the same as a table for who cannot see it.

const OPTIONS = {
  mode: "vega-lite",
  renderer: "svg",
  ast: true,
  actions: false,
  defaultStyle: false,
  tooltip: { disableDefaultStyle: true },
};

/** A figure with a caption, a drawing and its table; `wide` is the class of its drawing. */
function figure({ chart, caption, described, datasets, words = {}, shape, columns }) {
  const place = make("div", { "aria-hidden": "true" });
  const drawing = make("div", { class: `drawing ${shape}`, role: "img", tabindex: "0", "aria-label": described }, place);
  const details = make("details", {}, make("summary", {}, "Data as table"));
  details.addEventListener(
    "toggle",
    () => details.open && details.childElementCount === 1 && details.append(dataTable(caption, columns, datasets.rows)),
  );
  const whole = make("figure", {}, make("figcaption", {}, ...prose(caption)), drawing, details);
  whole.draw = () => draw(place, filled(DATA.charts[chart], datasets, words));
  return whole;
}

function dataTable(caption, columns, rows) {
  const heads = columns.map(([, head]) => head);
  const say = (value, format) => (format ? format(value) : known(value) ? String(value) : "");
  const cells = rows.map((row) => columns.map(([field, , format]) => say(row[field], format)));
  const right = columns.flatMap(([, , format], i) => (format ? [i] : []));
  return make(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    plainTable(caption, heads, cells, right),
  );
}

/** The specification with its records and with what depends on them, as `charts.filled` says. */
function filled(spec, datasets, words) {
  const put = (text) => Object.entries(words).reduce((done, [word, said]) => done.replaceAll(`{${word}}`, said), text);
  const distinct = (name) => [...new Set(datasets.rows.map((row) => row[name]))];
  const walk = (value) => {
    if (typeof value === "string") return put(value);
    if (Array.isArray(value)) return value.map(walk);
    if (value?.distinct) return distinct(value.distinct);
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

/** Vega's interpreter (`ast`) draws, since its usual compiler would need a policy that allows evaluated scripts. */
async function draw(place, spec) {
  try {
    await vegaEmbed(place, spec, OPTIONS);
  } catch (error) {
    fill(place, make("p", {}, `This figure could not be drawn (${error.message}); its data stand in the table below.`));
    console.error(error);
  }
}
