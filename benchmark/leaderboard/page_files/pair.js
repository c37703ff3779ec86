// Two rows: what their own test says, as `compare` prints it, what that of all pairs says, and the differences part by part.

/** The rows that can be compared: those of the table, and those of its ablations. */
const pairNames = () => table().alone?.names ?? [];

const otherRow = (name) => table().alone.others.find((each) => each.method === name);

function twoRows() {
  if (pairNames().length < 2) return [paragraph("There are fewer than two complete rows: nothing to compare.")];
  const answer = make("div", { "aria-live": "polite" });
  const redraw = () => {
    writeAddress();
    drawFigures(fill(answer, ...comparison()));
  };
  const pick = (name, other) => {
    const select = make("select", { id: `row-${name}` }, ...choices());
    select.value = state[name];
    select.addEventListener("change", () => {
      if (select.value === state[other]) state[other] = state[name];
      state[name] = select.value;
      for (const each of ["a", "b"]) byId(`row-${each}`).value = state[each];
      redraw();
    });
    return make("label", {}, name === "a" ? "First row" : "Second row", select);
  };
  const swap = () => {
    [state.a, state.b] = [state.b, state.a];
    for (const each of ["a", "b"]) byId(`row-${each}`).value = state[each];
    redraw();
  };
  fill(answer, ...comparison());
  const turn = make("button", { type: "button", onclick: swap }, "The other way round");
  return [make("div", { class: "controls" }, pick("a", "b"), pick("b", "a"), turn), answer];
}

/** All rows as options, by what they are. */
function choices() {
  const { rows, alone } = table();
  const groups = new Map();
  const add = (group, name) => groups.set(group, [...(groups.get(group) ?? []), name]);
  rows.method.forEach((name, i) => add(rows.kind[i] === "ranked" ? "Ranked rows" : "Descriptive rows", name));
  for (const { method, suite } of alone.others) add(suite, method);
  return [...groups].map(([label, names]) => make("optgroup", { label }, ...names.map((name) => option(name, name))));
}

/** The estimates of a row and its values in every test part. */
function estimatesOf(name) {
  const current = table();
  const place = placeOf(name);
  if (place < 0) return otherRow(name);
  const { mean, low, high } = current.metrics[current.metric];
  const at = (values) => values?.[place] ?? null;
  return { mean: at(mean), low: at(low), high: at(high), values: current.splits.values[place] };
}

/** The test of a pair alone as a - b, null where it is not listed; `said` is a letter of `records.alone`. */
function aloneOf(a, b) {
  const { names, said, a_place, b_place, ...values } = table().alone;
  const [i, j] = [names.indexOf(a), names.indexOf(b)];
  const [first, second] = i < j ? [i, j] : [j, i];
  const place = a_place.findIndex((each, at) => each === first && b_place[at] === second);
  if (place < 0) return null;
  const [difference, low, high, detectable, p] = ["difference", "low", "high", "detectable", "p"].map((key) => values[key][place]);
  const letter = said[place];
  if (i < j) return { difference, low, high, detectable, p, said: letter };
  const negative = (value) => (known(value) ? -value : null);
  const turned = { b: "w", w: "b" }[letter] ?? letter;
  return { difference: negative(difference), low: negative(high), high: negative(low), detectable, p, said: turned };
}

/** The answer to "is a better than b", as `answers.one_contrast` gives it. */
function answerOf(alone) {
  const { metric, alone: { untested, conditional } } = table();
  if (alone.said === "u") return untested;
  const lower = METRICS.get(metric).best === "least";
  const [sign, low, high] = lower ? [-1, alone.high, alone.low] : [1, alone.low, alone.high];
  const range = known(low) && known(high) ? ` (${short(sign * low)} to ${short(sign * high)})` : "";
  const estimate = shortSigned(sign * alone.difference) + range;
  const answer = {
    b: `yes: ${estimate}`,
    w: `no: the reverse, ${estimate}`,
    s: "not shown: identical predictions, the same run",
    d: "not shown: no difference in any part",
    c: `not shown: ${estimate}; neither AUC is shown to be above .5`,
    o: `not shown: ${estimate}; a difference of ${short(alone.detectable)} would have been found (probability ${short(DATA.power).replace(/0+$/, "")})`,
  }[alone.said];
  return answer + (conditional ? " (conditional on the trained models)" : "");
}

/** What `compare` prints of the two, line by line. */
function linesOf(alone, pair) {
  const answer = answerOf(alone);
  const found = "would have been found";
  const { patients } = table().alone;
  const lines = [`is \`${state.a}\` better than \`${state.b}\`? ${answer}`];
  if (known(alone.p)) lines.push(`p ${shortP(alone.p)}: ${decidingOf(pair)}`);
  if (!(alone.detectable > 0)) return lines;
  const power = short(DATA.power).replace(/0+$/, "");
  if (!answer.includes(found))
    lines.push(`power: a true difference of ${short(alone.detectable)} is found here with probability ${power}`);
  const needed = known(patients) ? patients * (alone.detectable / DATA.sought) ** 2 : 0;
  const about = Number(needed.toPrecision(2)).toLocaleString("en-US");
  if (needed > 0) lines.push(`about ${about} patients would be enough to see a difference of .03`);
  return lines;
}

const shortP = (p) => pText(p).replace("0.", ".");

/** Which of the two p decides. */
function decidingOf(pair) {
  const legitimate = "legitimate where the pair was chosen before the results were seen";
  if (pair && known(pair.p_adjusted)) {
    const family = `${shortP(pair.p_adjusted)} (${table().corrected} pairs of ranked rows)`;
    return `${legitimate}; otherwise read the family's adjusted p: ${family}`;
  }
  const names = [state.a, state.b].filter((name) => !isRanked(name)).map((name) => `\`${name}\``);
  return `unadjusted, and ${legitimate}; no adjusted p stands beside it, for ${names.join(" and ")} is not ranked`;
}

const isRanked = (name) => table().rows.kind[placeOf(name)] === "ranked";

/** What the chosen two show: a sentence, the tests, the differences part by part, and both curves. */
function comparison() {
  const current = table();
  const metric = metricName(current.metric);
  const pair = pairOf(current, state.a, state.b);
  const alone = aloneOf(state.a, state.b);
  const [a, b] = [state.a, state.b].map(estimatesOf);
  const estimates = [state.a, state.b].map((name, i) => {
    const { mean, low, high } = [a, b][i];
    const range = between(low, high);
    return `\`${name}\` ${fixed(mean)}${range ? ` (${range})` : ""}`;
  });
  const words = ["compare", state.a, state.b, "--suite", SUITE.spelled, "--dataset", state.dataset];
  const command = `python -m benchmark ${words.map(quoted).join(" ")}`;
  const tests = alone
    ? [
        make("ul", { id: "said" }, ...linesOf(alone, pair).map((line) => make("li", {}, ...prose(line)))),
        alone.said === "u" ? paragraph(current.conclusion) : testList(pair, alone, metric),
      ]
    : [];
  return [
    make("p", { class: "verdict", id: "verdict" }, ...prose(alone ? verdict(pair, alone, metric) : UNLISTED)),
    paragraph(`${metric}: ${estimates.join("; ")}.`),
    ...tests,
    make("details", { open: !alone }, make("summary", {}, "The same in a terminal"), make("pre", {}, make("code", {}, command))),
    make("div", { class: "pair" }, splitFigure(current, a, b, alone ?? untestedPair(a, b), metric), ...bothCurves(current)),
  ];
}

/** A word as a shell takes it for itself, as `shlex.quote` writes it. */
const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);

const UNLISTED =
  "With so many rows this page holds the tests of the first row and of neighbours alone: the command below tests these two.";

const untestedPair = (a, b) => ({ difference: known(a.mean) && known(b.mean) ? a.mean - b.mean : null, low: null, high: null });

function verdict(pair, alone, metric) {
  const estimate = `difference ${signed(alone.difference)}`;
  if (alone.said === "u") return `Not tested: ${estimate} in ${metric}.`;
  if (!pair) {
    const names = [state.a, state.b].filter((name) => !isRanked(name)).map((name) => `\`${name}\``);
    return `Unadjusted, outside the ranked family, for ${names.join(" and ")} is not ranked: ${answerOf(alone)}.`;
  }
  return VERDICTS[pair.verdict]({ metric, estimate, adjusted: pText(pair.p_adjusted), equal: pText(pair.p_equivalent) });
}

const isBetter = (name, { metric, estimate, adjusted }) =>
  `\`${name}\` is significantly better in ${metric}: ${estimate}, adjusted p ${adjusted}.`;

/** The words of each verdict; which of them a pair has is decided in Python. */
const VERDICTS = {
  better: (said) => isBetter(state.a, said),
  worse: (said) => isBetter(state.b, said),
  equal: ({ metric, estimate, equal }) => `Shown to be equal within .01 in ${metric}: ${estimate}, probability ${equal}.`,
  none: ({ metric, estimate, adjusted }) =>
    `No difference in ${metric} is shown: ${estimate}, adjusted p ${adjusted}. That is not the same as equal.`,
  "near chance": (said) => `${VERDICTS.none(said)} Neither AUC is shown to be above .5, so the adjusted p is 1 whatever p is.`,
  "same run": () => "Both rows made identical predictions: the same run.",
  undefined: ({ metric, estimate }) => `Not tested: ${metric} is undefined in a test part. ${estimate}.`,
};

const TESTS = [
  ["p_adjusted", "p, adjusted for all pairs of ranked rows"],
  ["p_holm", "p (Holm over Nadeau-Bengio; second opinion)"],
  ["p_mcnemar", "p (McNemar, votes of all patients, unadjusted)"],
  ["p_mcnemar_recall", "p (McNemar, votes within label 1, unadjusted)"],
  ["p_mcnemar_specificity", "p (McNemar, votes within label 0, unadjusted)"],
  ["p_sign_flip", "p (exact sign-flip over sites, unadjusted)"],
  ["p_equivalent", "P(difference within .01)"],
];

function testList(pair, alone, metric) {
  const line = (key, term, text) => [make("dt", {}, term), make("dd", { "data-test": key }, text)];
  const range = ({ low, high }) => between(low, high, signed) || "n/a";
  const tests = pair ? TESTS.filter(([key]) => known(pair[key])).flatMap(([key, term]) => line(key, term, pText(pair[key]))) : [];
  return make(
    "dl",
    {},
    ...line("difference", `difference in ${metric} (first \u2212 second)`, signed(alone.difference)),
    ...line("ci", "95 % interval, of this pair alone", range(alone)),
    ...(pair ? line("ci_all", "95 % interval, for all pairs together", range(pair)) : []),
    ...line("p", "p, of this pair alone (unadjusted)", pText(alone.p)),
    ...tests,
  );
}

/** The difference in every test part, by seed or by site, above the mean. */
function splitFigure(current, a, b, alone, metric) {
  const { difference } = alone;
  const { name, seed, site } = current.splits;
  const bySite = site.some(Boolean);
  const parts = name.map((split, j) => ({
    part: bySite ? site[j] : `seed ${seed[j]}`,
    split,
    difference: known(a.values[j]) && known(b.values[j]) ? a.values[j] - b.values[j] : null,
    low: null,
    high: null,
    mean: false,
  }));
  const range = known(alone.low) ? ", 95 % CI" : "";
  const mean = { part: `mean${range}`, split: "", difference, low: alone.low, high: alone.high, mean: true };
  const rows = [...parts.filter((part) => known(part.difference)), ...(known(difference) ? [mean] : [])];
  if (!rows.length) return make("div", {}, paragraph(`${metric} is undefined in every test part of one of the two.`));
  const above = parts.filter((part) => part.difference > 0).length;
  const caption = sentences(
    `Difference in ${metric} (first \u2212 second) in every test part.`,
    current.sites?.small ? "Small sites are left out of the mean." : "",
    bySite ? "" : "The test parts of a cross-validation share their training cases: their scatter is no interval.",
  );
  const share = `${above} of ${parts.length} test parts`;
  const described = `The first row has the greater ${metric} in ${share}; mean difference ${signed(difference)}.`;
  const columns = [["part", bySite ? "site" : "seed"], ["split", "split"], ["difference", "difference", signed], ...limits(signed)];
  return make(
    "div",
    {},
    make("h4", {}, "Part by part"),
    figure({ chart: "differences", caption, described, datasets: { rows }, words: { metric }, shape: "", columns }),
  );
}

function bothCurves(current) {
  if (![state.a, state.b].every(isRow)) return [];
  const columns = [["method", "method"], ["x", "1 \u2212 specificity", point], ["y", "sensitivity", point], ...limits(point)];
  const caption = "ROC curves of the two rows.";
  const datasets = { rows: recordsOf(current.charts.roc, [state.a, state.b]) };
  const whole = figure({ chart: "roc", caption, described: caption, datasets, shape: "square", columns });
  return [make("div", {}, make("h4", {}, "Both ROC curves"), whole)];
}
