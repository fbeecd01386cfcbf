// The pair annotator's face (an anywidget "AFM" module). All state is in the model's traits; Python decides what is shown.
// Keys stay inside: JupyterLab would cut or convert cells on 1, 2, x, ... (data-lm-suppress-shortcuts and stopPropagation).

const ACTION = {
  1: "first", ArrowLeft: "first", 2: "second", ArrowRight: "second", 0: "tie", "=": "tie", u: "undo", U: "undo", s: "skip", S: "skip",
};
const HELP = [
  ["1 or ←", "A is better"], ["2 or →", "B is better"], ["0 or =", "equal"], ["s", "later"], ["u", "undo"],
  ["+ and −", "zoom both (also: scroll)"], ["Shift + arrows", "move both (also: drag)"], ["z", "whole photo"], ["?", "this help"],
];
const MAX_ZOOM = 12;

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function svg(tag, attributes = {}, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}

const signed = (x) => (x < 0 ? "−" : "+") + Math.abs(x).toFixed(2);

// Two photos, one zoom: what is done to one happens to both.
function makeStage() {
  const images = ["A", "B"].map((name) => make("img", { alt: `Photo ${name}`, draggable: "false" }));
  const frames = images.map((image, k) =>
    make("figure", { class: "pqa-photo" }, make("div", { class: "pqa-frame" }, image), make("figcaption", {}, "AB"[k])));
  const stage = make("div", { class: "pqa-stage" }, ...frames);
  const zoom = { scale: 1, x: 0, y: 0 }; // x, y: shift of the centre, in frame widths and heights

  function apply() {
    const limit = (zoom.scale - 1) / 2;
    zoom.x = Math.max(-limit, Math.min(limit, zoom.x));
    zoom.y = Math.max(-limit, Math.min(limit, zoom.y));
    for (const image of images) image.style.transform = `translate(${100 * zoom.x}%, ${100 * zoom.y}%) scale(${zoom.scale})`;
    stage.classList.toggle("pqa-zoomed", zoom.scale > 1);
  }
  // The point under (px, py), measured from the frame's centre in frame sizes, stays where it is.
  function zoomBy(factor, px = 0, py = 0) {
    const scale = Math.max(1, Math.min(MAX_ZOOM, zoom.scale * factor));
    zoom.x = px + ((zoom.x - px) * scale) / zoom.scale;
    zoom.y = py + ((zoom.y - py) * scale) / zoom.scale;
    zoom.scale = scale;
    apply();
  }
  function moveBy(dx, dy) {
    zoom.x += dx;
    zoom.y += dy;
    apply();
  }
  function whole() {
    Object.assign(zoom, { scale: 1, x: 0, y: 0 });
    apply();
  }
  for (const frame of stage.querySelectorAll(".pqa-frame")) {
    let from = null;
    frame.addEventListener("wheel", (event) => {
      if (!stage.closest(".pqa-pair").contains(document.activeElement)) return; // a page that is scrolled past stays a page
      event.preventDefault();
      const box = frame.getBoundingClientRect();
      zoomBy(Math.exp(-0.002 * event.deltaY),
        (event.clientX - box.left) / box.width - 0.5, (event.clientY - box.top) / box.height - 0.5);
    }, { passive: false });
    frame.addEventListener("pointerdown", (event) => {
      from = [event.clientX, event.clientY];
      frame.setPointerCapture(event.pointerId);
    });
    frame.addEventListener("pointermove", (event) => {
      if (!from) return;
      moveBy((event.clientX - from[0]) / frame.clientWidth, (event.clientY - from[1]) / frame.clientHeight);
      from = [event.clientX, event.clientY];
    });
    for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, () => (from = null));
    frame.addEventListener("dblclick", () => (zoom.scale > 1 ? whole() : zoomBy(3)));
  }
  return { stage, images, zoomBy, moveBy, whole };
}

// JODs with intervals, best on top; the table below it says the same in text.
function drawScores(node, scores) {
  if (!scores.length) {
    node.replaceChildren(make("p", { class: "pqa-quiet" }, "The scale of the photos appears here once the votes link them."));
    return;
  }
  const row = 20, left = 66, width = 260, height = row * scores.length + 26;
  const ends = scores.flatMap((s) => [s.low, s.high, s.jod]).filter(Number.isFinite);
  const low = Math.min(-1, ...ends), high = Math.max(1, ...ends);
  const at = (jod) => left + ((Math.max(low, Math.min(high, jod)) - low) / (high - low)) * (width - left - 10);
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "pqa-chart" });
  chart.setAttribute("aria-label", `JODs so far: best is ${scores[0].label} with ${signed(scores[0].jod)}, ` +
    `last is ${scores.at(-1).label} with ${signed(scores.at(-1).jod)}. All values are in the table below.`);
  chart.append(svg("line", { x1: at(0), x2: at(0), y1: 0, y2: height - 24, class: "pqa-zero" }));
  scores.forEach((s, k) => {
    const y = row * k + row / 2;
    chart.append(svg("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, s.label));
    chart.append(svg("line", { x1: at(s.low), x2: at(s.high), y1: y, y2: y, class: "pqa-interval" }));
    chart.append(svg("circle", { cx: at(s.jod), cy: y, r: 4, class: "pqa-dot" }));
  });
  for (const jod of [Math.ceil(low), 0, Math.floor(high)])
    chart.append(svg("text", { x: at(jod), y: height - 8, "text-anchor": "middle", class: "pqa-tick" }, jod ? signed(jod).replace(".00", "") : "0 JOD"));
  const cells = scores.map((s) => make("tr", {}, make("th", { scope: "row" }, s.label), make("td", {}, signed(s.jod)),
    make("td", {}, `${signed(s.low)} to ${signed(s.high)}`)));
  const head = make("tr", {}, ...["photo", "JOD", "95 % interval"].map((text) => make("th", { scope: "col" }, text)));
  const open = node.querySelector("details")?.open;
  const table = make("details", {}, make("summary", {}, "As a table"), make("table", {}, make("thead", {}, head), make("tbody", {}, ...cells)));
  table.open = Boolean(open);
  node.replaceChildren(chart, table);
}

function render({ model, el }) {
  const { stage, images, zoomBy, moveBy, whole } = makeStage();
  const button = (text, hint, act) => {
    const node = make("button", { type: "button", class: "pqa-button" }, text, make("kbd", { "aria-hidden": "true" }, hint));
    node.addEventListener("click", act);
    return node;
  };
  const question = make("p", { class: "pqa-question" });
  const help = make("ul", { class: "pqa-help" }, ...HELP.map(([key, text]) => make("li", {}, make("kbd", {}, key), ` ${text}`)));
  help.hidden = true;
  const first = button("A is better", "1", () => send("first"));
  const tie = button("Equal", "0", () => send("tie"));
  const second = button("B is better", "2", () => send("second"));
  const later = button("Later", "s", () => send("skip"));
  const undo = button("Undo", "u", () => send("undo"));
  const helper = button("Keys", "?", toggleHelp);
  const progress = make("progress", { "aria-label": "Votes given" });
  const count = make("span", { class: "pqa-count" });
  const status = make("p", { class: "pqa-status", role: "status", "aria-live": "polite" });
  const scale = make("div");
  const plot = make("section", { class: "pqa-plot" }, make("p", { class: "pqa-title" }, "JODs so far, with 95 % intervals"), scale);
  const booth = make("div", { class: "pqa-booth" }, question, stage, make("div", { class: "pqa-votes" }, first, tie, second),
    make("div", { class: "pqa-tools" }, later, undo, helper, progress, count), help, status);
  const root = make("div", { class: "pqa-pair", role: "group", tabindex: "0", "data-lm-suppress-shortcuts": "true",
    "aria-label": "Pair comparison. Press 1 if photo A is better, 2 if photo B is better, 0 if they are equal, question mark for help." },
  booth, plot);
  el.append(root);

  let busy = false; // until Python has answered and both photos are on the screen
  let urls = [];

  // aria-disabled, not disabled: a disabled button loses the focus, and the next key would go to the notebook.
  function setBusy(now) {
    busy = now;
    const over = !model.get("turn");
    for (const node of [first, tie, second, later]) node.setAttribute("aria-disabled", String(busy || over));
    undo.setAttribute("aria-disabled", String(busy || model.get("done") === 0));
    root.setAttribute("aria-busy", String(busy));
  }
  function send(action) {
    if (busy || (action === "undo" ? model.get("done") === 0 : !model.get("turn"))) return;
    setBusy(true);
    status.textContent = "Saving …";
    model.set("answer", { action, turn: model.get("turn"), after: model.get("replies") });
    model.save_changes();
  }
  function toggleHelp() {
    help.hidden = !help.hidden;
    helper.setAttribute("aria-expanded", String(!help.hidden));
  }
  async function showPhotos() {
    const turn = model.get("turn");
    const old = urls;
    stage.classList.toggle("pqa-over", !turn);
    urls = turn ? ["left", "right"].map((side) => URL.createObjectURL(new Blob([model.get(side)], { type: "image/jpeg" }))) : [];
    setBusy(true);
    urls.forEach((url, k) => (images[k].src = url));
    await Promise.all(urls.map((_, k) => images[k].decode().catch(() => {})));
    old.forEach((url) => URL.revokeObjectURL(url));
    if (turn === model.get("turn")) setBusy(false);
  }
  function showWords() {
    const [done, goal] = [model.get("done"), model.get("goal")];
    question.textContent = model.get("turn") ? model.get("question") : "Finished: there is no pair left to judge.";
    progress.max = Math.max(goal, 1);
    progress.value = done;
    count.textContent = `${done} of ${goal} votes`;
    status.textContent = model.get("status");
    plot.hidden = !model.get("live");
    drawScores(scale, model.get("scores"));
  }
  let shown = null;
  function update() {
    showWords();
    if (shown !== model.get("turn")) {
      shown = model.get("turn");
      showPhotos();
    } else setBusy(false);
  }

  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.shiftKey && arrow) moveBy(0.1 * arrow[0], 0.1 * arrow[1]);
    else if (event.key in ACTION) event.repeat || send(ACTION[event.key]); // a key held down is one answer
    else if (event.key === "+") zoomBy(1.5);
    else if (event.key === "-") zoomBy(1 / 1.5);
    else if (event.key === "z") whole();
    else if (event.key === "?") toggleHelp();
    else return; // Tab, Escape, Enter, ... keep their meaning
    event.preventDefault();
    event.stopPropagation();
  });
  // A click on a photo or on the margin brings the keys here.
  root.addEventListener("pointerdown", (event) => event.target.closest("button, summary") || root.focus({ preventScroll: true }));

  model.on("change:replies", update);
  update();
  return () => {
    model.off("change:replies", update);
    urls.forEach((url) => URL.revokeObjectURL(url));
  };
}

export default { render };
