// Draws what Python shows: a Plotly figure (JSON) or a piece of HTML, with its words below.
// plotly.js comes from Python, gzipped, once a page: no network, and 1.4 MB instead of FigureWidget's 5 MB a figure.
const PATIENCE = 120_000;

async function unpack(buffer) {
  const code = new Blob([buffer]).stream().pipeThrough(new DecompressionStream("gzip"));
  const module = { exports: {} };
  new Function("module", "exports", "define", await new Response(code).text())(module, module.exports, undefined);
  return module.exports;
}

function plotly(model) {
  const ask = (resolve, reject) => {
    const listen = (message, buffers) => {
      if (message.kind !== "plotly") return;
      model.off("msg:custom", listen);
      unpack(buffers[0]).then(resolve, reject);
    };
    model.on("msg:custom", listen);
    model.send({ kind: "plotly" });
    setTimeout(() => reject(new Error("Python did not answer: run the cell again.")), PATIENCE);
  };
  globalThis.pqaPlotly ??= new Promise(ask).catch((error) => {
    globalThis.pqaPlotly = undefined; // a restarted kernel may answer
    throw error;
  });
  return globalThis.pqaPlotly;
}

// JupyterLab would take keys pressed on a slider for its own, and ipywidgets gives a slider's handle no name.
function guard(box) {
  if (!box) return;
  // On each element that takes the focus: JupyterLab looks no further than the first one that its selector matches.
  for (const aim of box.querySelectorAll("button, select, input, [tabindex], [contenteditable]")) {
    aim.setAttribute("data-lm-suppress-shortcuts", "true");
  }
  for (const row of box.querySelectorAll(".widget-inline-hbox")) {
    const name = row.querySelector(".widget-label")?.textContent;
    const aim = row.querySelector("[role=slider], select, input:not([type=checkbox])");
    if (name && aim && !aim.getAttribute("aria-label")) aim.setAttribute("aria-label", name);
  }
}

function render({ model, el }) {
  el.classList.add("pqa-face");
  const drawing = document.createElement("div");
  const words = document.createElement("p");
  words.className = "pqa-words";
  words.setAttribute("aria-live", "polite");
  el.append(drawing, words);
  const draw = async () => {
    words.textContent = model.get("alt");
    if (!model.get("figure")) {
      drawing.innerHTML = model.get("html");
      return;
    }
    drawing.setAttribute("role", "img");
    drawing.setAttribute("aria-label", model.get("alt"));
    try {
      const Plotly = await plotly(model);
      const { data, layout } = JSON.parse(model.get("figure"));
      if (layout.height) drawing.style.minHeight = `${layout.height}px`;
      await Plotly.react(drawing, data, layout, { responsive: true, displayModeBar: false });
      if (drawing.dataset.ready) return;
      drawing.dataset.ready = "true";
      drawing.on("plotly_click", ({ points }) => {
        const { curveNumber: curve, pointNumber: point, customdata = null } = points[0];
        model.set("clicked", { curve, point, customdata, times: (model.get("clicked").times ?? 0) + 1 });
        model.save_changes();
      });
    } catch (error) {
      words.textContent = `${model.get("alt")} (No drawing: ${error.message})`;
    }
  };
  model.on("change:figure change:html change:alt", draw);
  draw();
  const seen = new ResizeObserver(() => guard(el.closest(".pqa-explorer"))); // fires once el is on the page
  seen.observe(el);
  return () => {
    seen.disconnect();
    model.off("change:figure change:html change:alt", draw);
  };
}

export default { render };
