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
  const place = (units, rowOf, parent) => {
    const keyed = units.map((unit) => ({ unit, key: keyOf(rowOf(unit).cells[column], isNumber) }));
    keyed.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
      return sign * (isNumber ? a.key - b.key : a.key.localeCompare(b.key));
    });
    parent.append(...keyed.map((one) => one.unit));
  };
  // A comparison's body is sorted whole, by its first row; the rows of a group stay below its title.
  if (table.classList.contains("comparisons")) return place([...table.tBodies], (body) => body.rows[0], table);
  for (const body of table.tBodies) {
    place([...body.rows].filter((row) => !row.classList.contains("group")), (row) => row, body);
  }
}

function keyOf(cell, isNumber) {
  if (!isNumber) return cell.textContent.trim();
  return cell.dataset.value ? Number(cell.dataset.value) : null;
}

// What to show: cells by template, model and data set; rows and images by class, true or predicted; images
// by what they were chosen for. `#class=pizza&template=plate` says the same, so that a view can be linked to.
const filter = document.getElementById("filter");
const OF_CELLS = ["template", "model", "dataset", "cell"].filter((name) => filter?.elements[name]);
const FIELDS = ["class", "predicted", ...OF_CELLS, "images"];

function prepareFilter() {
  const classes = [...document.querySelectorAll("[data-class]")].map((one) => one.dataset.class);
  const mistaken = [...document.querySelectorAll("[data-predicted]")].map((one) => one.dataset.predicted);
  addOptions(document.getElementById("filter-classes"), [...classes, ...mistaken]);
  const cells = [...document.querySelectorAll("details.cell")];
  for (const name of OF_CELLS) fillSelect(name, cells);
  fillSelect("images", [...document.querySelectorAll("[data-images]")]);
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

// "All" and one more are no choice.
function fillSelect(name, elements) {
  const select = filter.elements[name];
  addOptions(select, elements.map((one) => one.dataset[name]));
  select.parentNode.hidden = select.options.length < 3;
}

function addOptions(list, values) {
  for (const value of new Set(values)) {
    const option = document.createElement("option");
    option.value = value;
    option.textContent = value;
    list.append(option);
  }
}

function applyFilter(unknown = []) {
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
  const said = unknown.map(([name, value]) => `There is no ${name} \u201c${value}\u201d here.`);
  // Where classes have tables all of them are known; a page about two runs knows those that changed.
  const strange = document.querySelector("table.classes") ? [wanted.class, wanted.predicted] : [];
  for (const name of strange) if (name && !hasClass(name)) said.push(`There is no class \u201c${name}\u201d here.`);
  if (isActive) said.push(account(cells.length, shown, wanted));
  filter.querySelector("output").textContent = said.join(" ");
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

// The whole name of a class means that class; anything else is looked for in all names. A field holds no
// line breaks, so none are compared.
function classMatcher(text) {
  const names = [...document.getElementById("filter-classes").options].map((one) => unbroken(one.value));
  const part = text.trim().toLowerCase();
  if (!part) return () => true;
  if (names.includes(text)) return (name) => unbroken(name) === text;
  return (name) => unbroken(name).toLowerCase().includes(part);
}

function hasClass(text) {
  const matches = classMatcher(text);
  return [...document.getElementById("filter-classes").options].some((one) => matches(one.value));
}

function unbroken(text) {
  return text.replace(/[\r\n]/g, "");
}

function account(nCells, shown, wanted) {
  const cells = `${shown.length} of ${several(nCells, "cell", "cells")}`;
  if (!wanted.class && !wanted.predicted && !wanted.images) return cells;
  const isShown = "[data-images]:not([hidden]) figure[data-class]:not([hidden])";
  const images = new Set(shown.flatMap((cell) => (
    [...cell.querySelectorAll(isShown)].map((one) => `${cell.dataset.dataset}\n${one.dataset.sample}`)
  )));
  const said = `${several(images.size, "image", "images")} shown`;
  if (!wanted.class || !document.querySelector("table.classes")) return `${cells}, ${said}`;
  const rows = shown.flatMap((cell) => [...cell.querySelectorAll("table.classes tr[data-class]:not([hidden])")]);
  const classes = new Set(rows.map((row) => row.dataset.class)).size;
  return `${cells}, ${several(classes, "class", "classes")}, ${said}`;
}

function several(n, one, many) {
  return `${n} ${n === 1 ? one : many}`;
}

// The address: what is shown, as `name=value`, and where on the page, as `at=section`, or as the section alone.
function address(at) {
  const parameters = new URLSearchParams();
  for (const name of filter ? FIELDS : []) {
    if (filter.elements[name].value) parameters.set(name, filter.elements[name].value);
  }
  if (!parameters.size) return `#${at}`;
  if (at) parameters.set("at", at);
  return `#${parameters}`;
}

function writeHash() {
  history.replaceState(null, "", address(""));
}

function readHash() {
  const text = location.hash.slice(1);
  const parameters = new URLSearchParams(text.includes("=") ? text : `at=${text}`);
  const wasAll = address("") === "#" && !filter?.querySelector("output").textContent;
  const unknown = [];
  for (const name of filter ? FIELDS : []) {
    const field = filter.elements[name];
    const value = parameters.get(name) ?? "";
    field.value = value;
    if (field.value !== unbroken(value)) {
      field.value = "";
      unknown.push([name, value]);
    }
  }
  const isAll = address("") === "#" && !unknown.length;
  if (filter && !(wasAll && isAll)) applyFilter(unknown);
  return parameters.get("at") ?? "";
}

// A section is opened, and so is a comparison, whose body holds it.
function show(id) {
  const target = id ? document.getElementById(id) : null;
  if (!target) return false;
  const isBody = target instanceof HTMLTableSectionElement;
  const section = isBody ? target.querySelector("details") : target.closest("details");
  if (section instanceof HTMLDetailsElement) section.open = true;
  target.scrollIntoView();
  if (!target.hasAttribute("tabindex")) target.tabIndex = -1;
  target.focus({ preventScroll: true });  // the keyboard goes on from there
  return true;
}

function follow() {
  const at = readHash();
  if (show(at) || address("") === "#") return;
  const first = document.querySelector("details.cell:not([hidden])");
  if (first) first.scrollIntoView();
}

// A link to a place keeps what is shown, unless that hides the place: then all is shown again.
addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href^="#"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const href = link.getAttribute("href");
  event.preventDefault();
  if (link.classList.contains("skip")) return show(href.slice(1));
  const isView = href.includes("=");
  const isHidden = !isView && document.getElementById(href.slice(1))?.closest("[hidden]");
  history.pushState(null, "", isView || isHidden ? href : address(href.slice(1)));
  follow();
});

// What a link goes to must not lie below the bars that stick to the top, however many lines they take.
function leaveRoom() {
  const bars = [...document.querySelectorAll("nav, .filter")].filter((one) => getComputedStyle(one).position === "sticky");
  const height = bars.reduce((sum, one) => sum + one.offsetHeight, 0);
  document.documentElement.style.scrollPaddingTop = `${height + 16}px`;
}

if (filter) prepareFilter();
leaveRoom();
addEventListener("resize", leaveRoom);
addEventListener("popstate", follow);
follow();

// The command that makes the run again is there to be copied.
for (const command of document.querySelectorAll("pre.command")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed: select it";
    }
  });
  if (navigator.clipboard) command.after(button);
}
