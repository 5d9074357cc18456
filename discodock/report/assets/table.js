// Tables of class "sortable": a click on a column's title sorts by it, a second click the other way; blanks stay last.
"use strict";
(() => {
  const compare = (isNumber) => (a, b) => (isNumber ? a - b : a.localeCompare(b, undefined, { numeric: true }));

  function sort(table, column, direction) {
    const body = table.tBodies[0];
    const isNumber = !table.tHead.rows[0].cells[column].classList.contains("text");
    const order = compare(isNumber);
    const keyed = [...body.rows].map((row) => ({ row, value: row.cells[column].dataset.value ?? "" }));
    const given = keyed.filter((item) => item.value !== "");
    given.sort((a, b) => direction * order(a.value, b.value)); // stable: equal values keep their order
    const blank = keyed.filter((item) => item.value === "");
    body.append(...given.map((item) => item.row), ...blank.map((item) => item.row));
    for (const [index, head] of [...table.tHead.rows[0].cells].entries()) {
      if (index === column) head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    }
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const [index, head] of [...table.tHead.rows[0].cells].entries()) {
      head.querySelector("button").addEventListener("click", () => {
        sort(table, index, head.getAttribute("aria-sort") === "ascending" ? -1 : 1);
      });
    }
  }
})();
