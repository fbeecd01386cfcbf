// Blind voting: two photos without names, one answer a key. Python decides what is shown.
const ACTION = { 1: "first", ArrowLeft: "first", 2: "second", ArrowRight: "second", 0: "tie", " ": "tie", u: "undo", s: "skip" };
const booth = element.querySelector(".pq-booth");
const { images, key } = makeStage(booth);
const status = booth.querySelector(".pq-status");
const count = booth.querySelector(".pq-count");
const progress = booth.querySelector("progress");
const buttons = [...booth.querySelectorAll("[data-answer]")];
let busy = false, wake = null;

function setBusy(now) {
  busy = now;
  clearTimeout(wake);
  if (now) wake = setTimeout(() => setBusy(false), 8000); // an answer that never came must not lock the booth
  const turn = (props.value || {}).turn;
  for (const button of buttons) {
    const able = button.dataset.answer === "undo" ? (props.value || {}).done > 0 : Boolean(turn);
    button.setAttribute("aria-disabled", String(busy || !able)); // `disabled` would lose the focus, and with it the keys
  }
}
function send(answer) {
  const value = props.value || {};
  if (busy || (answer === "undo" ? !(value.done > 0) : !value.turn)) return;
  setBusy(true);
  trigger("vote", { answer, turn: value.turn || "" });
}
function show() {
  const value = props.value || {};
  booth.classList.toggle("pq-over", !value.turn);
  ["left", "right"].forEach((side, k) => {
    if (value[side]) images[k].src = value[side];
    else images[k].removeAttribute("src");
  });
  progress.max = Math.max(value.goal || 0, 1);
  progress.value = value.done || 0;
  count.textContent = value.goal ? `${value.done} of ${value.goal} votes` : "";
  status.textContent = value.status || "";
  setBusy(false);
}
buttons.forEach((button) => button.addEventListener("click", () => send(button.dataset.answer)));
onKeys(booth, (event) => {
  if (event.target.closest("button") && (event.key === " " || event.key === "Enter")) return false;
  if (!event.shiftKey && event.key in ACTION) {
    if (!event.repeat) send(ACTION[event.key]); // a key held down is one answer
    return true;
  }
  return key(event);
});
watch("value", show);
show();
