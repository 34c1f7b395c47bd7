// Draws the curves of the report. Data: #curve-data = [{lines: [{label, color, heldOut, x: [], y: []}], unit, log}], one
// entry per <figure data-chart="index">. y holds null where a value was not a number; with log all are above zero and the
// axis is logarithmic. Hovering one chart reads all of them at
// that step.
(() => {
  'use strict';
  const charts = JSON.parse(document.getElementById('curve-data').textContent);
  const slider = document.getElementById('smoothing');
  const top = 24, bottom = 38, right = 8;

  const svg = (name, attributes, parent) => {
    const node = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (parent) parent.appendChild(node);
    return node;
  };

  const readable = (value) => {
    if (value === null || value === undefined || Number.isNaN(value)) return '–';
    const size = Math.abs(value);
    for (const [unit, letter] of [[1e9, ' G'], [1e6, ' M'], [1e3, ' k']]) {
      if (size >= 1e5 && size >= unit) return (Number((value / unit).toPrecision(3)) + letter).replace('-', '−');
    }
    const short = size !== 0 && size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
    return short.replace('-', '−');
  };

  // Round numbers, about `count` of them, that cover [low, high].
  const ticks = (low, high, count) => {
    const rough = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough) || rough;
    const found = [];
    for (let i = Math.ceil(low / step); i * step <= high && found.length < 20; i++) found.push(Number((i * step).toPrecision(12)));
    return found;
  };

  // Powers of ten in a range of logarithms, thinned out to about `count`.
  const decades = (low, high, count) => {
    const stride = Math.max(1, Math.ceil((high - low) / count));
    const found = [];
    for (let i = Math.ceil(low / stride) * stride; i <= high; i += stride) found.push(i);
    return found;
  };

  const power = (exponent) => Math.abs(exponent) <= 3 ? readable(10 ** exponent) : `1e${exponent}`.replace('-', '−');

  // Exponential mean with the start's bias taken out, as TensorBoard smooths; null stays a gap.
  const smooth = (values, weight) => {
    let mean = 0, seen = 0;
    return values.map((value) => {
      if (value === null) return null;
      mean = weight * mean + (1 - weight) * value;
      seen = weight * seen + (1 - weight);
      return mean / seen;
    });
  };

  const path = (line, values, toX, toY) => {
    let text = '', pen = 'M';
    values.forEach((value, i) => {
      if (value === null) { pen = 'M'; return; }
      text += pen + toX(line.x[i]).toFixed(1) + ' ' + toY(value).toFixed(1);
      pen = 'L';
    });
    return text;
  };

  // The range that shows the curve: all values, unless a few outliers would flatten the rest.
  const rangeOf = (lines) => {
    const all = lines.flatMap((line) => line.drawn.filter((value) => value !== null)).sort((a, b) => a - b);
    if (!all.length) return null;
    let low = all[0], high = all[all.length - 1];
    const inner = (share) => all[Math.round(share * (all.length - 1))];
    const core = inner(0.98) - inner(0.02);
    const outliers = all.length > 60 && core > 0 && high - low > 10 * core;
    if (outliers) { low = Math.max(low, inner(0.02) - core); high = Math.min(high, inner(0.98) + core); }
    if (low === high) { const room = Math.abs(low) * 0.1 || 1; low -= room; high += room; }
    const room = (high - low) * 0.06;
    return {low: low - room, high: high + room, outliers};
  };

  const nearest = (steps, step) => {
    let low = 0, high = steps.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (steps[middle] < step) low = middle; else high = middle;
    }
    return Math.abs(steps[low] - step) <= Math.abs(steps[high] - step) ? low : high;
  };

  const views = [];

  function draw(view) {
    const width = view.plot.clientWidth, height = view.plot.clientHeight;
    if (!width) return;
    const weight = Number(slider.value);
    const range = rangeOf(view.lines);
    view.plot.textContent = '';
    const root = svg('svg', {role: 'img', 'aria-label': view.title}, view.plot);
    if (!range) { svg('text', {x: 0, y: 20}, root).textContent = 'no numbers'; return; }
    const steps = view.lines.flatMap((line) => [line.x[0], line.x[line.x.length - 1]]);
    const first = Math.min(...steps), last = Math.max(...steps);
    const rows = (view.log ? decades : ticks)(range.low, range.high, 4);
    const label = view.log ? power : readable;
    const left = 14 + 6.2 * Math.max(...rows.map((tick) => label(tick).length));
    const span = last - first || 1;
    view.toX = (step) => last === first ? (left + width) / 2 : left + (width - left - right) * (step - first) / span;
    view.toStep = (x) => first + span * (x - left) / (width - left - right);
    view.toY = (value) => top + (height - top - bottom) * (range.high - value) / (range.high - range.low);

    const clip = 'clip-' + view.index;
    svg('rect', {x: left - 4, y: top - 8, width, height: height - bottom - top + 16}, svg('clipPath', {id: clip}, root));
    const labels = [];
    for (const tick of rows) {
      const y = view.toY(tick);
      svg('line', {class: 'grid', x1: left, x2: width, y1: y, y2: y}, root);
      labels.push([{x: left - 8, y: y + 4, 'text-anchor': 'end'}, label(tick)]);
    }
    const marks = last === first ? [first] : ticks(first, last, width < 420 ? 3 : 5);
    for (const tick of marks.filter((tick) => Number.isInteger(tick))) {
      const x = view.toX(tick);
      const anchor = x > width - 24 ? 'end' : 'middle';
      labels.push([{x, y: height - 22, 'text-anchor': anchor}, readable(tick)]);
    }
    labels.push([{class: 'axis', x: 0, y: 10}, view.unit + (view.log ? ', logarithmic' : '')]);
    labels.push([{class: 'axis', x: (left + width) / 2, y: height - 5, 'text-anchor': 'middle'}, 'step']);
    view.smoothed = view.lines.map((line) => line.heldOut ? line.drawn : smooth(line.drawn, weight));
    const layer = svg('g', {'clip-path': `url(#${clip})`}, root);
    view.lines.forEach((line, i) => {
      const stroke = `stroke: var(--line-${line.color})`;
      if (!line.heldOut && weight > 0) svg('path', {class: 'raw', style: stroke, d: path(line, line.drawn, view.toX, view.toY)}, layer);
      svg('path', {class: 'curve' + (line.heldOut ? ' held-out' : ''), style: stroke, d: path(line, view.smoothed[i], view.toX, view.toY)}, layer);
      const dots = line.heldOut ? line.x.length <= 60 : line.x.length === 1;
      if (dots) line.x.forEach((step, j) => {
        if (line.drawn[j] !== null) svg('circle', {class: 'point', style: stroke, r: 3, cx: view.toX(step), cy: view.toY(line.drawn[j])}, layer);
      });
    });
    for (const [place, text] of labels) svg('text', place, root).textContent = text;
    if (range.outliers) svg('text', {x: width - 2, y: 10, 'text-anchor': 'end'}, root).textContent = 'some points lie outside';
    view.cursor = svg('line', {class: 'cursor', y1: top, y2: height - bottom, visibility: 'hidden'}, root);
    read(view, null);
  }

  // Writes the values at a step (null: at the end) above the chart.
  function read(view, step) {
    if (!view.toX) return;
    view.readout.textContent = '';
    let shown = null;
    view.lines.forEach((line, i) => {
      const at = step === null ? line.x.length - 1 : nearest(line.x, step);
      const item = document.createElement('span');
      const swatch = document.createElement('span');
      swatch.className = 'swatch' + (line.heldOut ? ' held-out' : '');
      swatch.style.borderColor = `var(--line-${line.color})`;
      const value = document.createElement('b');
      const last = view.smoothed[i][at];
      value.textContent = readable(step !== null ? line.y[at] : view.log && last !== null ? 10 ** last : last);
      item.append(swatch, line.label + ' ', value);
      view.readout.append(item);
      if (!line.heldOut || shown === null) shown = line.x[at];
    });
    view.readout.append(step === null ? '' : 'step ' + readable(shown));
    view.cursor.setAttribute('visibility', step === null ? 'hidden' : 'visible');
    if (step !== null) ['x1', 'x2'].forEach((key) => view.cursor.setAttribute(key, view.toX(shown)));
  }

  const readAll = (step) => views.forEach((view) => read(view, step));
  const drawAll = () => views.forEach(draw);

  document.querySelectorAll('figure[data-chart]').forEach((figure) => {
    const index = Number(figure.dataset.chart);
    const view = {
      index, lines: charts[index].lines, title: figure.querySelector('h3').textContent,
      plot: figure.querySelector('.plot'), readout: figure.querySelector('.readout'),
    };
    Object.assign(view, {unit: charts[index].unit, log: charts[index].log});
    view.lines.forEach((line) => {
      line.drawn = view.log ? line.y.map((value) => value === null ? null : Math.log10(value)) : line.y;
    });
    views.push(view);
    const follow = (event) => view.toStep && readAll(view.toStep(event.clientX - view.plot.getBoundingClientRect().left));
    view.plot.addEventListener('pointermove', follow);
    view.plot.addEventListener('pointerdown', follow);
    view.plot.addEventListener('pointerleave', () => readAll(null));
  });
  if (!views.length) return;
  slider.addEventListener('input', () => {
    document.getElementById('smoothing-value').textContent = Number(slider.value).toFixed(2);
    drawAll();
  });
  document.querySelectorAll('details').forEach((details) => details.addEventListener('toggle', drawAll));
  let width = 0;
  new ResizeObserver(() => {
    if (document.body.clientWidth === width) return;
    width = document.body.clientWidth;
    drawAll();
  }).observe(document.body);
  drawAll();
})();
