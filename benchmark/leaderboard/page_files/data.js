// The data of the page: columns of each table, and what is looked up in them.

const DATA = JSON.parse(byId("data").textContent);
const SUITE = DATA.suite;
const METRICS = new Map(SUITE.metrics.map((metric) => [metric.key, metric]));

/** Records of columns of equal length. */
function records(columns) {
  const names = Object.keys(columns);
  return columns[names[0]].map((_, i) => Object.fromEntries(names.map((name) => [name, columns[name][i]])));
}

const tableOf = (dataset, protocol) => SUITE.tables.find((table) => table.dataset === dataset && table.protocol === protocol);

const metricName = (key) => METRICS.get(key).name;

/** The rows of a table with their place, and with the estimates of one metric. */
function rowsOf(table, metric) {
  if (!table.metrics) return [];
  const { mean, low, high } = table.metrics[metric];
  return records(table.rows).map((row, i) => ({ ...row, place: i, mean: mean[i], low: low[i], high: high[i] }));
}

/** The tested pair of two rows as a - b; null for a pair outside the ranked family. */
function pairOf(table, a, b) {
  const [first, second] = [Math.min(a, b), Math.max(a, b)];
  const pairs = table.pairs;
  const at = pairs ? pairs.a.findIndex((place, i) => place === first && pairs.b[i] === second) : -1;
  if (at < 0) return null;
  const pair = Object.fromEntries(Object.entries(pairs).map(([name, column]) => [name, column[at]]));
  if (a < b) return pair;
  const negative = (value) => (known(value) ? -value : value);
  return { ...pair, difference: negative(pair.difference), low: negative(pair.high), high: negative(pair.low) };
}

/** The columns of one curve as records, for the rows at the given places. */
function curveRecords(table, curve, places) {
  return places.flatMap((place) =>
    curve.x.map((x, t) => ({
      method: table.rows.method[place],
      x,
      y: curve.y[place][t],
      low: curve.low ? curve.low[place][t] : null,
      high: curve.high ? curve.high[place][t] : null,
    })),
  );
}

function calibrationRecords(table, places) {
  const bins = table.curves.calibration;
  const found = places.flatMap((place) =>
    bins.share[place].map((share, k) => ({
      method: table.rows.method[place],
      middle: (k + 0.5) / bins.share[place].length,
      x: bins.predicted[place][k],
      y: bins.observed[place][k],
      low: bins.low[place][k],
      high: bins.high[place][k],
      share,
    })),
  );
  return { bins: found, points: found.filter((bin) => known(bin.x)) };
}
