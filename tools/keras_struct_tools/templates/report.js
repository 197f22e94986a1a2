"use strict";
const root = document.documentElement;
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const paint = (theme) => root.setAttribute("data-theme", theme);
paint(dark.matches ? "dark" : "light");
dark.addEventListener("change", (event) => paint(event.matches ? "dark" : "light"));
document.getElementById("theme").addEventListener("click", () =>
  paint(root.getAttribute("data-theme") === "dark" ? "light" : "dark"));

const tip = document.getElementById("tip");
function place(x, y) {
  const box = tip.getBoundingClientRect();
  const left = Math.min(x + 14, window.innerWidth - box.width - 8);
  const below = y + 16 + box.height < window.innerHeight;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${Math.max(8, below ? y + 16 : y - box.height - 12)}px`;
}
function light(row, on) {
  document.querySelectorAll(`[data-row="${row}"]`).forEach((other) =>
    other.classList.toggle("lit", on));
}
function show(element, x, y) {
  tip.textContent = element.dataset.tip;
  tip.hidden = false;
  place(x, y);
}
document.querySelectorAll("[data-row]").forEach((element) => {
  element.addEventListener("mouseenter", () => light(element.dataset.row, true));
  element.addEventListener("mouseleave", () => light(element.dataset.row, false));
});
document.querySelectorAll("[data-tip]").forEach((element) => {
  const hide = () => { tip.hidden = true; };
  element.addEventListener("mousemove", (event) => show(element, event.clientX, event.clientY));
  element.addEventListener("focus", () => {
    const box = element.getBoundingClientRect();
    show(element, box.left + box.width / 2, box.bottom);
  });
  element.addEventListener("mouseleave", hide);
  element.addEventListener("blur", hide);
});

const table = document.getElementById("rows");
const body = table.tBodies[0];
function key(row, column) {
  const cell = row.cells[column];
  const text = cell.dataset.value === undefined ? cell.textContent : cell.dataset.value;
  const number = Number(text);
  return text !== "" && !Number.isNaN(number) ? number : text;
}
function compare(a, b) {
  if (a === "" || b === "") return a === b ? 0 : a === "" ? Infinity : -Infinity;
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
}
table.tHead.querySelectorAll("th").forEach((head, column) => {
  head.querySelector("button").addEventListener("click", () => {
    const rising = head.getAttribute("aria-sort") !== "ascending";
    table.tHead.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const sign = (order) => (Number.isFinite(order) && !rising ? -order : order);
    [...body.rows]
      .sort((a, b) => sign(compare(key(a, column), key(b, column))))
      .forEach((row) => body.append(row));
  });
});

const chips = document.querySelectorAll("[data-show]");
function choose(chip) {
  chips.forEach((other) => other.setAttribute("aria-pressed", String(other === chip)));
  document.querySelectorAll(".layer").forEach((layer) =>
    layer.classList.toggle("shown", layer.dataset.layer === chip.dataset.show));
}
chips.forEach((chip) => chip.addEventListener("click", () => choose(chip)));
if (chips.length) choose(chips[0]);
root.dataset.ready = "true";
