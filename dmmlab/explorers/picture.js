// A picture that can be clicked. Python gets the name of the link that was picked, and says which is marked.
// In an editor, a click on a link brings its slider, and a slider that is touched marks its link.
function sliderOf(el, name) {
  const labels = el.closest(".dmmlab-explorer")?.querySelectorAll(".dmmlab-sliders .widget-label") ?? [];
  return [...labels].find((label) => label.textContent === name)?.closest(".widget-slider");
}

function render({ model, el }) {
  el.classList.add("dmmlab-picture");
  let latest = 0;
  const show = () => {
    const picked = model.get("picked");
    mark(el, picked, model.get("pinned"));
    const slider = sliderOf(el, picked), list = slider?.closest(".dmmlab-sliders");
    list?.querySelectorAll(".dmmlab-picked").forEach((row) => row.classList.remove("dmmlab-picked"));
    slider?.classList.add("dmmlab-picked");
  };
  const draw = async () => {
    const mine = ++latest, packed = model.get("packed");
    if (!packed?.byteLength) return;
    const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const svg = await new Response(unpacked).text();
    if (mine !== latest) return; // a newer picture was quicker
    el.innerHTML = svg;
    nameAll(el);
    const edges = el.querySelectorAll("g.edge");
    if (edges.length <= 200) edges.forEach(widen);
    show();
    el.dataset.painted = String(Number(el.dataset.painted ?? 0) + 1);
  };
  const pick = (name) => {
    model.set("picked", name);
    model.save_changes();
  };
  el.addEventListener("click", (event) => {
    const group = event.target.closest("g.edge"), node = event.target.closest("g.node");
    if (node) model.send({ neuron: node.dataset.name });
    if (!group) return;
    event.preventDefault();
    const name = group.dataset.name, slider = sliderOf(el, name);
    if (slider) {
      const list = slider.closest(".dmmlab-sliders"), gap = (list.clientHeight - slider.clientHeight) / 2;
      list.scrollTop += slider.getBoundingClientRect().top - list.getBoundingClientRect().top - gap;
      slider.querySelector(".noUi-handle")?.focus({ preventScroll: true });
      pick(name);
    }
    model.send({ picked: name });
  });
  const touched = (event) => {
    const slider = event.target.closest?.(".dmmlab-sliders .widget-slider");
    const name = slider?.querySelector(".widget-label")?.textContent;
    if (name && name !== model.get("picked")) pick(name);
  };
  // The explorer is built around its picture, so it is there only after it.
  const wait = requestAnimationFrame(() => {
    for (const kind of ["focusin", "pointerdown"]) el.closest(".dmmlab-explorer")?.addEventListener(kind, touched);
  });
  model.on("change:packed", draw);
  model.on("change:picked", show);
  model.on("change:pinned", show);
  draw();
  return () => cancelAnimationFrame(wait);
}

function initialize({ model }) { // what a click did is here; moves of knobs that were on their way before are there by then
  model.on("msg:custom", (said) => said.seen && model.send(said));
}

export default { initialize, render };
