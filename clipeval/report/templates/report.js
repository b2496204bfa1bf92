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

// What to show: cells by template, model and data set; rows and images by class, true or predicted; images
// by what they were chosen for. `#class=pizza&template=plate` says the same, so that a view can be linked to.
const filter = document.getElementById("filter");
const OF_CELLS = ["template", "model", "dataset"];
const FIELDS = ["class", "predicted", ...OF_CELLS, "images"];

function prepareFilter() {
  const classes = [...document.querySelectorAll("tr[data-class]")].map((one) => one.dataset.class);
  addOptions(document.getElementById("filter-classes"), classes);
  const cells = [...document.querySelectorAll("details.cell")];
  for (const name of OF_CELLS) fillSelect(name, cells, 3);
  fillSelect("images", [...document.querySelectorAll("[data-images]")], 3);
  filter.hidden = false;
  filter.addEventListener("input", () => { writeHash(); applyFilter(); });
  filter.addEventListener("reset", (event) => {
    event.preventDefault();  // it would empty the fields after this
    for (const name of FIELDS) filter.elements[name].value = "";
    writeHash();
    applyFilter();
  });
  filter.addEventListener("submit", (event) => event.preventDefault());
}

// A choice between fewer than two is none.
function fillSelect(name, elements, nOptions) {
  const select = filter.elements[name];
  addOptions(select, elements.map((one) => one.dataset[name]));
  select.parentNode.hidden = select.options.length < nOptions;
}

function addOptions(list, values) {
  for (const value of new Set(values)) {
    const option = document.createElement("option");
    option.value = value;
    option.textContent = value;
    list.append(option);
  }
}

function applyFilter() {
  const wanted = Object.fromEntries(FIELDS.map((name) => [name, filter.elements[name].value]));
  const cells = [...document.querySelectorAll("details.cell")];
  const shown = cells.filter((cell) => {
    cell.hidden = OF_CELLS.some((name) => wanted[name] && cell.dataset[name] !== wanted[name]);
    return !cell.hidden;
  });
  const matches = mistakeMatcher(wanted.class, wanted.predicted);
  for (const one of document.querySelectorAll("[data-class]")) one.hidden = !matches(one.dataset);
  for (const one of document.querySelectorAll("[data-images]")) {
    one.hidden = wanted.images !== "" && one.dataset.images !== wanted.images;
  }
  for (const list of document.querySelectorAll("[data-filtered]")) {
    list.dataset.filtered = [...list.children].every((one) => one.hidden) ? "none" : "";
  }
  const isActive = FIELDS.some((name) => wanted[name]);
  if (isActive && shown.length <= 3) for (const cell of shown) cell.open = true;
  filter.querySelector("output").textContent = isActive ? account(cells.length, shown, wanted) : "";
}

// With one class asked for, whatever has to do with it; with two, images of the first taken for the second.
function mistakeMatcher(trueText, predictedText) {
  const isTrue = classMatcher(trueText);
  const isPredicted = classMatcher(predictedText);
  return ({ class: label, predicted }) => {
    if (!predictedText) return isTrue(label) || (predicted !== undefined && isTrue(predicted));
    if (predicted === undefined) return trueText ? isTrue(label) : isPredicted(label);
    return isTrue(label) && isPredicted(predicted);
  };
}

// The whole name of a class means that class; anything else is looked for in all names.
function classMatcher(text) {
  const known = [...document.getElementById("filter-classes").options].some((one) => one.value === text);
  const part = text.trim().toLowerCase();
  if (!part) return () => true;
  return known ? (name) => name === text : (name) => name.toLowerCase().includes(part);
}

function account(nCells, shown, wanted) {
  const cells = `${shown.length} of ${nCells} cells`;
  if (!wanted.class && !wanted.predicted && !wanted.images) return cells;
  const rows = shown.flatMap((cell) => [...cell.querySelectorAll("table.classes tr[data-class]:not([hidden])")]);
  const classes = new Set(rows.map((row) => row.dataset.class)).size;
  const isShown = "[data-images]:not([hidden]) figure[data-class]:not([hidden])";
  const images = shown.flatMap((cell) => [...cell.querySelectorAll(isShown)]).length;
  return `${cells}, ${classes} ${classes === 1 ? "class" : "classes"}, ${images} ${images === 1 ? "image" : "images"}`;
}

function writeHash() {
  const parameters = new URLSearchParams();
  for (const name of FIELDS) if (filter.elements[name].value) parameters.set(name, filter.elements[name].value);
  history.replaceState(null, "", parameters.size ? `#${parameters}` : "#");
}

function readHash() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  for (const name of FIELDS) filter.elements[name].value = parameters.get(name) ?? "";
  applyFilter();
}

// A link to a closed section opens it, and so does one to a comparison, whose body holds it.
function openTarget() {
  if (location.hash.includes("=")) return;
  const target = location.hash ? document.getElementById(location.hash.slice(1)) : null;
  const isBody = target instanceof HTMLTableSectionElement;
  const section = isBody ? target.querySelector("details") : target;
  if (section instanceof HTMLDetailsElement) section.open = true;
}

function followHash() {
  if (filter && location.hash.includes("=")) readHash();
  openTarget();
}
if (filter) prepareFilter();
addEventListener("hashchange", followHash);
followHash();
