/* The two figures. Every colour but the devices' own is read from the style sheet, so that a redraw follows light and dark. */

const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]; // Okabe & Ito (2008)
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "star", "cross"];
const DASHES = ["solid", "dash", "dot", "dashdot"];
const CONFIG = {
  displaylogo: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  showSendToCloud: false, // plotly's own button would upload the figures
  plotlyServerURL: "",
  toImageButtonOptions: { format: "svg" }, // a PNG would need an image address that the page's policy forbids
};
const MEASURES = { loss: "training loss", eval_loss: "validation loss", eval_score: "validation score" };
const devices = [...new Set(data.rows.map((row) => row.device))];
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;"); // plotly reads tags in its texts
const deviceColor = (device) => COLORS[devices.indexOf(device) % COLORS.length];
const columnOf = (key) => data.columns.find((column) => column.key === key) ?? {};
const isNarrow = (node) => node.clientWidth < 640;

function axis(title, more = {}) {
  const line = color("--line");
  const text = { text: plain(title), font: { size: 13 }, standoff: 8 };
  return { title: text, gridcolor: line, linecolor: line, zeroline: false, automargin: true, ...more };
}

function look(more) {
  const [text, panel] = [color("--text"), color("--panel")];
  const hoverlabel = { bgcolor: panel, bordercolor: color("--muted"), font: { color: text }, align: "left" };
  const modebar = { bgcolor: "rgba(0,0,0,0)", color: color("--muted"), activecolor: text };
  const clear = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" };
  const font = { color: text, family: "system-ui, sans-serif", size: 12 };
  const legend = { orientation: "h", yref: "container", y: 0, yanchor: "bottom" };
  return { ...clear, font, legend, hoverlabel, modebar, hovermode: "closest", ...more };
}

/** The length of an interval's arm on each side of `values[key]`, with none where it is unknown. */
function arms(rows, key, scale = 1) {
  const column = columnOf(key);
  const arm = (row, end) => (row[column[end]] == null ? 0 : Math.abs(row[column[end]] - row[key]) * scale);
  const [array, arrayminus] = ["high", "low"].map((end) => rows.map((row) => arm(row, end)));
  return { type: "data", symmetric: false, array, arrayminus, thickness: 1, width: 3, visible: array.some((length) => length > 0) };
}

/** The interval of `row[key]` in three digits, or nothing where it is unknown. */
function rangeText(row, key, scale = 1) {
  const column = columnOf(key);
  const [low, high] = [row[column.low], row[column.high]];
  return low == null || high == null ? "" : ` (${(low * scale).toPrecision(3)}–${(high * scale).toPrecision(3)})`;
}

function hoverText(row, key, label) {
  const score = `${data.metric} ${(row.score * 100).toFixed(1)} %${rangeText(row, "score", 100)}`;
  const cost = `${label}: ${row[key].toPrecision(3)}${rangeText(row, key)}`;
  const states = findAll(".tag", bodies[data.rows.indexOf(row)]).map((tag) => tag.textContent);
  return [`<b>${plain(row.variant)}</b>`, ...[row.device, score, cost, ...states].map(plain)].join("<br>");
}

/** Later devices are smaller, so that equal points (one file on two devices) stay visible; what cannot win is hollow and grey. */
function marker(device, fails) {
  const number = devices.indexOf(device);
  const paint = fails ? color("--failed") : deviceColor(device);
  const symbol = SYMBOLS[number % SYMBOLS.length] + (fails ? "-open" : "");
  const line = fails ? { width: 2, color: paint } : { width: 1, color: color("--text") };
  return { size: Math.max(16 - 5 * number, 7), symbol, color: paint, line };
}

/** One device's points, those that cannot win in a trace of their own so that the legend names them. */
function points(rows, device, fails, key, label) {
  const look = marker(device, fails);
  const bars = { color: look.color + "99" };
  return {
    type: "scatter", mode: "markers", name: plain(device) + (fails ? ", cannot win" : ""), marker: look,
    x: rows.map((row) => row[key]), y: rows.map((row) => row.score * 100), customdata: rows,
    error_x: { ...arms(rows, key), ...bars }, error_y: { ...arms(rows, "score", 100), ...bars },
    text: rows.map((row) => hoverText(row, key, label)), hovertemplate: "%{text}<extra></extra>",
  };
}

/** A logarithmic axis whose ticks are plain numbers: 1, 2, 5 of each power of ten, and more of them where few would be left. */
function costAxis(label, rows, key) {
  const costs = rows.map((row) => row[key]);
  const [least, most] = [Math.min(...costs) * 0.8, Math.max(...costs) * 1.25];
  const digits = most / least > 30 ? [1, 2, 5] : most / least > 4 ? [1, 1.5, 2, 3, 4, 5, 7] : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9];
  const powers = Array.from({ length: 16 }, (_, number) => 10 ** (number - 6));
  const tickvals = powers.flatMap((power) => digits.map((digit) => digit * power)).filter((value) => value > least && value < most);
  const range = costs.length ? [Math.log10(least), Math.log10(most)] : [0, 1];
  return axis(label, { type: "log", tickvals, ticktext: tickvals.map((value) => String(+value.toPrecision(2))), range });
}

/** A row that may not be called best; its tag says why. */
const cannotWin = (row) => row.can_win === false;

/** The rows that no other beats in both cost and score, cheapest first. */
function frontOf(rows, key) {
  const ordered = rows.filter((row) => !cannotWin(row)).sort((one, other) => one[key] - other[key] || other.score - one.score);
  let best = -Infinity;
  return ordered.filter((row) => row.score > best && (best = row.score) !== null);
}

function frontLine(front, key) {
  const line = { shape: "hv", dash: "dash", color: color("--muted"), width: 1.5 };
  const [x, y] = [front.map((row) => row[key]), front.map((row) => row.score * 100)];
  return { type: "scatter", mode: "lines", name: "Pareto front", x, y, line, hoverinfo: "skip" };
}

/** Lines at shares of the baseline's score, each share named once in the right margin. Devices whose baselines agree have one line,
 * and those whose baseline scores 0 or less have none: there is nothing to retain. */
function gateLines(rows, narrow) {
  const known = [...new Set(rows.map((row) => row.device))].filter((device) => data.baseline_score[device] > 0);
  const own = [...new Map(known.map((device) => [data.baseline_score[device].toFixed(4), device])).values()];
  const shares = [...new Set([0.99, 0.999, ...(data.gate ? [data.gate.retained] : [])])].sort();
  return own.flatMap((device, number) => shares.map((share) => ({
    y: data.baseline_score[device] * share * 100,
    paint: own.length > 1 ? deviceColor(device) : color("--muted"),
    name: number ? "" : `${+(share * 100).toFixed(2)} %${narrow ? "" : " of baseline"}`,
    above: share === shares.at(-1),
  })));
}

const gateShape = ({ y, paint }) => ({
  type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, layer: "below", line: { color: paint, width: 1, dash: "dot" },
});
const gateName = ({ y, name, above }) => ({
  xref: "paper", x: 1, xanchor: "left", y, yanchor: above ? "bottom" : "top",
  text: name, showarrow: false, font: { size: 11, color: color("--muted") },
});

const overlap = (one, other) => one.x0 < other.x1 && other.x0 < one.x1 && one.y0 < other.y1 && other.y0 < one.y1;

/** Name the points of the front where the name covers no other name and no point; what finds no place stays unnamed. */
function frontNames(node, front, rows, key) {
  const { xaxis, yaxis } = node._fullLayout; // plotly's own: only it knows where a point lies in pixels
  const place = (row) => ({ x: xaxis.d2p(row[key]), y: yaxis.d2p(row.score * 100) });
  const taken = rows.map(place).map(({ x, y }) => ({ x0: x - 7, x1: x + 7, y0: y - 7, y1: y + 7 }));
  const inside = (box) => box.x0 > 0 && box.x1 < xaxis._length && box.y0 > 0 && box.y1 < yaxis._length;
  return front.flatMap((row) => {
    const free = nameBoxes(place(row), row.variant).find((box) => inside(box) && !taken.some((other) => overlap(box, other)));
    if (!free) return [];
    taken.push(free);
    return [nameNote(row, key, free)];
  });
}

/** The places, best first, of a name near the point (x, y), in pixels. */
function nameBoxes({ x, y }, name) {
  const half = name.length * 3.2 + 4;
  const offsets = [-20, 20, -38, 38, -56, 56].flatMap((dy) => [0, 60, -60].map((dx) => [dx, dy]));
  return offsets.map(([dx, dy]) => ({ dx, dy, x0: x + dx - half, x1: x + dx + half, y0: y + dy - 9, y1: y + dy + 9 }));
}

const nameNote = (row, key, { dx, dy }) => ({
  x: Math.log10(row[key]), y: row.score * 100, ax: dx, ay: dy, // a note on a logarithmic axis takes the logarithm
  text: plain(row.variant), font: { size: 11 }, arrowwidth: 1, arrowhead: 0, arrowcolor: color("--muted"), standoff: 6,
});

function tradeoffTraces(rows, front, key, label) {
  const groups = devices.flatMap((device) => [false, true].map((fails) => {
    const own = rows.filter((row) => row.device === device && cannotWin(row) === fails);
    return own.length ? [points(own, device, fails, key, label)] : [];
  }));
  return [frontLine(front, key), ...groups.flat()];
}

/** Draw the score of the rows `shown` against their cost `key`. */
async function drawTradeoff(shown, key) {
  const node = find("#tradeoff");
  const label = find(`[name=x] option[value="${CSS.escape(key)}"]`).textContent;
  const rows = shown.filter((row) => row.score != null && row[key] > 0); // the axis is logarithmic
  const [front, gates] = [frontOf(rows, key), gateLines(rows, isNarrow(node))];
  const annotations = gates.map(gateName);
  const margin = { l: 50, r: isNarrow(node) ? 48 : 120, t: 30, b: 50 };
  const absent = shown.length - rows.length ? `; not known for ${shown.length - rows.length} of the rows` : "";
  const axes = { xaxis: costAxis(`${label} (log scale${absent})`, rows, key), yaxis: axis(`${data.metric}, %`) };
  const layout = { ...axes, shapes: gates.map(gateShape), annotations, margin, width: node.clientWidth, height: node.clientHeight };
  await Plotly.react(node, tradeoffTraces(rows, front, key, label), look(layout), CONFIG);
  await Plotly.relayout(node, { annotations: [...annotations, ...frontNames(node, front, rows, key)] });
}

/** One line of a measure; the seeds of a variant share its colour, dash and entry in the legend. */
function curveLine(curve, measure, panel, variants) {
  const number = variants.indexOf(curve.variant);
  const known = curve.points.filter((point) => point[measure] != null && point.epoch != null);
  const dash = DASHES[Math.floor(number / COLORS.length) % DASHES.length];
  const suffix = panel ? String(panel + 1) : "";
  return {
    type: "scatter", mode: known.length < 12 ? "lines+markers" : "lines", marker: { size: 5 },
    line: { color: COLORS[number % COLORS.length], dash, width: 1.8 }, xaxis: "x" + suffix, yaxis: "y" + suffix,
    x: known.map((point) => point.epoch), y: known.map((point) => point[measure]),
    name: plain(curve.variant), legendgroup: curve.variant,
    showlegend: panel === 0 && data.curves.find(({ variant }) => variant === curve.variant) === curve,
    text: plain(`${curve.variant}, seed ${curve.seed}`), hovertemplate: "%{text}<br>epoch %{x:.2f}: %{y:.4~g}<extra></extra>",
  };
}

/** The height of a legend whose names follow each other in rows of this width. */
function legendHeight(variants, width) {
  let [rows, used] = [1, 0];
  for (const variant of variants) {
    const needed = variant.length * 7 + 50; // with the line before it
    [rows, used] = used + needed > width ? [rows + 1, needed] : [rows, used + needed];
  }
  return rows * 19 + 10;
}

/** Draw one panel for each measure that some curve has, side by side where there is room, under one legend. */
async function drawCurves() {
  const node = find("#curves");
  if (!node) return;
  const isKnown = (measure) => data.curves.some((curve) => curve.points.some((point) => point[measure] != null));
  const measures = Object.keys(MEASURES).filter(isKnown);
  const trained = data.curves.filter((curve) => curve.points.some((point) => point.loss != null));
  const variants = [...new Set(trained.map((curve) => curve.variant))];
  const rows = isNarrow(node) ? measures.length : 1;
  const traces = measures.flatMap((measure, panel) => trained.map((curve) => curveLine(curve, measure, panel, variants)));
  const xaxes = measures.map((_, panel) => [`xaxis${panel + 1}`, axis("epoch")]);
  const yaxes = measures.map((measure, panel) => [`yaxis${panel + 1}`, axis(MEASURES[measure], { exponentformat: "power" })]);
  const grid = { rows, columns: measures.length / rows, pattern: "independent", xgap: 0.2, ygap: 0.3 };
  const top = 32 + legendHeight(variants, node.clientWidth - 62); // the mode bar, then the legend between the margins
  const height = top + rows * (rows > 1 ? 215 : 270) + 50;
  const size = { width: node.clientWidth, height, margin: { l: 50, r: 12, t: top, b: 50 } };
  const legend = { orientation: "h", yref: "container", y: 1 - 28 / height, yanchor: "top", tracegroupgap: 0 };
  await Plotly.react(node, traces, look({ ...Object.fromEntries([...xaxes, ...yaxes]), grid, legend, ...size }), CONFIG);
}
