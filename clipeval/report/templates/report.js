"use strict";
// Enhances what is already on the page; without scripts every table is there, in its own order.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  table.tHead.querySelectorAll("th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sortBy(table, head, column));
  });
}

function sortBy(table, head, column) {
  const isNumber = head.classList.contains("num") || head.classList.contains("measure");
  const before = head.getAttribute("aria-sort");
  const first = isNumber ? "descending" : "ascending";
  const order = before === null ? first : before === "ascending" ? "descending" : "ascending";
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const body = table.tBodies[0];
  const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
  const keyed = rows.map((row) => ({ row, key: keyOf(row.cells[column], isNumber) }));
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
    return sign * (isNumber ? a.key - b.key : a.key.localeCompare(b.key));
  });
  body.append(...keyed.map((one) => one.row));
}

function keyOf(cell, isNumber) {
  if (!isNumber) return cell.textContent.trim();
  return cell.dataset.value ? Number(cell.dataset.value) : null;
}

// A link to a closed section opens it.
function openTarget() {
  const target = location.hash ? document.getElementById(location.hash.slice(1)) : null;
  if (target instanceof HTMLDetailsElement) target.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();
