// The UMAPs of one dataset: pictures side by side that share colours, legend and marked cell.
"use strict";
const Atlas = (() => {
  const PER_PAGE = 12;
  const MARGIN = 0.04;
  const NDArray = () => Bokeh.require("core/util/ndarray").ndarray;

  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "text") made.textContent = value;
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };

  // One run's picture: a Bokeh figure whose image follows its ranges.
  class Picture {
    constructor(atlas, facts, size) {
      Object.assign(this, { atlas, facts, size });
      this.x = new Uint16Array(Raster.bytes(facts.x));
      this.y = new Uint16Array(Raster.bytes(facts.y));
      this.grid = new Raster.Grid(this.x, this.y, atlas.last);
      this.plot = element("div", { class: "plot" });
      const caption = element("figcaption", {}, element("bdi", { text: facts.title }));
      if (facts.full) caption.title = facts.full;
      this.element = element("figure", { class: "picture" }, caption, this.plot);
      this.element.style.width = `${size + 2}px`;
      this.plot.setAttribute("role", "img");
      this.plot.setAttribute("aria-label", `UMAP of ${facts.title}`);
      this.spot = element("div", { class: "spot", hidden: "" });
    }

    async show() {
      const { last } = this.atlas;
      const whole = { start: -MARGIN * last, end: (1 + MARGIN) * last };
      this.ranges = [new Bokeh.Range1d(whole), new Bokeh.Range1d(whole)];
      const [x_range, y_range] = this.ranges;
      const pan = new Bokeh.PanTool();
      const wheel = new Bokeh.WheelZoomTool({ modifiers: { ctrl: true } });
      this.figure = new Bokeh.Plotting.figure({
        width: this.size, height: this.size, tools: [pan, wheel], toolbar_location: null,
        x_range, y_range, min_border: 0, outline_line_color: null,
      });
      this.figure.toolbar.active_drag = pan;
      this.figure.toolbar.active_scroll = wheel;
      for (const axis of [...this.figure.axis]) axis.visible = false;
      for (const grid of [...this.figure.grid]) grid.visible = false;
      const side = Math.round(this.size * Math.min(2, window.devicePixelRatio || 1));
      // Two of them in turn: Bokeh draws anew only what differs from what it was given before.
      const image = () => NDArray()(new Uint32Array(side * side), { shape: [side, side], dtype: "uint32" });
      [this.pixels, this.spare] = [image(), image()];
      this.source = new Bokeh.ColumnDataSource({ data: this.raster() });
      const field = (name) => ({ field: name });
      this.figure.image_rgba(field("image"), field("x"), field("y"), field("w"), field("h"), { source: this.source });
      for (const range of this.ranges) range.change.connect(() => this.later());
      this.figure.on_event("mousemove", (event) => this.point(event));
      this.figure.on_event("mouseleave", () => this.atlas.mark(-1));
      this.view = await Bokeh.Plotting.show(this.figure, this.plot);
      this.plot.append(this.spot);
    }

    get box() {
      const [x, y] = this.ranges;
      return { left: x.start, right: x.end, bottom: y.start, top: y.end };
    }

    raster() {
      const box = this.box;
      [this.pixels, this.spare] = [this.spare, this.pixels];
      const [side] = this.pixels.shape;
      const n = Math.max(1, this.x.length);
      const zoom = Math.min(4, this.atlas.last / (box.right - box.left));
      const radius = Math.min(4, Math.max(0.55, (0.27 * side) / Math.sqrt(n))) * Math.max(1, zoom ** 0.6);
      Raster.draw(this.pixels, side, side, { ...this.atlas.cells, x: this.x, y: this.y }, box, radius);
      return {
        image: [this.pixels], x: [box.left], y: [box.bottom],
        w: [box.right - box.left], h: [box.top - box.bottom],
      };
    }

    redraw() {
      this.source.data = this.raster();
    }

    later() {
      if (this.waiting) return;
      this.waiting = requestAnimationFrame(() => {
        this.waiting = 0;
        this.redraw();
        this.place();
      });
    }

    point(event) {
      const reach = (8 / this.size) * (this.box.right - this.box.left);
      this.atlas.mark(this.grid.nearest(event.x, event.y, reach));
    }

    // Put the ring around the marked cell.
    place() {
      const cell = this.atlas.marked;
      const box = this.box;
      const x = (this.x[cell] - box.left) / (box.right - box.left);
      const y = (this.y[cell] - box.bottom) / (box.top - box.bottom);
      const there = cell >= 0 && this.x[cell] <= this.atlas.last && x >= 0 && x <= 1 && y >= 0 && y <= 1;
      this.spot.hidden = !there;
      this.spot.dataset.cell = there ? cell : "";
      if (!there) return;
      this.spot.style.left = `${x * this.size}px`;
      this.spot.style.top = `${(1 - y) * this.size}px`;
    }

    zoom(how) {
      const { last } = this.atlas;
      for (const range of this.ranges) {
        const half = ((range.end - range.start) / 2) * (how === "in" ? 0.7 : 1 / 0.7);
        const middle = (range.start + range.end) / 2;
        if (how === "reset") range.setv({ start: -MARGIN * last, end: (1 + MARGIN) * last });
        else range.setv({ start: middle - half, end: middle + half });
      }
    }

    remove() {
      if (this.waiting) cancelAnimationFrame(this.waiting);
      this.view?.remove();
      this.element.remove();
    }
  }

  class Atlas {
    constructor(root) {
      this.root = root;
      const data = JSON.parse(root.querySelector("script").textContent);
      this.data = data;
      this.last = data.last;
      this.columns = data.columns;
      this.marked = -1;
      this.only = -1;
      this.pictures = [];
      this.page = 0;
      this.cells = { last: data.last, order: Raster.shuffled(data.n), colours: new Uint32Array(data.n).fill(Raster.rgba("#0072B2")) };
      this.listen();
      if (this.columns.length) this.choose(0);
    }

    find(selector) { return this.root.querySelector(selector); }

    listen() {
      this.find(".colour").addEventListener("change", (event) => this.choose(Number(event.target.value)));
      this.find(".find").addEventListener("input", (event) => this.mark(Number(event.target.value) - 1));
      for (const button of this.root.querySelectorAll("[data-zoom]")) {
        button.addEventListener("click", () => this.pictures.forEach((picture) => picture.zoom(button.dataset.zoom)));
      }
      for (const button of this.root.querySelectorAll("[data-page]")) {
        button.addEventListener("click", () => this.turn(this.page + Number(button.dataset.page)));
      }
      this.find(".legend").addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (!button) return;
        const code = Number(button.dataset.code);
        this.only = this.only === code ? -1 : code;
        this.recolour();
      });
    }

    // Draw a page of pictures; those of the page before are given up.
    async turn(page) {
      const pages = Math.ceil(this.data.pictures.length / PER_PAGE);
      this.page = Math.min(pages - 1, Math.max(0, page));
      this.pictures.forEach((picture) => picture.remove());
      const shown = this.data.pictures.slice(this.page * PER_PAGE, (this.page + 1) * PER_PAGE);
      const size = shown.length <= 2 ? 440 : shown.length === 3 ? 340 : 258;
      this.pictures = shown.map((facts) => new Picture(this, facts, size));
      this.find(".pictures").append(...this.pictures.map((picture) => picture.element));
      this.find(".pager").hidden = pages < 2;
      this.find(".page-of").textContent = `page ${this.page + 1} of ${pages}`;
      this.find("[data-page='-1']").disabled = this.page === 0;
      this.find("[data-page='1']").disabled = this.page === pages - 1;
      for (const picture of this.pictures) await picture.show();
      this.pictures.forEach((picture) => picture.place());
      this.root.dataset.drawn = "";
    }

    values(column) {
      if (column.values) return column.values;
      const buffer = Raster.bytes(column.data);
      if (column.kind === "number") column.values = new Float32Array(buffer);
      else column.values = column.bytes === 1 ? new Uint8Array(buffer) : new Uint16Array(buffer);
      return column.values;
    }

    choose(position) {
      this.column = this.columns[position];
      this.only = -1;
      this.recolour();
    }

    recolour() {
      const column = this.column;
      const values = this.values(column);
      const { colours } = this.cells;
      const missing = Raster.rgba(column.missing_colour);
      if (column.kind === "number") {
        const palette = column.palette.map(Raster.rgba);
        const scale = palette.length / (column.high - column.low);
        for (let i = 0; i < values.length; i += 1) {
          const at = Math.floor((values[i] - column.low) * scale);
          colours[i] = Number.isFinite(values[i]) ? palette[Math.min(palette.length - 1, Math.max(0, at))] : missing;
        }
      } else {
        const byCode = column.entries.map((entry) => Raster.rgba(entry.colour));
        byCode.push(Raster.rgba(column.other_colour), missing);
        const legend = (code) => (code < column.own ? code : code === byCode.length - 1 ? -3 : -2);
        for (let i = 0; i < values.length; i += 1) {
          const hidden = this.only !== -1 && legend(values[i]) !== this.only;
          colours[i] = hidden ? missing : byCode[values[i]];
        }
      }
      this.root.dataset.column = column.title;
      this.legend();
      for (const picture of this.pictures) picture.redraw();
    }

    legend() {
      const column = this.column;
      const place = this.find(".legend");
      const cells = (count) => `${count.toLocaleString("en")}`;
      if (column.kind === "number") {
        const strip = element("canvas", { width: column.palette.length, height: 1, role: "img", "aria-label": "colours from low to high" });
        const context = strip.getContext("2d");
        column.palette.forEach((colour, i) => { context.fillStyle = colour; context.fillRect(i, 0, 1, 1); });
        const below = column.least < column.low ? "≤ " : "", above = column.most > column.high ? "≥ " : "";
        const scale = element("span", { class: "scale" },
          element("span", { text: below + this.number(column.low) }), strip, element("span", { text: above + this.number(column.high) }));
        place.replaceChildren(scale);
        if (column.missing) place.append(element("span", { text: `${cells(column.missing)} cells without a value` }));
        return;
      }
      const entry = (code, colour, text, full, count) => {
        const swatch = element("i");
        swatch.style.background = colour;
        const button = element("button", { type: "button", "data-code": code, "aria-pressed": this.only === code }, swatch,
          element("bdi", { text }), " ", element("small", { text: cells(count) }));
        button.title = full || text;
        return button;
      };
      const made = column.entries.slice(0, column.own).map((item, code) => entry(code, item.colour, item.name, item.full, item.count));
      if (column.others) made.push(entry(-2, column.other_colour, `other (${cells(column.others)} categories)`, "", column.other_count));
      if (column.missing) made.push(entry(-3, column.missing_colour, "missing", "", column.missing));
      const focused = place.contains(document.activeElement) ? document.activeElement.dataset.code : null;
      place.replaceChildren(...made);
      if (focused !== null) place.querySelector(`[data-code="${focused}"]`)?.focus();
    }

    number(value) {
      return Number(value.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 });
    }

    said(column, cell) {
      const value = this.values(column)[cell];
      if (column.kind === "number") return Number.isFinite(value) ? this.number(value) : "missing";
      if (value === column.entries.length + 1) return "missing";
      return value < column.entries.length ? column.entries[value].name : "another category";
    }

    // Mark one cell in all pictures; -1 marks none.
    mark(cell) {
      this.marked = Number.isInteger(cell) && cell >= 0 && cell < this.data.n ? cell : -1;
      this.pictures.forEach((picture) => picture.place());
      const place = this.find(".cell");
      if (this.marked < 0) { place.textContent = `${this.data.n.toLocaleString("en")} cells`; return; }
      const title = this.data.names.length ? this.data.names[cell] : `cell ${(cell + 1).toLocaleString("en")}`;
      const words = [this.column, ...this.columns].filter((column, i, all) => column && all.indexOf(column) === i).slice(0, 6);
      place.replaceChildren(element("strong", {}, element("bdi", { text: title })));
      for (const column of words) place.append(" · ", element("bdi", { text: column.title }), ": ", element("bdi", { text: this.said(column, cell) }));
    }
  }

  return Atlas;
})();
