// While `run` works it writes the page anew: the page reloads itself where it stands, and says which tables are interim.

const EVERY = 30_000;
/** Milliseconds that a reader's touch holds a reload up. */
const UNDISTURBED = 8_000;
/** A run writes every 5 minutes at least: what is older than this is no longer at work. */
const ENDED = 15 * 60_000;
const KEPT = `strokebench ${SUITE.name}`;

let touched = 0;
let stopped = false;

const inProgress = () => SUITE.tables.filter(({ working, stamp }) => working.length || stamp);

function watchRun() {
  restorePlace();
  if (!inProgress().length) return;
  for (const kind of ["pointerdown", "keydown", "wheel", "input"])
    addEventListener(kind, () => (touched = Date.now()), { passive: true });
  drawInterim();
  setInterval(() => {
    if (isOver()) return drawInterim();
    if (stopped || Date.now() - touched < UNDISTURBED || getSelection().toString()) return;
    keepPlace();
    location.reload();
  }, EVERY);
}

const isOver = () => Date.now() - Date.parse(document.lastModified) > ENDED;

function drawInterim() {
  const at = new Date(document.lastModified).toTimeString().slice(0, 5);
  const tables = inProgress().map(({ dataset, protocol, working, stamp }) => {
    const named = working.slice(0, 3).map((name) => `\`${name}\``);
    const more = working.length > 3 ? ` and ${working.length - 3} more` : "";
    const rows = working.length ? `in progress: ${named.join(", ")}${more}` : "";
    return `${dataset}, ${protocol} (${[stamp.replace(/\.$/, ""), rows].filter(Boolean).join("; ")})`;
  });
  const shown = tables.slice(0, 4).join("; ") + (tables.length > 4 ? `; and ${tables.length - 4} more tables` : "");
  const said = isOver()
    ? `Nothing was written since ${at}, so the run has ended or waits; \`run\` goes on where it stopped.`
    : stopped
      ? `Written at ${at}; the page no longer reloads itself.`
      : `Written at ${at}; the page reloads itself every ${EVERY / 1000} seconds.`;
  const press = () => {
    stopped = !stopped;
    drawInterim();
    byId("interim").querySelector("button").focus();
  };
  const button = make("button", { type: "button", onclick: press }, stopped ? "Reload again" : "Stop reloading");
  fill(byId("interim"), make("strong", {}, "Interim. "), ...prose(`${shown}. ${said} `), isOver() ? null : button);
}

/** Where the table of rows begins: a line above it that comes or goes must not move what is read. */
const topOfRows = () => byId("ranking").getBoundingClientRect().top;

const summaries = () => [...document.querySelectorAll("details")].map((each) => [each, each.querySelector("summary").textContent]);

/** What the address does not hold: how far the page is scrolled, what is unfolded, and where the keyboard is. */
function keepPlace() {
  history.scrollRestoration = "manual";
  const open = summaries().flatMap(([each, text]) => (each.open ? [text] : []));
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ top: topOfRows(), open, focus: document.activeElement?.id ?? "" }));
  } catch (error) {
    console.info(error.message);
  }
}

async function restorePlace() {
  let kept = null;
  try {
    kept = JSON.parse(sessionStorage.getItem(KEPT));
    sessionStorage.removeItem(KEPT);
  } catch (error) {
    console.info(error.message);
  }
  if (!kept) return;
  for (const [each, text] of summaries()) if (kept.open.includes(text)) each.open = true;
  await drawing;
  if (kept.focus) byId(kept.focus)?.focus({ preventScroll: true });
  scrollBy(0, topOfRows() - kept.top);
  setTimeout(() => (history.scrollRestoration = "auto"), 2000); // not before the browser has put back what it kept itself
}
