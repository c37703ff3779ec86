// The data of the page: columns of each table and blocks of chart records, all made in Python, and what is looked up in them.

/** Lists of numbers as `page.packed` holds them. */
function unpacked(value) {
  if (Array.isArray(value)) return value.map(unpacked);
  if (value === null || typeof value !== "object") return value;
  if (value.float64) return Array.from(new Float64Array(bytes(value.float64)), (each) => (Number.isNaN(each) ? null : each));
  if (value.int16) return Array.from(new Int16Array(bytes(value.int16)), (each) => (each === MISSING ? null : each / 10 ** DECIMALS));
  if (value.words && value.at) return value.at.map((place) => value.words[place]);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, unpacked(each)]));
}

function bytes(text) {
  const raw = atob(text);
  const found = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) found[i] = raw.charCodeAt(i);
  return found.buffer;
}
const MISSING = -(2 ** 15);
const DECIMALS = 4;

/** A table whose parts are unpacked when they are first asked for. */
function lazily(packed) {
  const found = {};
  for (const [name, value] of Object.entries(packed)) {
    const get = () => {
      const part = (FINISHED[name] ?? ((each) => each))(unpacked(value), found);
      Object.defineProperty(found, name, { value: part, enumerable: true });
      return part;
    };
    Object.defineProperty(found, name, { get, enumerable: true, configurable: true });
  }
  return found;
}

const FINISHED = {
  pairs: (pairs, { rows }) => ({ ...pairs, ...Object.fromEntries(["a", "b"].map((side) => [side, namesAt(pairs[`${side}_place`], rows)])) }),
  // What blocks have in common stands in the first one alone.
  charts: (charts) =>
    Object.fromEntries(Object.entries(charts).map(([name, blocks]) => [name, blocks.map((block) => ({ ...blocks[0], ...block }))])),
};
const namesAt = (places, rows) => (places ?? []).map((place) => rows.method[place]);

const PACKED = JSON.parse(byId("data").textContent);
const SUITE = { ...unpacked({ ...PACKED.suite, tables: [] }), tables: PACKED.suite.tables.map(lazily) };
const DATA = unpacked({ ...PACKED, suite: null });
const METRICS = new Map(SUITE.metrics.map((metric) => [metric.key, metric]));

/** The records of blocks: each entry of a block is one value for all its records, or a list of one for each. */
function records(blocks) {
  return blocks.flatMap((block) => {
    const entries = Object.entries(block);
    const length = entries.find(([, value]) => Array.isArray(value))[1].length;
    const at = (value, i) => (Array.isArray(value) ? value[i] : value);
    return Array.from({ length }, (_, i) => Object.fromEntries(entries.map(([name, value]) => [name, at(value, i)])));
  });
}

/** The records of the named rows in a chart that has a block for each row. */
const recordsOf = (blocks, names) => records(names.map((name) => blocks.find((block) => block.method === name)));

const tableOf = (dataset, protocol) => SUITE.tables.find((table) => table.dataset === dataset && table.protocol === protocol);

const metricName = (key) => METRICS.get(key).name;

/** The card of a dataset; a finding's is that of its cohort. */
const datasetOf = (name) =>
  SUITE.datasets.find((each) => each.name === name) ??
  SUITE.datasets.find((each) => each.name.split("[")[0] === name.split("[")[0]) ?? { name };

/** How far a value is from the best one that its metric has: the less, the better. */
function shortfall(metric, value) {
  const { best } = METRICS.get(metric);
  return best === "greatest" ? -value : best === "least" ? value : Math.abs(value - best);
}

/** Which of two rows stands first by a metric: undefined values last, equal ones by name. */
function ahead(metric, x, y) {
  if (!known(x.mean) || !known(y.mean)) return Number(known(y.mean)) - Number(known(x.mean));
  return shortfall(metric, x.mean) - shortfall(metric, y.mean) || (x.method < y.method ? -1 : 1);
}

/**
 * The rows of a table with the estimates of one metric, best first, the ranked before the descriptive ones. Differences are those
 * of the metric from the first row; tests and their intervals are of the table's own metric alone.
 */
function rowsOf(table, metric) {
  if (!table.metrics) return [];
  const rows = records([{ ...table.rows, ...table.metrics[metric] }]);
  if (metric === table.metric) return rows;
  rows.sort((x, y) => Number(y.kind === "ranked") - Number(x.kind === "ranked") || ahead(metric, x, y));
  const first = rows[0].mean;
  return rows.map((row, place) => ({
    ...row,
    place,
    difference: known(row.mean) && known(first) ? row.mean - first : null,
    difference_low: null,
    difference_high: null,
  }));
}

const TURNED = { better: "worse", worse: "better" };

/** The tested pair of two rows as a - b; null for a pair outside the ranked family. */
function pairOf(table, a, b) {
  const pair = records([table.pairs]).find((each) => (each.a === a && each.b === b) || (each.a === b && each.b === a));
  if (!pair || pair.a === a) return pair ?? null;
  const negative = (value) => (known(value) ? -value : value);
  return {
    ...pair,
    difference: negative(pair.difference),
    low: negative(pair.high),
    high: negative(pair.low),
    verdict: TURNED[pair.verdict] ?? pair.verdict,
  };
}
