// Shows what the model wrote for a prompt at two steps, side by side. Data: #sample-data =
// [{prompt, takes: [{step, text, reward}]}], takes in order of step.
(() => {
  'use strict';
  const prompts = JSON.parse(document.getElementById('sample-data').textContent);
  const section = document.getElementById('samples');
  if (!prompts.length || !section) return;
  const part = (name) => section.querySelector(`[data-part="${name}"]`);
  const selects = [part('left-step'), part('right-step')];
  const words = (text) => text.split(/(\s+)/);
  let current = 0;

  // Which words of a and b belong to a longest common subsequence. Empty for texts too long to compare.
  const common = (a, b) => {
    if (a.length * b.length > 4e6) return null;
    const width = b.length + 1;
    const best = new Uint16Array((a.length + 1) * width);
    for (let i = a.length - 1; i >= 0; i--) {
      for (let j = b.length - 1; j >= 0; j--) {
        best[i * width + j] = a[i] === b[j] ? best[(i + 1) * width + j + 1] + 1
          : Math.max(best[(i + 1) * width + j], best[i * width + j + 1]);
      }
    }
    const left = new Set(), right = new Set();
    for (let i = 0, j = 0; i < a.length && j < b.length;) {
      if (a[i] === b[j]) { left.add(i++); right.add(j++); }
      else if (best[(i + 1) * width + j] >= best[i * width + j + 1]) i++;
      else j++;
    }
    return [left, right];
  };

  const write = (node, pieces, shared) => {
    node.textContent = '';
    for (let i = 0; i < pieces.length;) {
      const changed = shared !== null && !shared.has(i);
      let text = '';
      // A space between two changed words belongs to the marked run.
      for (; i < pieces.length && (shared !== null && !shared.has(i)) === changed; i++) {
        text += pieces[i];
        if (changed && i + 2 < pieces.length && shared.has(i + 1) && !pieces[i + 1].trim() && !shared.has(i + 2)) text += pieces[++i];
      }
      const parent = changed && text.trim() ? node.appendChild(document.createElement('mark')) : node;
      parent.append(text);
    }
  };

  const head = (take) => {
    const step = take.step === 0 ? 'Before training' : `Step ${take.step}`;
    return [step, take.reward === null ? '' : `reward ${String(Number(take.reward.toPrecision(3))).replace('-', '−')}`];
  };

  function show() {
    const {prompt, takes} = prompts[current];
    part('prompt').textContent = prompt;
    part('prompt').hidden = !prompt;
    part('count').textContent = `${current + 1} of ${prompts.length}`;
    part('previous').disabled = current === 0;
    part('next').disabled = current === prompts.length - 1;
    const chosen = selects.map((select) => takes[Math.min(Number(select.value), takes.length - 1)]);
    const pieces = chosen.map((take) => words(take.text.trim()));
    let shared = takes.length > 1 ? common(...pieces) : null;
    // Where little is common, nearly everything would be marked: then marks say nothing.
    const wordsIn = (list) => list.filter((piece) => piece.trim()).length;
    const kept = shared && wordsIn(pieces[0].filter((_, i) => shared[0].has(i)));
    if (shared && kept < 0.5 * Math.max(wordsIn(pieces[0]), wordsIn(pieces[1]))) shared = null;
    ['left', 'right'].forEach((side, i) => {
      const take = part(side);
      take.hidden = i === 0 && takes.length < 2;
      const [step, reward] = head(chosen[i]);
      take.querySelector('.take-step').textContent = step;
      take.querySelector('.take-reward').textContent = reward;
      write(take.querySelector('.story'), pieces[i], shared && shared[i]);
    });
  }

  function open(index) {
    current = Math.max(0, Math.min(prompts.length - 1, index));
    const {takes} = prompts[current];
    selects.forEach((select, i) => {
      select.textContent = '';
      takes.forEach((take, at) => {
        const option = document.createElement('option');
        option.value = at;
        option.textContent = head(take)[0];
        select.append(option);
      });
      select.value = i === 0 ? 0 : takes.length - 1;
      select.parentElement.hidden = takes.length < 3;
    });
    show();
  }

  part('previous').addEventListener('click', () => open(current - 1));
  part('next').addEventListener('click', () => open(current + 1));
  selects.forEach((select) => select.addEventListener('change', show));
  open(0);
})();
