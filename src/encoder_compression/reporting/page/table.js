"use strict";
/* The table stands in the page already; this sorts, filters and opens it. A view is a URLSearchParams, as in the page's address. */

const data = JSON.parse(document.getElementById("data").textContent);
const find = (selector, root = document) => root.querySelector(selector);
const findAll = (selector, root = document) => [...root.querySelectorAll(selector)];
const table = find("#results");
const bodies = findAll("tbody[data-row]", table); // one for each row of the data, with its verdict, in the data's order
const rowOf = (body) => data.rows[body.dataset.row];

/** Points of score lost against the baseline; 0 where that is unknown, so that the row stays. */
function pointsLost(row) {
  return row.difference == null ? 0 : -row.difference * 100;
}

function matches(body, view) {
  const row = rowOf(body);
  const words = `${row.variant} ${row.device} ${find(".tags", body).textContent}`.toLowerCase();
  const terms = (view.get("search") ?? "").toLowerCase().split(/\s+/);
  const budget = view.get("points") ? Number(view.get("points")) : Infinity;
  const device = view.get("device") || row.device;
  return row.device === device && terms.every((term) => words.includes(term)) && !(pointsLost(row) > budget + 1e-9);
}

/** Order by `key`; what was not measured comes last either way. */
function comparison(key, descending) {
  const sign = descending ? -1 : 1;
  return (one, other) => {
    const [a, b] = [rowOf(one)[key], rowOf(other)[key]];
    if (a == null || b == null) return (a == null) - (b == null);
    return sign * (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
  };
}

function sortTable(view) {
  const sort = view.get("sort") ?? "";
  const key = sort.replace(/^-/, "");
  const ordered = key ? [...bodies].sort(comparison(key, sort.startsWith("-"))) : bodies;
  table.append(...ordered);
  for (const head of findAll("th[data-key]", table)) {
    const order = sort.startsWith("-") ? "descending" : "ascending";
    head.setAttribute("aria-sort", head.dataset.key === key ? order : "none");
  }
}

/** Return the next sort of a column: the better end first, then the other, then the data's own order. */
function nextSort(head, sort) {
  const key = head.dataset.key;
  const orders = head.dataset.better === "high" ? [`-${key}`, key, ""] : [key, `-${key}`, ""];
  return orders[(orders.indexOf(sort) + 1) % 3];
}

function showColumns(view) {
  const open = new Set(view.getAll("more"));
  for (const cell of findAll(".more", table)) cell.hidden = !open.has(cell.dataset.group);
  for (const head of findAll("th[data-head]", table)) {
    const shown = findAll("th[data-key]", table).filter((column) => column.dataset.group === head.dataset.head && !column.hidden);
    head.hidden = !shown.length;
    head.colSpan = shown.length || 1;
  }
}

function openVerdict(body, open) {
  const opener = find(".opener", body);
  if (!opener) return;
  opener.setAttribute("aria-expanded", String(open));
  find(".verdict", body).hidden = !open;
}

/** Show the table as `view` asks and return the rows that are left, for the plot. */
function showTable(view) {
  sortTable(view);
  showColumns(view);
  for (const body of bodies) body.hidden = !matches(body, view);
  const shown = bodies.filter((body) => !body.hidden);
  const none = shown.length ? "" : ": nothing matches, take a filter away";
  find("#count").textContent = `${shown.length} of ${bodies.length} rows${none}`;
  return shown.map(rowOf);
}

/** Bring a row of the data into sight, opened and marked; called by a press on its point. */
function showRow(row) {
  const body = bodies[data.rows.indexOf(row)];
  for (const other of bodies) other.classList.toggle("found", other === body);
  openVerdict(body, true);
  body.scrollIntoView({ block: "center", behavior: "smooth" });
}
