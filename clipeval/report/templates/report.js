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
  // A table of several bodies sorts them whole, by their first rows.
  const isWhole = table.tBodies.length > 1;
  const units = isWhole ? [...table.tBodies] : [...table.tBodies[0].rows];
  const keyed = units.map((unit) => {
    const row = isWhole ? unit.rows[0] : unit;
    return { unit, key: keyOf(row.cells[column], isNumber) };
  });
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
    return sign * (isNumber ? a.key - b.key : a.key.localeCompare(b.key));
  });
  (isWhole ? table : table.tBodies[0]).append(...keyed.map((one) => one.unit));
}

function keyOf(cell, isNumber) {
  if (!isNumber) return cell.textContent.trim();
  return cell.dataset.value ? Number(cell.dataset.value) : null;
}

// A link to a closed section opens it, and so does one to a comparison, whose body holds it.
function openTarget() {
  const target = location.hash ? document.getElementById(location.hash.slice(1)) : null;
  const isBody = target instanceof HTMLTableSectionElement;
  const section = isBody ? target.querySelector("details") : target;
  if (section instanceof HTMLDetailsElement) section.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();
