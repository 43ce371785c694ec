// What pages gain with JavaScript: live parts, times that move on, charts to point at, filters without a button, copying.
// Everything works without it.

const main = document.getElementById("main");
const language = document.documentElement.lang;

// -- times ------------------------------------------------------------------------------------------------------------
// The page says what time it is in the trial (it may be simulated); from there on the trial's clock runs with the wall.
const offset = Date.parse(main.dataset.now) - Date.now();
const relative = new Intl.RelativeTimeFormat(language, { numeric: "always" });
const UNITS = [["year", 31557600], ["month", 2629800], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function ago(moment) {
  const seconds = (Date.parse(moment) - (Date.now() + offset)) / 1000;
  const [unit, length] = UNITS.find(([, size]) => Math.abs(seconds) >= size * 0.85) ?? ["second", 1];
  return relative.format(Math.round(seconds / length), unit);
}

function moveTimes() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const text = ago(time.dateTime);
    if (time.textContent !== text) time.textContent = text;
  }
}
setInterval(moveTimes, 5000);

// -- live parts -------------------------------------------------------------------------------------------------------
// One stream a page. Each event is HTML whose elements take the place of those with the same id; an element that holds the
// focus waits until it has lost it, so that nobody's place is lost.
const waiting = new Map();

function place(element) {
  const old = document.getElementById(element.id);
  if (!old) {
    const rows = document.getElementById("rows");
    if (rows && element.tagName === "TR" && "grows" in rows.dataset) rows.append(element);
    return;
  }
  if (old.contains(document.activeElement)) {
    waiting.set(element.id, element);
    return;
  }
  old.replaceWith(element);
  element.classList.add("fresh");
}

document.addEventListener("focusout", () => {
  setTimeout(() => {
    for (const [id, element] of waiting) {
      if (!document.getElementById(id)?.contains(document.activeElement)) {
        waiting.delete(id);
        place(element);
      }
    }
  });
});

const live = document.querySelector("[data-live]");
const mark = document.querySelector("[data-live-mark]");

function say(on) {
  if (!mark) return;
  mark.hidden = false;
  mark.classList.toggle("off", !on);
  const words = mark.querySelector("[data-on]");
  const text = on ? words.dataset.on : words.dataset.off;
  if (words.textContent !== text) words.textContent = text;
}

if (live) {
  let source;
  const follow = () => {
    source = new EventSource(live.dataset.live);
    source.addEventListener("open", () => say(true));
    source.addEventListener("error", () => {
      say(false);
      // after an answer such as 503 a browser does not try again by itself
      if (source.readyState === EventSource.CLOSED) setTimeout(follow, 5000 + 10000 * Math.random());
    });
    source.addEventListener("part", (event) => {
      const template = document.createElement("template");
      template.innerHTML = event.data;
      for (const element of [...template.content.children]) place(element);
      moveTimes();
    });
  };
  follow();
  addEventListener("pagehide", () => source.close());
}

// -- filters, copying -------------------------------------------------------------------------------------------------
for (const form of document.querySelectorAll("form[data-submits]")) {
  form.classList.add("submits");
  for (const field of form.elements) {
    if (field.tagName === "SELECT") field.addEventListener("change", () => form.requestSubmit());
  }
  form.addEventListener("submit", () => {
    for (const field of form.elements) field.disabled = Boolean(field.name) && !field.value; // a short address
  });
  addEventListener("pageshow", () => { for (const field of form.elements) field.disabled = false; });
}

for (const text of document.querySelectorAll("pre[data-copy]")) {
  if (!navigator.clipboard) break;
  const button = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: text.dataset.copy });
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = text.dataset.copied;
    setTimeout(() => { button.textContent = text.dataset.copy; }, 2000);
  });
  text.before(button);
}

// -- zoom -------------------------------------------------------------------------------------------------------------
// Dragging over a picture chooses its span: the page is asked for again with other times in its address.
function localTime(ms, zone) {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "short" });
  return format.format(ms).replace(" ", "T");
}

for (const picture of document.querySelectorAll("[data-zoom]")) {
  document.documentElement.classList.add("scripted");
  const { start, end, left, right, zone } = picture.dataset;
  const at = (event) => {
    const box = picture.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * picture.viewBox.baseVal.width;
    return Math.min(Math.max(x, Number(left)), Number(right));
  };
  const moment = (x) => Number(start) + ((x - left) / (right - left)) * (end - start);
  let chosen = null, from = 0;
  const drop = () => { chosen?.remove(); chosen = null; };
  picture.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    drop();
    from = at(event);
    chosen = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    chosen.setAttribute("class", "chosen");
    chosen.setAttribute("y", 0);
    chosen.setAttribute("height", picture.viewBox.baseVal.height);
    picture.append(chosen);
    picture.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  picture.addEventListener("pointermove", (event) => {
    if (!chosen) return;
    const to = at(event);
    chosen.setAttribute("x", Math.min(from, to));
    chosen.setAttribute("width", Math.abs(to - from));
  });
  picture.addEventListener("pointerup", (event) => {
    if (!chosen) return;
    const [low, high] = [from, at(event)].sort((a, b) => a - b);
    drop();
    if (high - low < 8) return;
    const address = new URL(location.href);
    address.searchParams.delete("span");
    address.searchParams.set("from", localTime(moment(low), zone));
    address.searchParams.set("to", localTime(Math.max(moment(high), moment(low) + 600000), zone));
    location.assign(address);
  });
  picture.addEventListener("pointercancel", drop);
  addEventListener("keydown", (event) => { if (event.key === "Escape") drop(); });
}

// -- charts -----------------------------------------------------------------------------------------------------------
const charts = document.querySelector("[data-charts]");

function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  return { ink: read("--ink"), muted: read("--muted"), line: read("--line"), accent: read("--accent"), suspect: read("--late"), fail: read("--silent") };
}

function dressed(spec) {
  const c = colours();
  const named = { suspect: c.suspect, fail: c.fail };
  const copy = structuredClone(spec);
  for (const layer of copy.layer) {
    const scale = layer.encoding?.color?.scale;
    if (scale) scale.range = scale.range.map((name) => named[name] ?? name);
    if (layer.mark.type === "area" || layer.mark.type === "line") layer.mark.color = c.accent;
    if (layer.mark.type === "rule") layer.mark.color = c.muted;
  }
  copy.background = "transparent";
  copy.config = {
    font: getComputedStyle(document.body).fontFamily,
    view: { stroke: null },
    axis: { labelColor: c.muted, gridColor: c.line, domainColor: c.line, tickColor: c.line, labelFontSize: 12, titleColor: c.muted },
  };
  return copy;
}

async function draw() {
  const { vegaEmbed } = await import(charts.dataset.charts);
  const locale = JSON.parse(charts.dataset.locale);
  const options = {
    ast: true, actions: false, defaultStyle: false, renderer: "canvas", formatLocale: locale.number, timeFormatLocale: locale.time,
    tooltip: { disableDefaultStyle: true, theme: "insitu" },
  };
  for (const figure of charts.querySelectorAll("[data-chart]")) {
    const source = figure.querySelector("[data-spec]");
    if (!source) continue;
    const target = figure.querySelector(".vega");
    target.hidden = false;
    await vegaEmbed(target, dressed(JSON.parse(source.textContent)), options);
    figure.querySelector(".drawing").setAttribute("hidden", "");
    target.querySelector("canvas")?.setAttribute("aria-label", figure.querySelector(".drawing").getAttribute("aria-label"));
  }
}

if (charts) {
  const again = () => draw().catch(() => {
    for (const target of charts.querySelectorAll(".vega")) target.hidden = true;
    for (const drawing of charts.querySelectorAll(".drawing")) drawing.removeAttribute("hidden");
  });
  again();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
}
