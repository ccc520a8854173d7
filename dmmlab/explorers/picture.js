// A picture that can be clicked: an SVG that Graphviz drew. Python gets the name of the link or neuron that was picked.
const NAME = (group) => group.querySelector("a")?.getAttribute("xlink:title") ?? group.querySelector("title")?.textContent ?? "";

function widen(edge) { // a line of one point is hard to hit: an invisible one on top of it is not
  for (const path of [...edge.querySelectorAll("path")]) {
    const wide = path.cloneNode();
    wide.setAttribute("stroke", "transparent");
    wide.setAttribute("stroke-width", "9");
    wide.setAttribute("stroke-dasharray", "none");
    path.parentNode.appendChild(wide);
  }
}

function render({ model, el }) {
  el.classList.add("dmmlab-picture");
  let latest = 0;
  const draw = async () => {
    const mine = ++latest, packed = model.get("packed");
    if (!packed?.byteLength) return;
    const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const svg = await new Response(unpacked).text();
    if (mine !== latest) return; // a newer picture was quicker
    el.innerHTML = svg;
    const edges = el.querySelectorAll("g.edge");
    if (edges.length <= 200) edges.forEach(widen);
    el.dataset.painted = String(Number(el.dataset.painted ?? 0) + 1);
  };
  el.addEventListener("click", (event) => {
    const group = event.target.closest("g.edge");
    if (!group) return;
    event.preventDefault();
    const name = NAME(group);
    model.send({ picked: name.slice(0, name.lastIndexOf(": ")) });
  });
  model.on("change:packed", draw);
  draw();
}

export default { render };
