"use strict";

const { charts, themes } = JSON.parse(document.getElementById("charts").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const NARROW_PX = 560;
// Vega would also tell of what it leaves out on purpose.
const LOG_ERRORS = 1;

const PADDING_PX = 2;

function setWidth(spec, width) {
  // A chart of several does not count what stands beside them; these have nothing there.
  for (const part of spec.vconcat ?? []) part.width = width - 2 * PADDING_PX;
  if (!spec.vconcat) spec.width = width;
}

function setParam(spec, name, value) {
  const param = spec.params.find((each) => each.name === name);
  if (param) param.value = value;
}

function valueOf(input) {
  if (input.type === "checkbox") return input.checked;
  return input.type === "range" ? Number(input.value) : input.value;
}

class Figure {
  constructor(element) {
    this.name = element.dataset.chart;
    this.plot = element.querySelector(".plot");
    this.inputs = [...element.querySelectorAll("[data-signal]")];
    this.width = 0;
    for (const input of this.inputs) input.addEventListener("input", () => this.set(input));
    new ResizeObserver(() => {
      // Height changes with what is shown; only another width asks for another drawing.
      if (this.room() !== this.width) requestAnimationFrame(() => this.draw());
    }).observe(element);
  }

  room() {
    return Math.floor(this.plot.parentElement.clientWidth);
  }

  set(input) {
    const output = input.parentElement.querySelector("output");
    if (output) output.value = `${Number(input.value).toPrecision(2)} ms`;
    this.result?.view.signal(input.dataset.signal, valueOf(input)).runAsync();
  }

  async embed() {
    const spec = structuredClone(charts[this.name]);
    setWidth(spec, this.width);
    setParam(spec, "narrow", this.width < NARROW_PX);
    for (const input of this.inputs) setParam(spec, input.dataset.signal, valueOf(input));
    this.result?.finalize();
    this.result = await vegaEmbed(this.plot, spec, {
      mode: "vega-lite",
      renderer: "svg",
      config: { ...themes[dark.matches ? "dark" : "light"], padding: PADDING_PX },
      actions: { export: true, source: false, compiled: false, editor: false },
      tooltip: { theme: dark.matches ? "dark" : "light" },
      downloadFileName: this.name,
      logLevel: LOG_ERRORS,
    });
    this.plot.querySelector("svg.marks").setAttribute("aria-label", spec.description);
    this.plot.dataset.drawn = "yes";
  }

  async draw() {
    if (this.drawing) {
      this.again = true;
      return;
    }
    this.drawing = true;
    try {
      do {
        this.again = false;
        this.width = this.room();
        await this.embed();
      } while (this.again);
    } catch (error) {
      this.plot.textContent = `This chart could not be drawn: ${error.message}`;
      console.error(error);
    } finally {
      this.drawing = false;
    }
  }
}

const figures = [...document.querySelectorAll("[data-chart]")].map((each) => new Figure(each));
dark.addEventListener("change", () => figures.forEach((figure) => figure.draw()));

document.getElementById("save").addEventListener("click", async () => {
  const packed = atob(document.getElementById("report").textContent.trim());
  const octets = Uint8Array.from(packed, (character) => character.charCodeAt(0));
  const stream = new Blob([octets]).stream().pipeThrough(new DecompressionStream("gzip"));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([await new Response(stream).blob()], { type: "application/json" }));
  link.download = "report.json";
  link.click();
  URL.revokeObjectURL(link.href);
});
