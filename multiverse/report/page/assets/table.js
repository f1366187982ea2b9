// Tables of scores: sorted by their headings, raw or scaled. What has no value stays last.
"use strict";
const Scores = (() => {
  const valueOf = (row, column, mode) => {
    const cell = row.cells[column];
    if (column === 0) return cell.querySelector("bdi").textContent;
    if (column === 1) {
      const [available, all] = cell.querySelector(`.${mode}`).textContent.split("/").map(Number);
      return Number.isFinite(available / all) ? available / all : null;
    }
    const value = cell.dataset[mode];
    return value === undefined ? null : Number(value);
  };

  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);

  const sort = (table, column, direction, mode) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, value: valueOf(row, column, mode) }));
    rows.sort((a, b) => {
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null);
      return direction === "ascending" ? compare(a.value, b.value) : compare(b.value, a.value);
    });
    body.append(...rows.map((item) => item.row));
  };

  const start = (place) => {
    const table = place.querySelector(".scores");
    const heads = [...table.querySelectorAll("th[aria-sort]")];
    const again = () => {
      const column = heads.findIndex((head) => head.getAttribute("aria-sort") !== "none");
      sort(table, column, heads[column].getAttribute("aria-sort"), place.dataset.show);
    };
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const before = head.getAttribute("aria-sort");
        const first = column === 0 ? "ascending" : "descending";
        const other = column === 0 ? "descending" : "ascending";
        heads.forEach((each) => each.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", before === first ? other : first);
        again();
      });
    });
    place.addEventListener("change", (event) => {
      if (event.target.type !== "radio") return;
      place.dataset.show = event.target.value;
      again();
    });
  };

  return { start };
})();
