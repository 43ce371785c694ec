// A screen that stays open for days: asks for its board again and again, and says since when it cannot.
// Nothing is kept from one answer to the next, so that a month takes as much memory as a minute.

const main = document.getElementById("main");
const link = document.getElementById("link");
const clock = document.getElementById("clock");
const every = Number(main.dataset.every) * 1000;
const PATIENCE = 3.5 * every; // a restart of the server stays unseen
const REST_AFTER_END = 60_000;
const DAY = 86_400_000;

const opened = Date.now();
let offset = Date.parse(main.dataset.now) - opened; // the trial's clock, which may be simulated
let heard = opened;
let state = "on";

const hours = new Intl.DateTimeFormat(document.documentElement.lang, { timeZone: main.dataset.zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

function show(next) {
  if (next === state) return;
  state = next;
  document.body.classList.toggle("cut", next === "cut");
  document.body.classList.toggle("ended", next === "ended");
  link.textContent = next === "on" ? "" : link.dataset[next].replace("{time}", hours.format(heard + offset));
}

function tick() {
  const now = Date.now();
  clock.textContent = hours.format(now + offset);
  if (state === "on" && now - heard > PATIENCE) show("cut");
}

// On a wide screen nobody scrolls: the last of a list that do not fit are counted instead.
const overflows = () => document.documentElement.scrollHeight > innerHeight;

function shorten(id, least) {
  const list = document.getElementById(id);
  if (!list) return;
  const more = document.getElementById(`${id}-more`);
  const all = [...list.children].filter((one) => one !== more);
  let left = all.filter((one) => !one.hidden).length;
  const write = () => {
    const rest = Number(list.dataset.rest) + all.length - left;
    more.hidden = rest === 0;
    more.textContent = more.dataset.more.replace("{n}", rest);
  };
  while (left > least && overflows()) {
    left -= 1;
    all[left].hidden = true;
    write();
  }
  write();
}

function fit() {
  for (const one of document.querySelectorAll("#tiles > li, #places > li")) one.hidden = false;
  const isWide = innerWidth >= 700;
  shorten("places", isWide ? 6 : Infinity);
  shorten("tiles", isWide ? 1 : Infinity);
  shorten("places", isWide ? 0 : Infinity);
}

function take(text) {
  const template = document.createElement("template");
  template.innerHTML = text;
  const board = template.content.querySelector("#board");
  if (!board) return false;
  const old = document.getElementById("board");
  const isNew = board.dataset.version !== old.dataset.version; // the server was replaced by a newer one
  heard = Date.now();
  offset = Date.parse(board.dataset.now) - heard;
  old.replaceWith(board);
  fit();
  if (isNew || heard - opened > DAY) location.reload(); // the server answers, so there is a page to read
  return true;
}

async function ask() {
  try {
    const answer = await fetch(main.dataset.wall, { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(every) });
    if (answer.ok && take(await answer.text())) show("on");
    else if (answer.type === "opaqueredirect" || [401, 403, 404].includes(answer.status)) show("ended");
  } catch {
    // no server, or no network: the clock says since when
  }
  setTimeout(ask, state === "ended" ? REST_AFTER_END : every);
}

setInterval(tick, 1000);
addEventListener("resize", fit);
tick();
fit();
setTimeout(ask, every);
