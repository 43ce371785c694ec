// Moving devices on a plan: by dragging, and by the arrow keys. A move fills the form of its device and sends it, as a reader
// without JavaScript does.

const overlay = document.querySelector("[data-movable]");
const moving = document.querySelector("[data-moving]");
const hint = document.querySelector("[data-hint]");
if (hint) hint.hidden = false;

const markOf = (id) => document.getElementById(`mark-${id}`);
const within = (number) => Math.round(Math.min(Math.max(number, 0), 100) * 10) / 10;
let held = null; // the mark that is on its way, by its device's number, with its place

function put(id, x, y) {
  const mark = markOf(id);
  mark.hidden = false;
  mark.removeAttribute("hidden");
  mark.setAttribute("x", `${x}%`);
  mark.setAttribute("y", `${y}%`);
  held = { id, x, y };
  if (moving) moving.textContent = overlay.dataset.says.replace("{x}", x).replace("{y}", y);
}

function goBack() {
  if (!held) return;
  const mark = markOf(held.id);
  mark.setAttribute("x", `${mark.dataset.x}%`);
  mark.setAttribute("y", `${mark.dataset.y}%`);
  mark.toggleAttribute("hidden", Boolean(document.querySelector(`[data-tray="${held.id}"]`)));
  held = null;
  if (moving) moving.textContent = "";
}

function send() {
  const form = document.getElementById(`place-${held.id}`);
  const decimal = (1.1).toLocaleString(document.documentElement.lang).charAt(1);
  form.elements.x.value = String(held.x).replace(".", decimal);
  form.elements.y.value = String(held.y).replace(".", decimal);
  held = null;
  form.requestSubmit(form.querySelector("[value=put]"));
}

function placeOf(event) {
  const box = overlay.getBoundingClientRect();
  const x = (100 * (event.clientX - box.left)) / box.width;
  const y = (100 * (event.clientY - box.top)) / box.height;
  return { x: within(x), y: within(y), inside: x >= 0 && x <= 100 && y >= 0 && y <= 100 };
}

// One gesture for marks and for the devices that have no place yet: a few pixels make it a drag.
function follow(start, id, { fromTray }) {
  let dragged = false;
  const move = (event) => {
    if (!dragged && Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) < 4) return;
    dragged = true;
    const { x, y } = placeOf(event);
    put(id, x, y);
    event.preventDefault();
  };
  const done = (event) => {
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", done);
    removeEventListener("pointercancel", done);
    if (!dragged) return;
    const swallow = (click) => { click.preventDefault(); click.stopImmediatePropagation(); }; // a drag ends in no click
    addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => removeEventListener("click", swallow, { capture: true }), 50);
    if (event.type === "pointercancel" || (fromTray && !placeOf(event).inside)) goBack();
    else send();
  };
  addEventListener("pointermove", move);
  addEventListener("pointerup", done);
  addEventListener("pointercancel", done);
}

if (overlay) {
  overlay.addEventListener("dragstart", (event) => event.preventDefault());
  overlay.addEventListener("pointerdown", (event) => {
    const mark = event.target.closest("[data-mark]");
    if (!mark || event.button !== 0) return;
    mark.querySelector("a").focus({ preventScroll: true });
    follow(event, mark.dataset.mark, { fromTray: false });
  });
  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  overlay.addEventListener("keydown", (event) => {
    const mark = event.target.closest("[data-mark]");
    if (!mark) return;
    const id = mark.dataset.mark;
    if (event.key in STEPS) {
      const [right, down] = STEPS[event.key];
      const step = event.shiftKey ? 5 : 0.5;
      const from = held?.id === id ? held : { x: Number(mark.dataset.x), y: Number(mark.dataset.y) };
      put(id, within(from.x + right * step), within(from.y + down * step));
      event.preventDefault();
    } else if (event.key === "Enter" && held?.id === id) {
      event.preventDefault();
      send();
    } else if (event.key === "Escape") {
      goBack();
    }
  });
  overlay.addEventListener("focusout", (event) => {
    if (held && event.target.closest("[data-mark]")?.dataset.mark === held.id) goBack();
  });
  for (const button of document.querySelectorAll("[data-tray]")) {
    button.addEventListener("pointerdown", (event) => {
      if (event.button === 0) follow(event, button.dataset.tray, { fromTray: true });
    });
    button.addEventListener("click", () => {
      put(button.dataset.tray, 50, 50);
      markOf(button.dataset.tray).querySelector("a").focus();
    });
  }
}
