// The view: a list of experiments, one experiment as it grows, one trial played. Foreign text is only ever set as text.

const main = document.getElementById("main");
const said = document.getElementById("status");
const SHOWN = 300;
const EVERY_MS = 1000;
const SPEEDS = [0.25, 0.5, 1, 2, 5, 10, 100];
let leave = () => {};

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined).map(node));
  return made;
}

function node(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

function table(head, rows) {
  const cells = (row, name) => row.map((cell, column) => {
    const number = head[column].number ? "number" : null;
    return element(name, { class: number, scope: name === "th" ? "col" : null }, cell);
  });
  return element("table", {},
    element("thead", {}, element("tr", {}, cells(head.map((column) => column.title), "th"))),
    element("tbody", {}, rows.map((row) => element("tr", {}, cells(row, "td")))));
}

const outcome = (word) => element("span", { class: word }, word || "–");
const count = (number) => (number === null ? "–" : number.toLocaleString("en"));
const dollars = (amount) => (amount === null ? "–" : `$${amount.toFixed(6)}`);
const seconds = (time) => (time === null ? "–" : `${time.toFixed(3)} s`);
const link = (text, ...parts) => element("a", { href: `#/${parts.map(encodeURIComponent).join("/")}` }, text);

// The report's own address of a trial.
const inReport = (id, parts) => `/experiments/${encodeURIComponent(id)}/report#/case/${parts.map(encodeURIComponent).join("/")}`;

async function asked(path, tag) {
  const answer = await fetch(path, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
  if (answer.status === 304) return { same: true, tag };
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.problem || `HTTP ${answer.status}`);
  return { value, tag: answer.headers.get("ETag") };
}

// Asks again and again until the page goes elsewhere; `once` says when to ask next, in milliseconds, or null for never.
function repeatedly(once) {
  let timer = null;
  let over = false;
  const again = async () => {
    let next = EVERY_MS;
    try {
      next = await once();
      if (!over && said.dataset.problem) { said.textContent = ""; delete said.dataset.problem; }
    } catch (problem) {
      if (!over) { said.textContent = problem instanceof TypeError ? "the server is gone" : problem.message; said.dataset.problem = "yes"; }
    }
    if (!over && next !== null) timer = setTimeout(again, next);
  };
  again();
  return () => { over = true; clearTimeout(timer); };
}

function index() {
  let tag = null;
  const place = element("div");
  main.replaceChildren(element("h1", {}, "Experiments"), place);
  return repeatedly(async () => {
    const found = await asked("/api/experiments", tag);
    tag = found.tag;
    if (found.same) return EVERY_MS;
    const rows = found.value.experiments.map((one) => one.problem
      ? [one.id, "", element("span", { class: "error" }, one.problem), "", "", ""]
      : [link(one.id, one.id), one.started_at, one.status, outcome(one.verdict), count(one.trials), one.suites.join(", ")]);
    const head = ["experiment", "started", "status", "verdict", "trials", "suites"].map((title) => ({ title, number: title === "trials" }));
    place.replaceChildren(rows.length ? table(head, rows) : element("p", {}, "There are none yet. Run: harness run"));
    return EVERY_MS;
  });
}

function experiment(id) {
  const state = { rows: [], generation: 0, tag: null, shown: SHOWN };
  const head = element("div");
  const place = element("div");
  const filter = element("input", { type: "search", "aria-label": "Filter by case, suite or reason", placeholder: "filter", oninput: () => draw() });
  const only = element("select", { "aria-label": "Outcome", onchange: () => draw() },
    ["all", "pass", "fail", "error", "stale", "unscored"].map((word) => element("option", { value: word }, word)));
  main.replaceChildren(head, element("div", { class: "controls" }, filter, only), place);

  function draw() {
    const wanted = filter.value.toLowerCase();
    const fits = (row) => (only.value === "all" || row.outcome === only.value)
      && (!wanted || `${row.case} ${row.suite} ${row.reason}`.toLowerCase().includes(wanted));
    const numbers = state.rows.map((_, number) => number).filter((number) => fits(state.rows[number]));
    const rows = numbers.slice(0, state.shown).map((number) => {
      const row = state.rows[number];
      const name = row.repeat === 1 ? row.case : `${row.case} (${row.repeat})`;
      return [link(name, id, String(number)), row.suite, outcome(row.outcome), count(row.tokens), dollars(row.cost_usd), seconds(row.duration_s), row.reason];
    });
    const columns = ["case", "suite", "outcome", "tokens", "cost", "took", "why"];
    const shown = table(columns.map((title) => ({ title, number: ["tokens", "cost", "took"].includes(title) })), rows);
    const left = numbers.length - rows.length;
    const more = element("button", { onclick: () => { state.shown += SHOWN; draw(); } }, `Show ${count(Math.min(left, SHOWN))} of ${count(left)} more`);
    place.replaceChildren(shown, ...(left > 0 ? [more] : []));
  }

  function drawHead(one) {
    const counts = {};
    for (const row of state.rows) counts[row.outcome] = (counts[row.outcome] || 0) + 1;
    const told = Object.entries(counts).map(([word, number]) => element("span", { class: word }, `${count(number)} ${word} `));
    const running = one.status === "running";
    head.replaceChildren(
      element("h1", {}, `${one.id}: `, outcome(running ? "running" : one.verdict || one.status)),
      element("p", {}, `${one.suites.join(", ")}; started ${one.started_at}${one.stopped ? `; ${one.stopped}` : ""}`),
      element("p", {}, `${count(state.rows.length)} of ${count(one.trials)} trials: `, told),
      running
        ? element("progress", { max: one.trials, value: state.rows.length, "aria-label": "trials done" })
        : element("p", {}, element("a", { href: `/experiments/${encodeURIComponent(one.id)}/report` }, "the whole report"), " · choose a case to play it"));
  }

  return repeatedly(async () => {
    const path = `/api/experiments/${encodeURIComponent(id)}?from=${state.rows.length}&generation=${state.generation}`;
    const found = await asked(path, state.tag);
    if (found.same) return EVERY_MS;
    const { rows, from, generation, more } = found.value;
    state.rows.length = from;
    state.rows.push(...rows);
    Object.assign(state, { generation, tag: rows.length ? null : found.tag });
    drawHead(found.value.experiment);
    draw();
    if (more) return 0;
    return found.value.experiment.status === "running" ? EVERY_MS : rows.length ? 0 : null;
  });
}

function player(id, number) {
  let stop = () => {};
  let over = false;
  asked(`/api/experiments/${encodeURIComponent(id)}/trials/${encodeURIComponent(number)}`).then(
    (found) => { if (!over) stop = play(id, found.value); },
    (problem) => { if (!over) main.replaceChildren(element("p", { class: "error" }, problem.message)); });
  return () => { over = true; stop(); };
}

function play(id, trial) {
  const last = trial.moments.length - 1;
  const times = trial.moments.map((moment) => moment.at_s);
  times.forEach((time, number) => { if (time === null) times[number] = number ? times[number - 1] : 0; });
  let now = 0;
  let timer = null;
  const items = trial.moments.map(item);
  const toggle = element("button", { onclick: () => (timer === null ? start() : pause()) }, "Play");
  const slider = element("input", { type: "range", min: 0, max: last, value: 0, "aria-label": "Moment", oninput: () => { pause(); go(Number(slider.value)); } });
  const clock = element("output", { "aria-label": "Time" });
  const speed = element("select", { "aria-label": "Speed" },
    SPEEDS.map((value) => element("option", { value, selected: value === 1 }, `${value} ×`)));
  main.replaceChildren(
    element("p", {}, link(`← ${id}`, id), " · ", element("a", { href: inReport(id, trial.trial) }, "in the report")),
    element("h1", {}, trial.heading[0]),
    ...trial.heading.slice(1).map((text) => element("p", {}, text)),
    ...(trial.reasons.length ? [element("h2", {}, `Why it is ${trial.outcome}`), element("ul", {}, trial.reasons.map((reason) => element("li", {}, reason)))] : []),
    ...(trial.note ? [element("p", {}, trial.note)] : []),
    element("div", { class: "controls" },
      toggle,
      element("button", { onclick: () => { pause(); go(now - 1); } }, "Back"),
      element("button", { onclick: () => { pause(); go(now + 1); } }, "Step"),
      element("button", { onclick: () => { pause(); go(last); } }, "End"),
      speed, slider, clock),
    element("ol", { class: "moments" }, items));

  function item(moment) {
    const inner = ["step", "end"].includes(moment.kind) ? "" : " inner";
    return element("li", { class: `${moment.kind}${inner}${moment.failed ? " failed" : ""}`, hidden: true },
      element("span", { class: "number" }, seconds(moment.at_s)),
      element("div", {}, element("div", { class: "title" }, moment.title),
        moment.texts.length ? element("dl", {}, moment.texts.flatMap(([label, text]) => [element("dt", {}, label), element("dd", {}, text)])) : null));
  }

  function go(number) {
    now = Math.max(0, Math.min(last, number));
    items.forEach((one, index) => { one.hidden = index > now; one.classList.toggle("now", index === now); });
    slider.value = now;
    clock.textContent = `${seconds(times[now])} of ${seconds(times[last])}`;
    items[now].scrollIntoView({ block: "nearest" });
  }

  function start() {
    if (now === last) go(0);
    toggle.textContent = "Pause";
    next();
  }

  function next() {
    if (now >= last) return pause();
    const wait = Math.max(0, times[now + 1] - times[now]) * 1000 / Number(speed.value);
    timer = setTimeout(() => { go(now + 1); next(); }, Math.min(wait, 2 ** 31 - 1));
    return undefined;
  }

  function pause() {
    clearTimeout(timer);
    timer = null;
    toggle.textContent = "Play";
  }

  function onKey(event) {
    if (event.target.closest("button, input, select, a") || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) { event.preventDefault(); pause(); go(now + step); }
    if (event.key === " ") { event.preventDefault(); toggle.click(); }
  }

  addEventListener("keydown", onKey);
  go(0);
  return () => { pause(); removeEventListener("keydown", onKey); };
}

function show() {
  leave();
  said.textContent = "";
  const parts = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map((part) => {
    try { return decodeURIComponent(part); } catch { return part; }
  });
  document.title = ["harness view", ...parts].join(" · ");
  leave = parts.length === 0 ? index() : parts.length === 1 ? experiment(parts[0]) : player(parts[0], parts[1]);
}

addEventListener("hashchange", show);
show();
