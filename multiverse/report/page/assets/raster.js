// Cells as pixels. A raster costs the same on every machine: a scatter of 600,000 points by WebGL
// takes 20 s a frame where there is no graphics card, this takes less than half a second.
"use strict";
const Raster = (() => {
  const bytes = (text) => {
    const raw = atob(text);
    const made = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i += 1) made[i] = raw.charCodeAt(i);
    return made.buffer;
  };

  // "#rrggbb" as the number that stands for it in a Uint32Array over RGBA bytes.
  const rgba = (hex) => {
    const value = parseInt(hex.slice(1), 16);
    return (0xff000000 | ((value & 0xff) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
  };

  // Every cell once, in an order in which no batch hides another, the same in all pictures.
  const shuffled = (n) => {
    const order = new Uint32Array(n);
    let state = 1;
    for (let i = 0; i < n; i += 1) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const j = Math.floor((state / 4294967296) * (i + 1));
      order[i] = order[j];
      order[j] = i;
    }
    return order;
  };

  // How much of each pixel a disc covers: [dx, dy, 0…256] for pixels around its centre.
  const stamp = (radius) => {
    const reach = Math.ceil(radius);
    const made = [];
    for (let dy = -reach; dy <= reach; dy += 1) {
      for (let dx = -reach; dx <= reach; dx += 1) {
        const cover = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(dx, dy)));
        if (cover > 0) made.push([dx, dy, Math.round(cover * 256)]);
      }
    }
    return made;
  };

  // Draw cells into `pixels` (RGBA, width × height, the first row at the bottom).
  const draw = (pixels, width, height, cells, view, radius) => {
    const { x, y, colours, order, last } = cells;
    pixels.fill(0xffffffff);
    const discs = stamp(radius);
    const scaleX = width / (view.right - view.left);
    const scaleY = height / (view.top - view.bottom);
    for (let k = 0; k < order.length; k += 1) {
      const i = order[k];
      if (x[i] > last) continue;
      const column = Math.round((x[i] - view.left) * scaleX);
      const row = Math.round((y[i] - view.bottom) * scaleY);
      if (column < 0 || row < 0 || column >= width || row >= height) continue;
      const colour = colours[i];
      const red = colour & 0xff, green = (colour >> 8) & 0xff, blue = (colour >> 16) & 0xff;
      for (let d = 0; d < discs.length; d += 1) {
        const disc = discs[d];
        const px = column + disc[0], py = row + disc[1];
        if (px < 0 || py < 0 || px >= width || py >= height) continue;
        const at = py * width + px;
        if (disc[2] === 256) { pixels[at] = colour; continue; }
        const old = pixels[at], on = disc[2], off = 256 - on;
        const r = (red * on + (old & 0xff) * off) >> 8;
        const g = (green * on + ((old >> 8) & 0xff) * off) >> 8;
        const b = (blue * on + ((old >> 16) & 0xff) * off) >> 8;
        pixels[at] = (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
      }
    }
  };

  // Cells by square of a grid, so that the one under the pointer is found at once.
  class Grid {
    constructor(x, y, last, side = 128) {
      Object.assign(this, { x, y, last, side, step: (last + 1) / side });
      this.starts = new Uint32Array(side * side + 1);
      const square = new Int32Array(x.length).fill(-1);
      for (let i = 0; i < x.length; i += 1) {
        if (x[i] > last) continue;
        square[i] = this.squareOf(x[i], y[i]);
        this.starts[square[i] + 1] += 1;
      }
      for (let s = 0; s < side * side; s += 1) this.starts[s + 1] += this.starts[s];
      this.cells = new Uint32Array(this.starts[side * side]);
      const next = this.starts.slice();
      for (let i = 0; i < x.length; i += 1) if (square[i] >= 0) this.cells[next[square[i]]++] = i;
    }

    squareOf(x, y) {
      const clamp = (v) => Math.min(this.side - 1, Math.max(0, Math.floor(v / this.step)));
      return clamp(y) * this.side + clamp(x);
    }

    // The cell nearest to a place, if one is within `reach`; otherwise -1.
    nearest(x, y, reach) {
      const low = this.squareOf(x - reach, y - reach), high = this.squareOf(x + reach, y + reach);
      const width = this.side;
      let best = -1, least = reach * reach;
      for (let row = Math.floor(low / width); row <= Math.floor(high / width); row += 1) {
        for (let column = low % width; column <= high % width; column += 1) {
          const s = row * width + column;
          for (let k = this.starts[s]; k < this.starts[s + 1]; k += 1) {
            const i = this.cells[k];
            const distance = (this.x[i] - x) ** 2 + (this.y[i] - y) ** 2;
            if (distance <= least) { least = distance; best = i; }
          }
        }
      }
      return best;
    }
  }

  return { bytes, rgba, shuffled, draw, Grid };
})();
