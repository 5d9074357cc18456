// The page of one result: the 3-D view, and the pose that is selected in it, in the table and in the panel beside it.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const byId = (id) => document.getElementById(id);
  const checked = (id) => byId(id)?.checked ?? false;
  const FAR = 5; // Å between two selected poses beyond which the view follows
  const HINT = "point at an atom for its name";
  const RESIDUE_CARBON = "#c9b48a";
  const LABEL = {
    fontSize: 12, fontColor: "#26313a", backgroundColor: "#ffffff", backgroundOpacity: 0.82, borderThickness: 0,
    inFront: true, alignment: "bottomCenter",
  };

  // ---- the 3-D view --------------------------------------------------------------------------------------------
  const carbons = (color) => ({ prop: "elem", map: { ...$3Dmol.elementColors.defaultColors, C: color } });

  // Without a graphics card (remote desktops, virtual machines) twice the resolution would take seconds a picture.
  function hasGraphicsCard() {
    const gl = document.createElement("canvas").getContext("webgl");
    const info = gl?.getExtension("WEBGL_debug_renderer_info");
    return !/swiftshader|llvmpipe|software/i.test(info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : "");
  }

  class View {
    constructor(element) {
      const quality = { antialias: true, upscale: hasGraphicsCard(), cartoonQuality: 6 };
      this.viewer = $3Dmol.createViewer(element, { backgroundColor: "#fbfbfa", ...quality });
      if (!this.viewer) throw new Error("no WebGL");
      this.receptor = this.viewer.addModel(data.receptor, "pdb");
      this.poses = data.poses.map((pose) => (pose.block ? this.viewer.addModel(pose.block, "sdf") : null));
      this.sideChains = data.poses.map((pose) => pose.sideChains && this.viewer.addModel(pose.sideChains, "pdb"));
      this.centers = this.poses.map((model) => model && centroid(model.selectedAtoms({})));
      this.hasLabels = false;
      this.spheres = [];
      this.focus = null;
      this.viewer.setHoverDuration(80);
      this.viewer.setHoverable({}, true, (atom) => this.hover(atom), () => this.unhover());
    }

    draw(selected, shown) {
      const near = data.poses[selected].near.map((index) => data.residues[index]);
      this.drawReceptor(near, this.sideChains[selected]);
      this.poses.forEach((model, index) => model?.setStyle({}, this.poseStyle(index, selected, shown)));
      this.poses.forEach((model) => model?.setStyle({ elem: "H", bondedTo: "C" }, {}));
      this.drawLabels(near);
      this.drawSites();
      this.viewer.render();
    }

    // Residues that moved with the selected pose are drawn as they lie around it, all others as the receptor has them.
    drawReceptor(near, moved) {
      const isShown = checked("show-protein");
      this.receptor.setStyle({}, isShown ? { cartoon: { color: "#dde5ea", opacity: 0.95, thickness: 0.3 } } : {});
      this.receptor.setStyle({ hetflag: true }, { stick: { radius: 0.14, colorscheme: carbons("#9aa7b1") } }, true);
      for (const atom of this.receptor.selectedAtoms({ hetflag: true })) {
        if (atom.bonds.length === 0) this.receptor.setStyle({ index: atom.index }, { sphere: { radius: 0.8 } });
      }
      this.sideChains.forEach((model) => model?.setStyle({}, {}));
      if (!checked("show-residues")) return;
      const style = { stick: { radius: 0.12, colorscheme: carbons(RESIDUE_CARBON) } };
      for (const residue of near) {
        const isMoved = moved?.selectedAtoms(residueAtoms(residue)).length > 0;
        (isMoved ? moved : this.receptor).setStyle(residueAtoms(residue), style, true);
      }
    }

    poseStyle(index, selected, shown) {
      const { color } = data.poses[index];
      if (index === selected) return { stick: { radius: 0.2, colorscheme: carbons(color) } };
      if (shown === "modes" && isBestOfMode(index)) return { stick: { radius: 0.11, colorscheme: carbons(color) } };
      return shown === "all" ? { stick: { radius: 0.045, color, opacity: 0.75 } } : {};
    }

    drawLabels(near) {
      this.unhover();
      if (this.hasLabels) this.viewer.removeAllLabels();
      this.hasLabels = checked("show-labels");
      if (!this.hasLabels) return;
      for (const residue of near) {
        const atoms = this.receptor.selectedAtoms(residueAtoms(residue));
        const anchor = atoms.find((atom) => atom.atom === "CB") ?? atoms.find((atom) => atom.atom === "CA") ?? atoms[0];
        this.viewer.addLabel(residue[3], { ...LABEL, position: place(anchor) }, undefined, true);
      }
    }

    drawSites() {
      this.spheres.forEach((sphere) => this.viewer.removeShape(sphere));
      this.spheres = !checked("show-sites") ? [] : data.sites.map((site) => {
        const [x, y, z] = site.center;
        return this.viewer.addSphere({ center: { x, y, z }, radius: 1.5, color: "#8a949c", opacity: 0.55 });
      });
    }

    // Looks at the pose from outside the protein, so that as little as possible of it is in front.
    face(index) {
      const from = centroid(this.receptor.selectedAtoms({}));
      const to = this.centers[index];
      const axis = unit([to.x - from.x, to.y - from.y, to.z - from.z]);
      this.viewer.zoomTo(this.surroundings(index));
      const view = this.viewer.getView();
      const turn = unit([-axis[1] * -1, -axis[0], 0, 1 + axis[2]]); // the rotation that takes the axis to +z
      this.viewer.setView([...view.slice(0, 4), turn[0], turn[1], 0, turn[3]]);
      this.focus = to;
    }

    follow(index) {
      const to = this.centers[index];
      if (!to || (this.focus && distance(to, this.focus) <= FAR)) return;
      this.viewer.zoomTo(this.surroundings(index), 400);
      this.focus = to;
    }

    surroundings(index) {
      const model = this.poses[index];
      const near = data.poses[index].near.map((number) => residueAtoms(data.residues[number]));
      return { or: [{ model }, ...near.map((selection) => ({ ...selection, model: this.receptor }))] };
    }

    lookAt(center) {
      const [x, y, z] = center;
      const near = this.receptor.selectedAtoms({}).filter((atom) => distance(atom, { x, y, z }) < 10);
      if (near.length) this.viewer.zoomTo({ model: this.receptor, index: near.map((atom) => atom.index) }, 400);
      this.focus = { x, y, z };
    }

    hover(atom) {
      this.unhover();
      const isOfPose = this.poses.some((model) => model?.getID() === atom.model);
      const name = isOfPose ? poseName(this.poses, atom) : receptorName(atom);
      this.hovered = this.viewer.addLabel(name, { ...LABEL, position: place(atom) });
      byId("hovered").textContent = name;
    }

    unhover() {
      if (this.hovered) this.viewer.removeLabel(this.hovered);
      this.hovered = null;
      byId("hovered").textContent = HINT;
    }
  }

  const place = ({ x, y, z }) => ({ x, y, z });
  const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y, a.z - b.z);
  const unit = (vector) => {
    const length = Math.hypot(...vector);
    return length > 1e-6 ? vector.map((value) => value / length) : [1, 0, 0, 0].slice(0, vector.length);
  };
  const centroid = (atoms) => {
    const sum = atoms.reduce((s, a) => ({ x: s.x + a.x, y: s.y + a.y, z: s.z + a.z }), { x: 0, y: 0, z: 0 });
    return { x: sum.x / atoms.length, y: sum.y / atoms.length, z: sum.z / atoms.length };
  };
  const residueAtoms = ([chain, resi, icode]) => ({ chain, resi, icode: icode || " " });
  const receptorName = (atom) => `${atom.chain}:${atom.resn}${atom.resi}${(atom.icode ?? "").trim()}  ${atom.atom}`;
  const title = (pose) => pose.title ?? `Pose ${pose.rank}`;
  const poseName = (models, atom) => {
    const index = models.findIndex((model) => model?.getID() === atom.model);
    return `${title(data.poses[index])}  ${atom.elem}${atom.index + 1}`;
  };
  const isBestOfMode = (index) => data.poses.findIndex((pose) => pose.mode === data.poses[index].mode) === index;

  // ---- the panel beside it -------------------------------------------------------------------------------------
  function element(tag, text, className, title) {
    const made = document.createElement(tag);
    made.textContent = text;
    if (className) made.className = className;
    if (title) made.title = title;
    return made;
  }

  function describe(pose) {
    byId("selected-title").textContent = title(pose);
    byId("pose-swatch").style.background = pose.color;
    const checks = pose.details.filter(([, , kind]) => kind === "check");
    byId("checks").replaceChildren(...checks.map(([title, value, , meaning]) =>
      element("li", `${value === "true" ? "✓" : "✗"} ${title}`, value, meaning)));
    const others = pose.details.filter(([title, , kind]) => kind !== "check" && title !== "Rank");
    byId("details").replaceChildren(...others.flatMap(([title, value, , meaning]) =>
      [element("dt", title, "", meaning), element("dd", value)]));
    const near = pose.near.map((index) => data.residues[index][3]);
    byId("near").textContent = pose.block ? `Near: ${near.join(", ") || "nothing"}` : "Not in the 3-D view.";
  }

  // ---- selecting -----------------------------------------------------------------------------------------------
  const body = byId("poses").tBodies[0];
  let selected = 0;
  let view = null;

  function redraw() {
    const shown = document.querySelector("input[name=shown]:checked").value;
    view?.draw(selected, shown);
  }

  function select(index) {
    selected = index;
    for (const row of body.rows) {
      const isSelected = Number(row.dataset.pose) === index;
      row.classList.toggle("selected", isSelected);
      if (isSelected) row.setAttribute("aria-selected", "true");
      else row.removeAttribute("aria-selected");
    }
    document.querySelectorAll("[data-drawing]").forEach((drawing) => {
      drawing.hidden = Number(drawing.dataset.drawing) !== index;
    });
    describe(data.poses[index]);
    redraw();
    view?.follow(index);
  }

  function step(change) {
    const rows = [...body.rows];
    const position = rows.findIndex((row) => Number(row.dataset.pose) === selected) + change;
    if (position < 0 || position >= rows.length) return;
    select(Number(rows[position].dataset.pose));
    const scroll = byId("pose-scroll"); // not scrollIntoView, which would move the page as well
    const head = body.parentElement.tHead.offsetHeight;
    const row = rows[position];
    if (row.offsetTop - head < scroll.scrollTop) scroll.scrollTop = row.offsetTop - head;
    const overhang = row.offsetTop + row.offsetHeight - scroll.clientHeight;
    if (overhang > scroll.scrollTop) scroll.scrollTop = overhang;
  }

  function start() {
    try {
      view = new View(byId("viewer"));
      view.face(0);
    } catch (error) {
      view = null;
      byId("viewer").replaceChildren(element("p", "This browser shows no 3-D graphics (WebGL).", "placeholder"));
    }
    body.addEventListener("click", (event) => select(Number(event.target.closest("tr").dataset.pose)));
    byId("pose-scroll").addEventListener("keydown", (event) => {
      const change = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!change) return;
      event.preventDefault();
      step(change);
    });
    byId("previous").addEventListener("click", () => step(-1));
    byId("next").addEventListener("click", () => step(1));
    byId("reset-view").addEventListener("click", () => { view?.face(selected); redraw(); });
    document.querySelectorAll(".toolbar input").forEach((input) => input.addEventListener("change", redraw));
    document.querySelectorAll("[data-select]").forEach((button) =>
      button.addEventListener("click", () => select(Number(button.dataset.select))));
    document.querySelectorAll("[data-site]").forEach((button) =>
      button.addEventListener("click", () => view?.lookAt(data.sites[Number(button.dataset.site)].center)));
    select(0);
    window.discodockReport = { viewer: view?.viewer ?? null };
  }

  start();
})();
