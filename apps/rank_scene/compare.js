// Side by side: the left photo stays, the arrows bring the next challenger; zoom and place are kept.
const booth = element.querySelector(".pq-booth");
const { images, key } = makeStage(booth);
const menus = [...booth.querySelectorAll("select")];
const captions = [...booth.querySelectorAll("figcaption")];
let shown = null;

function show() {
  const photos = (props.value || {}).photos || [];
  menus.forEach((menu, side) => {
    const photo = photos[menu.selectedIndex];
    images[side].src = photo ? photo.src : "";
    images[side].alt = photo ? photo.label : "";
    captions[side].textContent = photo ? photo.label : "";
  });
}
function fill() {
  const photos = (props.value || {}).photos || [];
  const names = photos.map((photo) => photo.label).join("\n");
  if (names === shown) return;
  shown = names;
  menus.forEach((menu, side) => {
    menu.replaceChildren(...photos.map((photo) => new Option(photo.label)));
    menu.selectedIndex = Math.min(side, photos.length - 1);
  });
  show();
}
function step(by) {
  const count = menus[1].options.length;
  if (count < 2) return;
  let next = menus[1].selectedIndex;
  do next = (next + by + count) % count; while (count > 2 && next === menus[0].selectedIndex);
  menus[1].selectedIndex = next;
  show();
}
menus.forEach((menu) => menu.addEventListener("change", show));
booth.querySelector(".pq-swap").addEventListener("click", () => {
  [menus[0].selectedIndex, menus[1].selectedIndex] = [menus[1].selectedIndex, menus[0].selectedIndex];
  show();
});
onKeys(booth, (event) => {
  if (key(event)) return true;
  if (event.key === "ArrowRight") step(1);
  else if (event.key === "ArrowLeft") step(-1);
  else return false;
  return true;
});
watch("value", fill);
fill();
