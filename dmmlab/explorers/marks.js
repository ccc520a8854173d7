// What a circuit that Graphviz drew needs to be clicked: names of its lines and boxes, lines that are easily hit, marks.
// It stands before the scripts that show circuits.
const TITLE = (group) => group.querySelector("a")?.getAttribute("xlink:title") ?? group.querySelector("title")?.textContent ?? "";

function nameAll(root) { // to be called before anything is painted, for painting changes the titles
  for (const edge of root.querySelectorAll("g.edge")) {
    const title = TITLE(edge);
    edge.dataset.name = title.slice(0, title.lastIndexOf(": "));
  }
  for (const node of root.querySelectorAll("g.node")) node.dataset.name = TITLE(node);
}

function widen(edge) { // a line of one point is hard to hit: a wide one on top of it is not, and it shows what is picked
  for (const path of [...edge.querySelectorAll("path")]) {
    const wide = path.cloneNode();
    wide.setAttribute("class", "dmmlab-halo");
    wide.setAttribute("stroke", "transparent");
    wide.setAttribute("stroke-width", "9");
    wide.setAttribute("stroke-dasharray", "none");
    path.parentNode.appendChild(wide);
  }
}

function mark(root, picked, pinned = []) { // a link or a neuron that is picked, links that are pinned
  const held = new Set(pinned);
  for (const group of root.querySelectorAll("g.edge, g.node")) {
    group.classList.toggle("dmmlab-picked", Boolean(picked) && group.dataset.name === picked);
    group.classList.toggle("dmmlab-pinned", held.has(group.dataset.name));
    if ((group.classList.contains("dmmlab-picked") || held.has(group.dataset.name)) && !group.querySelector(".dmmlab-halo"))
      if (group.classList.contains("edge")) widen(group);
  }
}
