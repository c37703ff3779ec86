// The questions that the suite names in advance, answered before anything else of a table is shown.

const written = (text) => make("span", {}, ...prose(text));

function drawQuestions(current) {
  const lists = current.questions.flatMap(([origin, said]) => [
    make("p", { class: "origin" }, make("strong", {}, "Questions"), ` ${origin}:`),
    make("ul", {}, ...said.map((sentence) => make("li", {}, ...answered(sentence)))),
  ]);
  fill(byId("questions"), ...lists, current.contrasts ? contrastTable(current.contrasts) : null);
}

/** `*question* answer: figures`: the answer stands out. */
function answered(sentence) {
  const [, ask, answer, rest] = sentence.match(/^(\*[^*]+\*) (.+?)((?:;|:(?! (?:none|\d+) of )| \().*|\.)$/s) ?? [];
  return ask ? [...prose(ask), " ", make("strong", {}, ...prose(answer)), ...prose(rest)] : prose(sentence);
}

function contrastTable({ head, rows }) {
  const title = `Each contrast of these questions (${rows.length})`;
  const cells = rows.map((row) => row.map(written));
  return make("details", {}, make("summary", {}, title), scrolled(title, plainTable(title, head, cells, [3, 4, 5])));
}
