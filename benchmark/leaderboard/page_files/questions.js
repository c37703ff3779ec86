// The questions that the suite names in advance, answered before anything else of a table is shown.

const written = (text) => make("span", {}, ...prose(text));

function drawQuestions(current) {
  const lists = current.questions.flatMap(([origin, said]) => [
    make("p", {}, make("strong", {}, "Questions"), ` ${origin}:`),
    make("ul", {}, ...said.map((sentence) => make("li", {}, ...prose(sentence)))),
  ]);
  fill(byId("questions"), ...lists, current.contrasts ? contrastTable(current.contrasts) : null);
}

function contrastTable({ head, rows }) {
  const title = `Each contrast of these questions (${rows.length})`;
  const cells = rows.map((row) => row.map(written));
  const scroll = { class: "scroll", tabindex: "0", role: "region", "aria-label": title };
  return make("details", {}, make("summary", {}, title), make("div", scroll, plainTable(title, head, cells, [3, 4, 5])));
}
