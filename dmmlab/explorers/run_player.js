// A recorded run that one steps through: the circuit with what flows on it, the string, the answers, a line for each neuron.
// In a notebook Python gives the run and follows the cycle; in a page the run stands beside this script (see playHere below).
const LONGEST = 200, TICK = 350;

// Numbers and V-values as text: as Python's "g" format, and as show() and brief() of dmmlab write them.
function general(x, digits) {
  if (x === 0) return "0";
  const [mantissa, exponent] = x.toExponential(digits - 1).split("e");
  const power = Number(exponent);
  if (power >= -4 && power < digits) return String(Number(x.toPrecision(digits)));
  return `${Number(mantissa)}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}
const show = (v) => Array.isArray(v) ? `{${v.map(([key, part]) => `${key}: ${show(part)}`).join(", ")}}` : general(v, 4);
const scaled = (w, v) => Array.isArray(v) ? v.map(([key, part]) => [key, scaled(w, part)]) : w * v;
const short = (text) => text.length <= LONGEST ? text : text.slice(0, LONGEST - 1) + "…";
function* leaves(v, path = []) {
  if (!Array.isArray(v)) yield [path, v];
  else for (const [key, part] of v) yield* leaves(part, key === ":number" ? path : [...path, key]);
}
function brief(v) {
  const found = [...leaves(v)].filter(([, leaf]) => leaf !== 0);
  if (!found.length) return "";
  const [path, leaf] = found[0], keys = path.join(" ");
  const name = path.length ? `${keys.length <= 8 ? keys : keys.slice(0, 7) + "…"} ` : "";
  return `${name}${general(leaf, 3)}${found.length > 1 ? " …" : ""}`;
}

const BODY = `
<div class="dmmlab-body dmmlab-run">
  <div class="dmmlab-seen">
    <div class="dmmlab-picture"></div>
    <div class="dmmlab-detail" aria-live="polite"></div>
    <small class="dmmlab-legend">Below a weight: what flows. Blue: positive weight. Ochre, with a ring: negative. Red: hard.
      Faint: nothing flows in this cycle. Grey: cannot influence the output.</small>
  </div>
  <div class="dmmlab-side">
    <div class="dmmlab-transport">
      <button data-go="first" title="to the first cycle">|‹</button><button data-go="back" title="one cycle back">‹</button>
      <button data-go="play" class="dmmlab-play">▶ play</button>
      <button data-go="on" title="one cycle on">›</button><button data-go="last" title="to the last cycle">›|</button>
      <output></output><label>cycle <input type="range" step="1"></label>
    </div>
    <div class="dmmlab-string"></div>
    <div class="dmmlab-more"><div class="dmmlab-curves"></div><div class="dmmlab-lines"></div></div>
  </div>
</div>`;

function element(tag, kind, text) {
  const made = document.createElement(tag);
  made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

class Player {
  constructor(el, changed, picked) {
    el.innerHTML = BODY;
    this.el = el;
    this.changed = changed;
    this.find = (name) => el.querySelector(name);
    this.range = this.find("input");
    // JupyterLab has shortcuts for arrows, space and enter, and looks for this mark where the focus is.
    el.querySelectorAll("input, button").forEach((knob) => knob.setAttribute("data-lm-suppress-shortcuts", "true"));
    this.picked = "";
    this.range.addEventListener("input", () => this.go(Number(this.range.value)));
    this.range.addEventListener("keydown", (event) => { // "End goes to the end", whatever the browser does
      if (event.key === "End" || event.key === "Home") {
        event.preventDefault();
        this.go(event.key === "End" ? this.last : this.run.first);
      }
    });
    el.addEventListener("click", (event) => {
      const button = event.target.closest("[data-go]"), group = event.target.closest("g.edge, g.node");
      const place = event.target.closest("[data-left]");
      if (button) this.press(button.dataset.go);
      if (group) {
        event.preventDefault();
        picked(group.dataset.name === this.picked ? "" : group.dataset.name);
      }
      if (place && this.run) {
        const box = place.getBoundingClientRect(), [left, right] = [Number(place.dataset.left), Number(place.dataset.right)];
        const x = (event.clientX - box.left) / box.width * place.viewBox.baseVal.width;
        const t = Math.floor((x - left) / (right - left) * this.spans(place));
        this.go(t + (place.closest(".dmmlab-curves") ? 0 : this.run.first));
      }
    });
  }

  get last() { return this.run.first + this.run.cycles - 1; }
  spans(place) { return place.closest(".dmmlab-curves") ? this.run.whole : this.run.cycles; }

  load(run, t) {
    this.run = run;
    const picture = this.find(".dmmlab-picture");
    picture.innerHTML = run.svg;
    nameAll(picture);
    this.edges = new Map([...picture.querySelectorAll("g.edge")].map((edge) => [edge.dataset.name, edge]));
    this.nodes = new Map([...picture.querySelectorAll("g.node")].map((node) => [node.dataset.name, node]));
    this.strokes = new Map([...this.edges].map(([name, edge]) =>
      [name, [...edge.querySelectorAll("a > *")].filter((shape) => shape.tagName !== "text")]));
    if (this.edges.size <= 200) this.edges.forEach(widen);
    this.find(".dmmlab-curves").innerHTML = run.curves;
    this.now = this.find("[data-now]");
    this.future = this.find("[data-future]");
    this.range.min = run.first;
    this.range.max = this.last;
    this.drawString();
    this.drawLines();
    mark(this.el, this.picked);
    this.go(t, false);
  }

  drawString() { // one letter after the other; what comes again, and again, is faint
    const box = this.find(".dmmlab-string");
    box.replaceChildren(...this.run.items.map(([, text, again]) => element("span", again ? "dmmlab-again" : "", text)));
    box.append(element("span", "dmmlab-over", ""));
  }

  drawLines() { // a line for each output: what it emits in every cycle
    const { run } = this, rows = [];
    for (const port of run.ports) {
      if (port.side !== "out" || !this.nodes.has(port.neuron)) continue;
      const values = port.at.slice(1).map((i) => run.values[i]);
      const plain = values.every(([v]) => !Array.isArray(v)), sizes = values.map(([v, size]) => plain ? v : size);
      const low = Math.min(0, ...sizes), high = Math.max(low + 1e-9, ...sizes, low === 0 ? 0 : low), y = (x) => 19 - 18 * (x - low) / (high - low);
      const path = sizes.map((x, i) => `${i ? "V" : `M0,`}${y(x).toFixed(1)}H${i + 1}`).join("");
      const row = element("div", "dmmlab-line");
      row.dataset.neuron = port.neuron;
      row.innerHTML = `<span></span><svg viewBox="0 0 ${run.cycles} 20" preserveAspectRatio="none" data-left="0"
        data-right="${run.cycles}"><path d="M0,${y(0).toFixed(1)}H${run.cycles}" class="dmmlab-zero"/><path d="${path}"/>
        <line y1="0" y2="20"/></svg><code></code>`;
      row.firstChild.textContent = row.firstChild.title = `${port.neuron}.${port.field}`;
      rows.push({ row, port, line: row.querySelector("line"), text: row.querySelector("code") });
    }
    this.rows = rows;
    this.find(".dmmlab-lines").replaceChildren(...rows.map(({ row }) => row));
  }

  value(port, t) { return this.run.values[port.at[t - this.run.first + 1]]; }

  go(t, tell = true) {
    if (!this.run) return;
    t = Math.min(Math.max(this.run.first, t), this.last);
    this.t = t;
    this.range.value = t;
    this.find("output").textContent = `${t} of ${this.last}`;
    this.paint(t);
    this.place(t);
    for (const { port, line, text } of this.rows) {
      const x = t - this.run.first + 0.5;
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
      text.textContent = text.title = short(show(this.value(port, t)[0]));
    }
    this.explain();
    this.el.dataset.cycle = String(t);
    if (tell) this.changed(t);
  }

  paint(t) { // what flows on a link: its weight times what was emitted a cycle before
    for (const link of this.run.links) {
      const edge = this.edges.get(link.name);
      if (!edge) continue;
      const [v, size] = this.value(this.run.ports[link.from], t - 1), flow = scaled(link.weight, v);
      const norm = Math.abs(link.weight) * size;
      link.tip = short(`${link.name}: ${show(flow)}`);
      edge.querySelectorAll("a").forEach((anchor) => anchor.setAttribute("xlink:title", link.tip));
      const label = this.run.labelled && [...edge.querySelectorAll("text")].at(-1);
      if (label) label.textContent = brief(flow);
      if (!link.colours) continue; // it cannot matter, and stays grey
      const colour = link.colours[norm ? 1 : 0], width = norm ? 1 + Math.min(4, 1.3 * Math.log1p(norm)) : 0.8;
      for (const shape of this.strokes.get(link.name)) {
        shape.setAttribute("stroke", colour);
        if (shape.getAttribute("fill") && shape.getAttribute("fill") !== "none") shape.setAttribute("fill", colour);
        if (shape.tagName === "path") shape.setAttribute("stroke-width", width.toFixed(2));
      }
    }
    for (const node of this.find(".dmmlab-picture").querySelectorAll("g.node"))
      node.querySelector("a")?.setAttribute("xlink:title", short(this.about(node.dataset.name, t)));
  }

  about(name, t) {
    const told = (side) => this.run.ports
      .filter((port) => port.neuron === name && port.side === side)
      .map((port) => [port.field, this.value(port, t)[0]])
      .filter(([, v]) => Array.isArray(v) || v !== 0)
      .map(([field, v]) => `${field} = ${show(v)}`).join(", ") || "nothing";
    return `${name}: ${told("in")} → ${told("out")}`;
  }

  place(t) { // the cursor: in the string, and in the curves
    const { items, whole } = this.run, marks = [...this.find(".dmmlab-string").children];
    let at = -1;
    items.forEach(([cycle], i) => { if (cycle <= t) at = i; });
    const gap = items.length > 1 ? items[1][0] - items[0][0] : 1;
    const over = items.length > 0 && t >= items.at(-1)[0] + gap;
    marks.forEach((span, i) => {
      span.classList.toggle("dmmlab-here", i === at && !over);
      span.classList.toggle("dmmlab-read", i === at && !over && items[i][0] < t); // it was read, and is being worked on
    });
    marks.at(-1).textContent = over ? " the string is over" : "";
    const box = this.find(".dmmlab-string"), here = over ? marks.at(-1) : marks[Math.max(0, at)];
    if (here) box.scrollLeft = here.offsetLeft - box.offsetLeft - box.clientWidth / 2;
    if (!this.now) return;
    const svg = this.now.closest("svg"), left = Number(svg.dataset.left), step = (Number(svg.dataset.right) - left) / whole;
    for (const side of ["x1", "x2"]) this.now.setAttribute(side, (left + (t + 0.5) * step).toFixed(1));
    this.future.setAttribute("x", (left + (t + 1) * step).toFixed(1));
    this.future.setAttribute("width", Math.max(0, svg.viewBox.baseVal.width - left - (t + 1) * step).toFixed(1));
  }

  pick(name) {
    this.picked = name;
    mark(this.el, name);
    for (const { row, port } of this.rows ?? []) {
      const marked = port.neuron === name || name.endsWith(` <- ${port.neuron}.${port.field}`);
      row.classList.toggle("dmmlab-picked", marked);
      if (marked) row.parentNode.parentNode.scrollTop = row.offsetTop - row.parentNode.offsetTop;
    }
    this.explain();
  }

  explain() {
    const link = this.run?.links.find((each) => each.name === this.picked);
    const text = link ? `${link.tip}  (weight ${general(link.weight, 4)}${link.colours ? "" : "; it cannot influence the output"})`
      : this.nodes?.has(this.picked) ? this.about(this.picked, this.t) : "Click a link or a neuron: here stands what flows there.";
    this.find(".dmmlab-detail").textContent = text;
  }

  press(what) {
    const steps = { first: this.run?.first, back: this.t - 1, on: this.t + 1, last: this.run && this.last };
    if (what !== "play") this.pause();
    else if (this.timer) return this.pause();
    else return this.play();
    this.go(steps[what]);
  }

  play() {
    if (this.t >= this.last) this.go(this.run.first);
    this.timer = setInterval(() => this.t < this.last && this.el.isConnected ? this.go(this.t + 1) : this.pause(), TICK);
    this.find(".dmmlab-play").textContent = "❚❚ pause";
  }

  pause() {
    clearInterval(this.timer);
    this.timer = undefined;
    this.find(".dmmlab-play").textContent = "▶ play";
  }
}

async function unpacked(bytes) {
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

function render({ model, el }) { // in a notebook
  const save = (name, value) => {
    model.set(name, value);
    try { model.save_changes(); } catch { /* the kernel has ended: the run can be stepped through all the same */ }
  };
  const player = new Player(el, (t) => save("cycle", t), (name) => save("picked", name));
  let latest = 0;
  const load = async () => {
    const mine = ++latest, packed = model.get("packed");
    if (!packed?.byteLength) return;
    const run = await unpacked(packed);
    if (mine === latest) player.load(run, model.get("cycle"));
  };
  model.on("change:packed", load);
  model.on("change:cycle", () => { if (model.get("cycle") !== player.t) player.go(model.get("cycle"), false); });
  model.on("change:picked", () => player.pick(model.get("picked")));
  load();
  return () => player.pause();
}

// In a page without a kernel: the still picture that stands there gives way to the run, which stands in a data attribute.
// It does so when it comes near, which it never does beside an explorer that is alive, for then it is hidden.
function playHere(id) {
  const still = document.getElementById(id), box = still?.querySelector("[data-run]");
  if (!box || box.dataset.near || typeof DecompressionStream === "undefined") return;
  box.dataset.near = "not yet";
  const near = new IntersectionObserver(async ([{ isIntersecting }]) => {
    if (!isIntersecting) return;
    near.disconnect();
    const run = await unpacked(Uint8Array.from(atob(box.dataset.run), (c) => c.charCodeAt(0)));
    const player = new Player(box, () => {}, (name) => player.pick(name));
    player.load(run, Number(box.dataset.cycle));
    still.classList.add("dmmlab-plays");
  }, { rootMargin: "800px" });
  near.observe(still);
}

export default { render };
