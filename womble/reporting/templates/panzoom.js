"use strict";
for (const figure of document.querySelectorAll(".map")) {
  const svg = figure.querySelector("svg"), told = figure.querySelector("output");
  const whole = svg.viewBox.baseVal;
  const home = { x: whole.x, y: whole.y, w: whole.width, h: whole.height };
  const [left, top, size] = svg.dataset.plane.split(" ").map(Number);
  let box = { ...home };
  const fingers = new Map();
  let travelled = 0;

  const show = () => svg.setAttribute("viewBox", [box.x, box.y, box.w, box.h].join(" "));
  const within = (low, value, high) => Math.min(Math.max(value, low), high);
  // Screen to drawing, whatever the letterboxing.
  const place = (x, y) => new DOMPoint(x, y).matrixTransform(svg.getScreenCTM().inverse());
  const zoom = (factor, at) => {
    const w = within(home.w / 200, box.w * factor, home.w), used = w / box.w;
    box = { x: at.x - (at.x - box.x) * used, y: at.y - (at.y - box.y) * used, w, h: box.h * used };
    keep();
  };
  const keep = () => {
    box.x = within(home.x, box.x, home.x + home.w - box.w);
    box.y = within(home.y, box.y, home.y + home.h - box.h);
    show();
  };
  const middle = () => ({ x: box.x + box.w / 2, y: box.y + box.h / 2 });
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  };

  svg.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, place(event.clientX, event.clientY));
  }, { passive: false });
  svg.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, event), travelled = 0;
  });
  svg.addEventListener("pointermove", (event) => {
    const at = place(event.clientX, event.clientY);
    if (!fingers.has(event.pointerId)) {
      const digits = Math.max(0, Math.ceil(-Math.log10(size * box.w / home.w)));
      const name = [left + at.x * size, top - at.y * size].map((x) => x.toFixed(digits));
      told.textContent = `${name.join(", ")} ${svg.dataset.unit}`;
      return;
    }
    const before = fingers.get(event.pointerId);
    const apart = fingers.size === 2 ? spread() : 0;
    fingers.set(event.pointerId, event);
    travelled += Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY);
    if (fingers.size === 2 && apart > 0) {
      zoom(apart / spread(), middle());
    } else if (fingers.size === 1) {
      const was = place(before.clientX, before.clientY);
      box.x -= at.x - was.x;
      box.y -= at.y - was.y;
      keep();
    }
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
    svg.addEventListener(end, (event) => fingers.delete(event.pointerId));
  }
  svg.addEventListener("click", (event) => {
    const info = event.target.dataset.info;
    if (info && travelled < 5) told.textContent = info;
  });
  for (const button of figure.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      if (button.value === "home") { box = { ...home }; show(); }
      else zoom(Number(button.value), middle());
    });
  }
  for (const choice of figure.querySelectorAll("input")) {
    choice.addEventListener("change", () => {
      for (const one of figure.querySelectorAll("input")) {
        svg.querySelector(`#layer-${one.value}`).style.display = one.checked ? "" : "none";
      }
    });
  }
}
