"""report.html in a real browser: charts are drawn, nothing overflows, nothing is logged, at desk and phone width,
in light and in dark. Screenshots stay in the test's temporary folder (or ATTUNE_SCREENSHOTS)."""

import json
import math
import os
import random
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WRITER = Path(os.environ.get("ATTUNE_BIN", "build/attune")).resolve().parent / "tests" / "test_report"

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(not WRITER.exists(), reason=f"{WRITER} is not built"),
]

# Runs in the page after it has loaded; its findings go into the document, where --dump-dom shows them.
PROBE = """<script>
window.addEventListener('load', () => setTimeout(() => {
  const wide = [...document.querySelectorAll('body *')].filter(
    (node) => node.getClientRects().length && !node.closest('svg, pre, .layer')
      && node.getBoundingClientRect().right > innerWidth + 1).map((node) => node.tagName + '.' + node.className);
  const open = [...document.querySelectorAll('figure[data-chart]')].filter((figure) => !figure.closest('details'));
  const text = (part) => document.querySelector(`[data-part="${part}"]`)?.textContent ?? null;
  const first = {left: text('left'), right: text('right'), count: text('count'), prompt: text('prompt'),
    marks: document.querySelectorAll('mark').length};
  document.querySelector('[data-part="next"]')?.click();
  const figure = open[0], plot = figure?.querySelector('.plot'), before = figure?.querySelector('.readout').textContent;
  const box = plot?.getBoundingClientRect();
  plot?.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + box.width / 2, clientY: box.top + 20}));
  const hovered = figure?.querySelector('.readout').textContent;
  const slider = document.getElementById('smoothing');
  const lineOf = () => figure?.querySelector('path.curve')?.getAttribute('d');
  const rough = lineOf();
  if (slider) { slider.value = 0.95; slider.dispatchEvent(new Event('input')); }
  const findings = {innerWidth, scrollWidth: document.documentElement.scrollWidth, wide,
    charts: open.length, strips: document.querySelectorAll('.strips svg').length,
    inked: document.querySelectorAll('.strips rect').length, drawn: open.filter((f) => f.querySelector('path.curve, .plot text')).length,
    empty: open.filter((f) => /NaN|undefined|Infinity/.test(f.outerHTML)).length,
    axes: [...(figure?.querySelectorAll('.axis') ?? [])].map((node) => node.textContent),
    before, hovered, smoothed: rough !== lineOf(), first, second: text('right'),
    background: getComputedStyle(document.body).backgroundColor, errors: window.probeErrors};
  const out = document.createElement('script');
  out.type = 'application/json'; out.id = 'findings';
  out.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(findings))));
  document.body.append(out);
}, 300));
</script>"""
CATCHER = """<script>window.probeErrors = [];
window.addEventListener('error', (event) => probeErrors.push(String(event.message)), true);
document.addEventListener('securitypolicyviolation', (event) => probeErrors.push('policy: ' + event.blockedURI));
</script>"""


def chromium(tmp_path, *arguments):
    profile = tmp_path / f"profile-{random.getrandbits(40):x}"
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
               "--disable-background-networking", "--disable-component-update", "--disable-sync",
               "--disable-dev-shm-usage", f"--user-data-dir={profile}", *arguments]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    shutil.rmtree(profile, ignore_errors=True)
    return done


def write_report(folder):
    environment = {**os.environ, "ATTUNE_RUN_FOLDER": str(folder)}
    subprocess.run([WRITER, "--gtest_filter=ReportFolder.*"], env=environment, check=True, capture_output=True)
    return folder / "report.html"


def look(tmp_path, page, width=1280, dark=False):
    """Opens the page with the probe in it, in a frame of the width (a headless window is never below 500 px)."""
    html = page.read_text(encoding="utf-8")
    probed = tmp_path / f"probed-{width}.html"
    probed.write_text(html.replace("<head>", "<head>" + CATCHER).replace("</body>", PROBE + "</body>"), encoding="utf-8")
    frame = tmp_path / f"frame-{width}.html"
    frame.write_text(
        f'<body style="margin:0"><iframe id="f" src="{probed.name}" style="border:0;width:{width}px;height:2000px">'
        "</iframe><script>addEventListener('load', () => setTimeout(() => document.body.append("
        "document.getElementById('f').contentDocument.getElementById('findings').cloneNode(true)), 900))</script>"
    )
    extra = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []
    done = chromium(tmp_path, "--allow-file-access-from-files", "--window-size=1400,2000", "--virtual-time-budget=6000",
                    *extra, "--dump-dom", frame.as_uri())  # fmt: skip
    assert 'id="findings">' in done.stdout, f"the page did not report back:\n{done.stdout[-800:]}\n{done.stderr[-2000:]}"
    import base64

    coded = done.stdout.split('id="findings">')[1].split("<")[0]
    return json.loads(base64.b64decode(coded)), done.stderr


def screenshot(tmp_path, page, width, dark, height=4600):
    kept = Path(os.environ.get("ATTUNE_SCREENSHOTS", tmp_path))
    kept.mkdir(parents=True, exist_ok=True)
    name = kept / f"{page.parent.name}-{width}-{'dark' if dark else 'light'}.png"
    frame = tmp_path / "shot.html"
    frame.write_text(f'<body style="margin:0"><iframe src="{page.as_uri()}" style="border:0;width:{width}px;'
                     f'height:{height}px"></iframe></body>')  # fmt: skip
    extra = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []
    chromium(tmp_path, f"--window-size={width},{height}", "--virtual-time-budget=4000", *extra,
             f"--screenshot={name}", frame.as_uri())  # fmt: skip
    return name


def png_corner(path):
    """Colour of the first pixel."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = b"", 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            chunks += data[at + 8 : at + 8 + length]
        at += 12 + length
    return tuple(zlib.decompressobj().decompress(chunks, 4)[1:4])


STORIES = [
    ("Once upon a time there was a little fox named Pip who could not sleep.",
     " He ran and ran and ran and the the fox was sad. He ran to the tree and he ran. The end the end.",
     " He looked at the moon and asked his mother to sing. She sang softly about the sea, and soon Pip was fast asleep."),
    ("Lily found a small red box under her bed.",
     " She opened the box and there was a big dog. Lily said no no no. Her mom was mad.",
     " She opened the box and there was a tiny silver bell. Lily rang it, and her brother came to play. They shared it all day."),
    ("Tom wanted to share his cake with",
     " Ben. Ben said, \"No, it is mine.\" Tom cried. The cake fell down.",
     " Ben. Ben said, \"Thank you, Tom!\" They ate the cake and laughed. Tom was glad that he had shared it."),
]  # fmt: skip


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def dpo_row(step, steps, noise):
    done = step / steps
    grown = 1.6 * (1 - math.exp(-3 * done))
    return {
        "step": step, "epoch": round(2 * done, 4), "loss": 0.693 - 0.3 * grown + noise.gauss(0, 0.05),
        "grad_norm": 2 + abs(noise.gauss(0, 0.6)), "learning_rate": 3e-4 * (1 - done),
        "num_tokens": 4100 * step, "computed_tokens": 2900 * step, "tokens_per_second": 21000 + noise.gauss(0, 900),
        "step_seconds": 0.195 + abs(noise.gauss(0, 0.01)), "peak_rss_mb": 412.0,
        "rewards/chosen": 0.35 * grown + noise.gauss(0, 0.12), "rewards/rejected": -0.9 * grown + noise.gauss(0, 0.12),
        "rewards/margins": 1.25 * grown + noise.gauss(0, 0.15),
        "rewards/accuracies": min(1, max(0, 0.5 + 0.25 * grown + noise.gauss(0, 0.06))),
        "logps/chosen": -92 + 3 * grown + noise.gauss(0, 4), "logps/rejected": -97 - 9 * grown + noise.gauss(0, 4),
        "entropy": 1.9 - 0.2 * grown + noise.gauss(0, 0.03), "kl": 0.04 * grown + abs(noise.gauss(0, 0.003)),
        "completions/mean_length": 61 - 6 * done + noise.gauss(0, 2), "mean_token_accuracy": 0.61 + 0.02 * grown,
        **{f"grad_norm/layers.{i}": (1 + i / 8) * (1.5 - grown / 2) * math.exp(noise.gauss(0, 0.3)) for i in range(24)},
        "grad_norm/embed_tokens": 0.2 + abs(noise.gauss(0, 0.1)), "grad_norm/norm": 0.02,
    }  # fmt: skip


def make_run(folder, steps, evals=True, samples=True):
    folder.mkdir()
    noise = random.Random(7)
    rows = []
    for step in range(1, steps + 1):
        rows.append(dpo_row(step, steps, noise))
        if evals and (step == 1 or step % max(1, steps // 12) == 0):
            row = dpo_row(step, steps, noise)
            names = ("loss", "rewards/margins", "rewards/accuracies", "kl")
            rows.append({"step": step, **{"eval_" + name: row[name] for name in names}})
    write_jsonl(folder / "metrics.jsonl", rows)
    if samples:
        records = []
        for step in (0, steps // 2, steps):
            for i, (prompt, before, after) in enumerate(STORIES):
                text = before if step == 0 else after if step == steps else before[: len(before) // 2] + after[-40:]
                candidate = {"completion": text, "reward": 0.3 + 0.4 * step / steps + 0.02 * i}
                records.append({"id": f"story-{i}", "prompt": prompt, "candidates": [candidate], "step": step})
        write_jsonl(folder / "samples.jsonl", records)
    (folder / "recipe.yaml").write_text(
        "model: ../models/tinystories-656k\ndata:\n  path: pairs.jsonl\nmethod:\n  name: dpo\n  beta: 0.1\n"
        "training:\n  learning_rate: 0.0003\n  epochs: 2\n  batch_size: 16\noutput: runs/dpo\n"
    )
    run = {"version": "0.1.0", "state": "finished", "libtorch": "2.13.0", "seed": 0,
           "machine": {"cpu": "a processor of two cores", "threads": 2, "memory_gb": 16},
           "fingerprints": {"model": "6f1c2a9be0", "data": "b1946ac9249"},
           "started": "2025-01-01T10:00:00Z", "finished": "2025-01-01T10:01:12Z"}  # fmt: skip
    (folder / "run.json").write_text(json.dumps(run))
    return folder


def check(findings, stderr):
    assert findings["errors"] == []
    assert "CONSOLE" not in stderr, stderr
    assert findings["wide"] == []
    assert findings["scrollWidth"] <= findings["innerWidth"]
    assert findings["drawn"] == findings["charts"]
    assert findings["empty"] == 0


@pytest.fixture(scope="module")
def dpo_page(tmp_path_factory):
    return write_report(make_run(tmp_path_factory.mktemp("runs") / "dpo", 300))


@pytest.mark.parametrize("width", [1280, 390])
def test_a_full_run(dpo_page, tmp_path, width):
    findings, stderr = look(tmp_path, dpo_page, width)
    check(findings, stderr)
    assert findings["innerWidth"] == width
    assert findings["charts"] >= 8
    assert findings["axes"] == ["Loss", "step"]
    assert findings["strips"] == 26 and findings["inked"] > 26 * 12
    assert "step" in findings["hovered"] and "step" not in findings["before"]
    assert findings["smoothed"]
    first = findings["first"]
    assert first["prompt"] == STORIES[0][0] and first["count"] == "1 of 3"
    assert STORIES[0][1].strip() in first["left"] and STORIES[0][2].strip() in first["right"]
    assert "reward 0.7" in first["right"]
    assert STORIES[1][2].strip() in findings["second"], "the next prompt"


def test_dark_follows_the_system(dpo_page, tmp_path):
    light, _ = look(tmp_path, dpo_page)
    dark, _ = look(tmp_path, dpo_page, dark=True)
    brightness = lambda findings: sum(int(part) for part in findings["background"].strip("rgb()").split(","))
    assert brightness(light) > 600 and brightness(dark) < 150


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_screenshots_show_the_page(dpo_page, tmp_path, width, dark):
    corner = png_corner(screenshot(tmp_path, dpo_page, width, dark, 4600 if width > 700 else 9000))
    assert sum(corner) < 150 if dark else sum(corner) > 700


def test_three_rows_without_samples(tmp_path):
    page = write_report(make_run(tmp_path / "short", 3, evals=False, samples=False))
    check(*look(tmp_path, page, 390))


@pytest.mark.parametrize("last", [1e-6, 1e-310, 5e-324])
def test_a_loss_that_collapses(tmp_path, last):
    folder = tmp_path / "collapsed"
    folder.mkdir()
    rows = [{"step": step, "loss": 0.6931 * (last / 0.6931) ** (step / 80) if step < 80 else last, "grad_norm": 1.0} for step in range(81)]
    write_jsonl(folder / "metrics.jsonl", rows)
    findings, stderr = look(tmp_path, write_report(folder), 390)
    check(findings, stderr)
    assert findings["axes"] == ["Loss, logarithmic", "step"]


def test_nothing_logged(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    findings, stderr = look(tmp_path, write_report(folder), 390)
    assert findings["charts"] == 0
    check(findings, stderr)


def test_fifty_thousand_rows(tmp_path):
    page = write_report(make_run(tmp_path / "long", 50_000))
    assert page.stat().st_size < 3_000_000
    check(*look(tmp_path, page))


def test_missing_and_hostile_values(tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    hostile = "</script><script>throw new Error('escaped')</script><img src=x onerror=\"throw 1\">"
    rows = [
        {"step": 1, "loss": None, "kl": 1e308, "grad_norm": -1e-300, "rewards/" + hostile + "/mean": 1},
        {"step": 2, "loss": 1.0, "kl": -1e308, "a" * 300: 3, "text": "ignored"},
        {"step": 3, "loss": None, "reward_std": 0, "eval_loss": None},
    ]
    write_jsonl(folder / "metrics.jsonl", rows)
    word = "x" * 5000
    samples = [
        {"id": 1, "prompt": hostile, "candidates": [{"completion": hostile + word}], "step": 0},
        {"id": 1, "prompt": hostile, "candidates": [{"completion": hostile + "\u202e \x00 end"}], "step": 5},
        {"prompt": [{"role": "user", "content": hostile}], "candidates": [{"completion_ids": [1, 2]}], "step": 5},
    ]
    write_jsonl(folder / "samples.jsonl", samples)
    (folder / "recipe.yaml").write_text(hostile)
    (folder / "run.json").write_text(json.dumps({"state": "failed", hostile: hostile}))
    findings, stderr = look(tmp_path, write_report(folder), 390)
    check(findings, stderr)
    assert findings["first"]["prompt"] == hostile
