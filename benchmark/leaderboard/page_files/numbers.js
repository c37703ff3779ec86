// Figures as text. Every number comes with all its digits and is rounded here, once, as Python rounds it in the Markdown.

const MINUS = "\u2212";

/** So many decimals: of the number as it is, and of a tie to the even digit. */
function decimals(value, digits) {
  const text = value.toFixed(digits);
  const tie = Math.abs(value * 2 ** (digits + 1)) % 2 === 1;
  return tie && text.at(-1) % 2 ? (Math.trunc(value * 10 ** digits) / 10 ** digits).toFixed(digits) : text;
}

const known = (value) => value !== null && value !== undefined;

const fixed = (value, digits = 3) => (known(value) ? decimals(value, digits).replace("-", MINUS) : "n/a");

/** A point of a curve, which has four decimals. */
const point = (value) => fixed(value, 4);

const signed = (value, digits = 3) => (known(value) ? (value >= 0 ? "+" : "") + fixed(value, digits) : "n/a");

/** `.031` and `+.031`, as sentences have them. */
const short = (value) => fixed(value + 0).replace("0.", ".");
const shortSigned = (value) => signed(value + 0).replace("0.", ".");

const between = (low, high, say = fixed) => (known(low) && known(high) ? `${say(low)} to ${say(high)}` : "");

/** With more digits where these would hide on which side of the level it lies. */
function pText(p) {
  if (!known(p)) return "n/a";
  if (p < 0.001) return "<.001";
  let digits = p < 0.0995 ? 3 : 2;
  while (Number(decimals(p, digits)) < DATA.level !== p < DATA.level) digits += 1;
  return decimals(p, digits);
}

const secondsText = (value) => (known(value) ? (value < 10 ? value.toPrecision(2) : value.toFixed(0)) : "n/a");

/** How a metric is written: its sign belongs to an intercept. */
const estimateText = (metric) =>
  METRICS.get(metric).kind === "intercept" ? (value) => signed(value, 2) : (value) => fixed(value);
