/* The controls are the state: a form whose values are the page's address after #, the table and the plot. */

const form = find("#controls");

function readForm() {
  const view = new URLSearchParams(new FormData(form));
  for (const [name, value] of [...view]) if (!value) view.delete(name);
  return view;
}

function fillForm(view) {
  for (const field of form.elements) {
    if (!field.name) continue;
    if (field.type === "checkbox") field.checked = view.getAll(field.name).includes(field.value);
    else field.value = view.get(field.name) ?? "";
    if (field.tagName === "SELECT" && field.selectedIndex < 0) field.selectedIndex = 0; // also a device that this report lacks
  }
}

function writeAddress(view) {
  const standing = new URLSearchParams(view);
  if (find("[name=x]")?.selectedIndex === 0) standing.delete("x");
  history.replaceState(null, "", `#${standing}`);
}

function update() {
  const view = readForm();
  writeAddress(view);
  const rows = showTable(view);
  if (view.has("x")) drawTradeoff(rows, view.get("x"));
}

function show(view) {
  fillForm(view);
  openVerdicts();
  update();
}

const readAddress = () => show(new URLSearchParams(location.hash.slice(1)));

/** The browser's own reset would leave the hidden field of the sort as it is. */
function reset(event) {
  event.preventDefault();
  show(new URLSearchParams());
}

function sortBy(head) {
  form.elements.sort.value = nextSort(head, form.elements.sort.value);
  update();
}

const toggleVerdict = (opener) => openVerdict(opener.closest("tbody"), opener.getAttribute("aria-expanded") === "false");

function openVerdicts() {
  for (const body of bodies) openVerdict(body, form.elements.verdicts.checked);
}

function redraw() {
  update();
  drawCurves();
}

/** Paper is white and has no buttons: open everything, and draw in the light colours at the width of a page. */
function preparePrint() {
  document.documentElement.classList.add("printing");
  const closed = findAll("details:not([open])");
  for (const part of closed) part.open = true;
  for (const plot of findAll(".plot")) plot.style.width = "980px";
  redraw();
  window.addEventListener("afterprint", () => endPrint(closed), { once: true });
}

function endPrint(closed) {
  document.documentElement.classList.remove("printing");
  for (const part of closed) part.open = false;
  for (const plot of findAll(".plot")) plot.style.width = "";
  redraw();
}

function listen() {
  for (const field of form.elements) field.addEventListener("input", update); // one of them stands beside the plot, outside the form
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", reset);
  form.elements.verdicts.addEventListener("change", openVerdicts);
  for (const opener of findAll(".opener")) opener.addEventListener("click", () => toggleVerdict(opener));
  for (const head of findAll("th[data-key]")) find("button", head).addEventListener("click", () => sortBy(head));
  window.addEventListener("hashchange", readAddress);
  window.addEventListener("beforeprint", preparePrint);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

/** Draw again once the window has come to rest: the plots and the places of their names belong to one width. */
function followWidth() {
  let waiting;
  window.addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(redraw, 200); });
}

listen();
followWidth();
readAddress();
drawCurves();
find("#tradeoff")?.on("plotly_click", (event) => showRow(event.points[0].customdata));
