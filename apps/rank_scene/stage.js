// Two photos, one zoom: what is done to one happens to both. Put in front of compare.js and vote.js.
const MAX_ZOOM = 12;

function makeStage(booth) {
  const frames = [...booth.querySelectorAll(".pq-frame")];
  const images = frames.map((frame) => frame.querySelector("img"));
  const zoom = { scale: 1, x: 0, y: 0 }; // x, y: shift of the centre, in frame widths and heights

  function apply() {
    const limit = (zoom.scale - 1) / 2;
    zoom.x = Math.max(-limit, Math.min(limit, zoom.x));
    zoom.y = Math.max(-limit, Math.min(limit, zoom.y));
    for (const image of images) image.style.transform = `translate(${100 * zoom.x}%, ${100 * zoom.y}%) scale(${zoom.scale})`;
    booth.classList.toggle("pq-zoomed", zoom.scale > 1);
    booth.dataset.zoom = zoom.scale.toFixed(2);
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
  const place = (frame, event) => {
    const box = frame.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width - 0.5, (event.clientY - box.top) / box.height - 0.5];
  };
  for (const frame of frames) {
    let from = null;
    frame.addEventListener("wheel", (event) => {
      if (!booth.contains(document.activeElement)) return; // a page that is scrolled past stays a page
      event.preventDefault();
      zoomBy(Math.exp(-0.002 * event.deltaY), ...place(frame, event));
    }, { passive: false });
    frame.addEventListener("pointerdown", (event) => {
      from = [event.clientX, event.clientY];
      frame.setPointerCapture(event.pointerId);
      booth.focus({ preventScroll: true });
    });
    frame.addEventListener("pointermove", (event) => {
      if (!from) return;
      moveBy((event.clientX - from[0]) / frame.clientWidth, (event.clientY - from[1]) / frame.clientHeight);
      from = [event.clientX, event.clientY];
    });
    for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, () => (from = null));
    frame.addEventListener("dblclick", (event) => (zoom.scale > 1 ? whole() : zoomBy(3, ...place(frame, event))));
  }
  booth.querySelector(".pq-in").addEventListener("click", () => zoomBy(1.5));
  booth.querySelector(".pq-out").addEventListener("click", () => zoomBy(1 / 1.5));
  booth.querySelector(".pq-whole").addEventListener("click", whole);

  // True if the key was one of the stage's own.
  function key(event) {
    const arrow = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.shiftKey && arrow) moveBy(0.1 * arrow[0], 0.1 * arrow[1]);
    else if (event.key === "+") zoomBy(1.5);
    else if (event.key === "-") zoomBy(1 / 1.5);
    else if (event.key === "z") zoom.scale > 1 ? whole() : zoomBy(3);
    else return false;
    return true;
  }
  return { images, whole, key };
}

// Keys of the booth itself; those of a menu or a field inside it keep their meaning.
function onKeys(booth, act) {
  booth.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, input")) return;
    if (!act(event)) return;
    event.preventDefault();
    event.stopPropagation();
  });
}
