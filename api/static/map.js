// Moving the map: by dragging, by the wheel or two fingers, by keys, and by its buttons, without another page. The server draws
// each part; until it is here, what was drawn last is moved and stretched. Everything works without this, page by page.

const map = document.getElementById("map");
const sheet = map?.querySelector("[data-view]");
const LEAST_ZOOM = 1;
const MOST_ZOOM = 19;
const MOST_LATITUDE = 85;
const WAIT_MS = 180;
const DRAG_PX = 4;
const still = matchMedia("(prefers-reduced-motion: reduce)");

const clamp = (number, low, high) => Math.min(Math.max(number, low), high);

// A view is its middle in the whole world (Web Mercator, each from 0 to 1) and its zoom; sizes are in units of the drawing.
function read(text) {
  const [latitude, longitude, zoom, width, height] = text.split(",").map(Number);
  const sine = Math.sin((latitude * Math.PI) / 180);
  return { x: (longitude + 180) / 360, y: 0.5 - Math.atanh(sine) / (2 * Math.PI), zoom, width, height };
}

const scaleOf = (view) => 256 * 2 ** view.zoom;
const EDGE = read(`${MOST_LATITUDE},0,1,1,1`).y;
const within = (view) => ({
  ...view, x: clamp(view.x, 0, 1), y: clamp(view.y, EDGE, 1 - EDGE), zoom: clamp(view.zoom, LEAST_ZOOM, MOST_ZOOM),
});

function addressOf(view) {
  const latitude = (Math.atan(Math.sinh(Math.PI * (1 - 2 * view.y))) * 180) / Math.PI;
  const address = new URL(location.href);
  address.searchParams.set("at", `${latitude.toFixed(5)},${(360 * view.x - 180).toFixed(5)}`);
  address.searchParams.set("zoom", view.zoom.toFixed(2));
  address.hash = "";
  return address;
}

function begin() {
  let shown = read(sheet.dataset.view); // what is drawn
  let wanted = shown; // what the reader asks for
  let timer = 0;
  let asking = null;

  const unit = () => shown.width / sheet.clientWidth; // of the drawing, in a pixel

  function preview() {
    const scale = scaleOf(wanted) / scaleOf(shown);
    const right = ((shown.x - wanted.x) * scaleOf(wanted) + (shown.width / 2) * (1 - scale)) / unit();
    const down = ((shown.y - wanted.y) * scaleOf(wanted) + (shown.height / 2) * (1 - scale)) / unit();
    const isMoved = Math.abs(right) + Math.abs(down) > 0.01 || Math.abs(scale - 1) > 1e-6;
    for (const part of sheet.children) part.style.transform = isMoved ? `translate(${right}px, ${down}px) scale(${scale})` : "";
  }

  function put(view, { previews = true } = {}) {
    wanted = within(view);
    if (previews) preview();
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS);
  }

  const by = (view, right, down) => ({ ...view, x: view.x + right / scaleOf(view), y: view.y + down / scaleOf(view) });

  // The place below a point of the sheet, in pixels from its corner, stays where it is.
  function zoomed(view, steps, left, top) {
    const zoom = clamp(view.zoom + steps, LEAST_ZOOM, MOST_ZOOM);
    const right = left * unit() - view.width / 2;
    const down = top * unit() - view.height / 2;
    const held = by(view, right, down);
    return by({ ...held, zoom }, -right, -down);
  }

  async function ask() {
    clearTimeout(timer);
    asking?.abort();
    const own = (asking = new AbortController());
    const asked = wanted;
    const address = addressOf(asked);
    try {
      const answer = await fetch(address, { signal: own.signal });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (own.signal.aborted) return;
      if (!answer.ok || answer.redirected || !page.querySelector("[data-view]")) throw new Error("no map");
      take(page, asked);
      history.replaceState(null, "", address);
    } catch (error) {
      if (error.name !== "AbortError") location.assign(address); // the browser shows what is wrong
    }
  }

  // The parts of the page that depend on the place; the element that holds the focus keeps it.
  function take(page, asked) {
    const focused = document.activeElement;
    const name = focused?.dataset?.move;
    const href = sheet.contains(focused) && focused !== sheet ? focused.getAttribute("href") : null;
    const drawn = page.querySelector("[data-view]");
    shown = read(drawn.dataset.view);
    if (wanted === asked) wanted = shown; // an address has fewer digits
    sheet.replaceChildren(...drawn.children);
    for (const part of ["nav.moves", "table thead", ".pager"]) {
      const old = document.querySelector(`.beside ${part}`);
      const next = page.querySelector(`.beside ${part}`);
      if (old && next) old.replaceWith(next);
    }
    if (name) map.querySelector(`[data-move="${name}"]`)?.focus({ preventScroll: true });
    if (href) ([...sheet.querySelectorAll("a")].find((one) => one.getAttribute("href") === href) ?? sheet).focus({ preventScroll: true });
    map.querySelector("[data-says]").textContent = page.querySelector("[data-says]").dataset.says;
    preview(); // the reader may have gone on meanwhile
  }

  // -- by pointer: one drags, two also stretch
  const fingers = new Map();
  let from = null; // what the view was when the fingers were put down, and their middle and distance then
  let dragged = false;

  function gesture() {
    const places = [...fingers.values()];
    const left = places.reduce((sum, one) => sum + one.left, 0) / places.length;
    const top = places.reduce((sum, one) => sum + one.top, 0) / places.length;
    const apart = places.length > 1 ? Math.hypot(places[0].left - places[1].left, places[0].top - places[1].top) : 0;
    return { left, top, apart };
  }

  function placeOf(event) {
    const box = sheet.getBoundingClientRect();
    return { left: event.clientX - box.left, top: event.clientY - box.top };
  }

  sheet.addEventListener("dragstart", (event) => event.preventDefault());
  sheet.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (fingers.size === 0) dragged = false;
    fingers.set(event.pointerId, placeOf(event));
    from = { view: wanted, ...gesture() };
  });
  addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, placeOf(event));
    const now = gesture();
    if (!dragged && fingers.size === 1 && Math.hypot(now.left - from.left, now.top - from.top) < DRAG_PX) return;
    if (!dragged) sheet.classList.add("dragged");
    dragged = true;
    const stretched = from.apart && now.apart ? zoomed(from.view, Math.log2(now.apart / from.apart), from.left, from.top) : from.view;
    put(by(stretched, (from.left - now.left) * unit(), (from.top - now.top) * unit()));
    event.preventDefault();
  });
  const lifted = (event) => {
    if (!fingers.delete(event.pointerId)) return;
    if (fingers.size) {
      from = { view: wanted, ...gesture() };
      return;
    }
    sheet.classList.remove("dragged");
    if (!dragged) return;
    const swallow = (click) => { click.preventDefault(); click.stopImmediatePropagation(); }; // a drag ends in no click
    addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => removeEventListener("click", swallow, { capture: true }), 50);
    ask();
  };
  addEventListener("pointerup", lifted);
  addEventListener("pointercancel", lifted);

  // A wheel alone scrolls the page, as everywhere; it zooms while the map has the focus, or with Ctrl, as pinching does.
  sheet.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && !sheet.contains(document.activeElement)) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 30 : 1;
    const { left, top } = placeOf(event);
    put(zoomed(wanted, clamp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002), -1, 1), left, top), { previews: !still.matches });
  }, { passive: false });

  // -- by keys, and by the buttons, which are links to the same places
  const SIDES = { n: [0, -1], s: [0, 1], w: [-1, 0], e: [1, 0] };
  const LEVELS = { in: 1, out: -1 };
  function stepped(view, name, share) {
    if (name in LEVELS) return { ...view, zoom: view.zoom + LEVELS[name] };
    const [right, down] = SIDES[name];
    return by(view, right * view.width * share, down * view.height * share);
  }
  const KEYS = { ArrowUp: "n", ArrowDown: "s", ArrowLeft: "w", ArrowRight: "e", "+": "in", "=": "in", "-": "out" };
  sheet.addEventListener("keydown", (event) => {
    if (event.target !== sheet || !(event.key in KEYS) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    put(stepped(wanted, KEYS[event.key], 0.25), { previews: !still.matches });
  });
  map.addEventListener("click", (event) => {
    const name = event.target.closest("[data-move]")?.dataset.move;
    if (!name || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    put(stepped(wanted, name, 0.5), { previews: !still.matches });
  });

  sheet.tabIndex = 0;
  sheet.setAttribute("role", "group");
  sheet.setAttribute("aria-label", sheet.dataset.label);
  sheet.setAttribute("aria-describedby", "map-hint");
  sheet.classList.add("movable");
  document.getElementById("map-hint").hidden = false;
}

if (sheet) begin();
