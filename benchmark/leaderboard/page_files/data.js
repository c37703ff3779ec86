// The data of the page: columns of each table and blocks of chart records, all made in Python, and what is looked up in them.

const DATA = JSON.parse(byId("data").textContent);
const SUITE = DATA.suite;
for (const { pairs, rows } of [SUITE, ...DATA.further].flatMap((suite) => suite.tables))
  for (const side of ["a", "b"]) pairs[side] = (pairs[`${side}_place`] ?? []).map((place) => rows.method[place]);
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

/** The rows of a table with the estimates of one metric. */
const rowsOf = (table, metric) => (table.metrics ? records([{ ...table.rows, ...table.metrics[metric] }]) : []);

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
