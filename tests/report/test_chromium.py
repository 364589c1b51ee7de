"""The report in a browser: no network request, an empty console, all pictures, no horizontal scrolling.

    make test-slow

Headless Chromium opens the file and logs all network requests. Sizes are measured by a script in a *copy* of
the page, because the page itself forbids scripts. It runs in a frame, because a window is at least 500 pixels
wide.
"""

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from morphogen.report import write_report
from morphogen.report.rows import TABLE_MEASURES
from report.rows_of import REPORT, interval

pytestmark = pytest.mark.slow

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--v=0",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # blocks the browser's own requests as well
)
LONG = "progressive_distillation"  # the longest name of a system
LIGHT, DARK = (), ("--blink-settings=preferredColorScheme=0",)
PROBE = """<script>addEventListener("load", () => {
  const root = document.documentElement;
  const texts = [...document.querySelectorAll("p, li, td, dd, small")];
  const table = document.querySelector(".scroll"), swipe = document.querySelector(".swipe");
  const inside = (text, box) => text.left >= box.left - 1 && text.right <= box.right + 1
    && text.top >= box.top - 1 && text.bottom <= box.bottom + 1;
  const clipped = [...document.querySelectorAll("svg text")].filter(e => e.getBoundingClientRect().width > 0
    && !inside(e.getBoundingClientRect(), e.ownerSVGElement.getBoundingClientRect()));
  parent.postMessage(JSON.stringify({
  inner: innerWidth, scroll: root.scrollWidth, pictures: document.images.length,
  missing: [...document.images].filter(i => !i.complete || i.naturalWidth === 0).length,
  plots: [...document.querySelectorAll(".plot")].filter(p => p.offsetParent !== null).length,
  table: table.scrollWidth - table.clientWidth,
  swipe: swipe.offsetHeight > 0, clipped: clipped.map(e => e.textContent),
  labels: [...document.querySelectorAll("svg text")].filter(e => e.getBoundingClientRect().width > 0).length,
  small: Math.min(...texts.map(e => parseFloat(getComputedStyle(e).fontSize))),
  paper: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.body).color}), "*") })</script>"""
FRAME = """<!DOCTYPE html><meta name="color-scheme" content="light dark"><script>
addEventListener("message", event => { document.documentElement.dataset.probe = event.data })</script>
<iframe src="probed.html" style="border:0;width:%dpx;height:800px"></iframe>"""


def browse(page: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Open a page with a fresh profile; returns the output of the browser, including its console."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program is not None, "no chromium on the PATH: apt-get install chromium"
    profile = page.parent / "profile"
    shutil.rmtree(profile, ignore_errors=True)
    command = [program, *FLAGS, f"--user-data-dir={profile}", *flags, page.resolve().as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def console(result: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in result.stderr.splitlines() if "CONSOLE" in line]


def network_requests(log: Path) -> list[str]:
    """The network addresses that a page requested; the browser's own requests have no page as initiator."""
    parameters = [event["params"] for event in json.loads(log.read_text())["events"] if "params" in event]
    urls = {
        str(known["url"])
        for known in parameters
        if "url" in known and known.get("initiator", "not an origin") != "not an origin"
    }
    return sorted(url for url in urls if not url.startswith(("file:", "data:")))


def probed(page: Path, width: int, colours: tuple[str, ...] = LIGHT) -> dict[str, Any]:
    """Sizes and colours, measured by a script in a copy of the page."""
    inside = page.with_name("probed.html")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf8"))
    inside.write_text(text.replace("</head>", PROBE + "</head>"), encoding="utf8")
    frame = page.with_name("frame.html")
    frame.write_text(FRAME % width)
    dom = browse(
        frame, f"--window-size={width + 40},900", "--virtual-time-budget=3000", "--dump-dom", *colours
    ).stdout
    found = re.search(r'data-probe="([^"]*)"', dom)
    assert found is not None, "the probe did not run"
    return json.loads(found[1].replace("&quot;", '"'))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("report")
    report = copy.deepcopy(REPORT) | {
        "labels": ["zero", "one"],
        "data": "a-folder-with-a-rather-long-name-of-photographs",
    }
    for known, name in zip(report["rows"][2:], ("gated_pixelcnn", "wgan_gp", LONG), strict=False):
        known["system"] = name
    for number, scale in ((2, 1.0), (3, 123456.789), (4, -1e-4)):
        folder = directory / f"run-{number}"
        report["rows"][number]["run"] = folder.name
        folder.mkdir()
        for name, key, factor in (("metrics", "loss", scale / 7), ("timings", "seconds", 1000.0)):
            lines = [json.dumps({"step": s, "player": "model", key: s * factor}) for s in range(1, 40)]
            (folder / f"{name}.jsonl").write_text("\n".join(lines))
    samples = {
        row["system"]: [Image.effect_noise((16, 16), 80) for _ in range(20)] for row in report["rows"][:5]
    }
    return write_report(report, samples, directory)


def test_there_are_no_requests_and_the_console_is_empty(page, tmp_path):
    log = tmp_path / "net.json"
    result = browse(page, f"--log-net-log={log}", "--virtual-time-budget=3000", "--dump-dom")
    assert "</html>" in result.stdout and console(result) == []
    assert network_requests(log) == []


def test_a_request_and_an_error_would_be_detected(tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text('<img src="http://127.0.0.1:9/x.png"><script>console.error("seen")</script>')
    result = browse(bad, f"--log-net-log={tmp_path / 'net.json'}", "--virtual-time-budget=3000", "--dump-dom")
    assert console(result) and "http://127.0.0.1:9/x.png" in network_requests(tmp_path / "net.json")


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_pictures_load_and_the_page_does_not_scroll_horizontally(page, width):
    found = probed(page, width)
    assert found["inner"] == width
    assert found["scroll"] <= width, "the page is wider than the screen"
    assert (found["pictures"], found["missing"]) == (100, 0)
    assert found["plots"] == 1 and found["small"] >= 11
    assert width > 390 or found["table"] > 0, "the wide table scrolls inside its own box"
    assert found["swipe"] == (found["table"] > 0), "and the reader is told so"
    assert found["clipped"] == [] and found["labels"] > 20


def test_light_and_dark_follow_the_preference(page):
    light, dark = probed(page, 1280), probed(page, 1280, DARK)
    assert light["paper"] == dark["paper"].replace("22, 24, 27", "252, 251, 248") != dark["paper"]
    assert light["ink"] != dark["ink"]


def test_a_clipped_label_would_be_detected(page, tmp_path):
    text = page.read_text(encoding="utf8").replace(f">{LONG}<", f">{LONG * 3}<")
    copied = tmp_path / "report.html"
    copied.write_text(text, encoding="utf8")
    assert LONG * 3 in probed(copied, 390)["clipped"]


def test_the_edge_of_the_scrolled_table_is_shaded(page, tmp_path):
    """At 390 pixels the right edge of the table is darker than the paper, until it is scrolled there."""
    text = page.read_text(encoding="utf8")
    edges = []
    policy = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    for end in ("0", "9999"):
        probe = "<script>const box = document.querySelector('.scroll');"
        probe += f"box.scrollIntoView({{behavior: 'instant'}}); box.scrollLeft = {end}</script>"
        (tmp_path / "report.html").write_text(policy.replace("</body>", probe + "</body>"), encoding="utf8")
        (tmp_path / "frame.html").write_text(
            '<body style="margin:0"><iframe src="report.html" style="border:0;width:390px;height:500px">'
        )
        shot = tmp_path / "shot.png"
        browse(tmp_path / "frame.html", "--window-size=500,500", f"--screenshot={shot}")
        edges.append(Image.open(shot).convert("L").crop((376, 100, 380, 104)).getextrema()[0])
    assert edges[0] < 235 < edges[1]


@pytest.mark.parametrize(("width", "height"), [(360, 4000), (1280, 3000)])
def test_a_screenshot_is_not_blank(page, tmp_path, width, height):
    shot = tmp_path / "shot.png"
    browse(page, f"--window-size={width},{height}", f"--screenshot={shot}")
    picture = Image.open(shot).convert("L")
    assert picture.size == (width, height)
    low, high = picture.getextrema()
    assert low < 80 and high > 240, "dark text on a light background"


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_of_a_table_does_not_scroll_and_its_rows_can_be_read(tmp_path, width):
    """Eight figures, a rule with long names, and one picture of rows, wider than a phone."""
    figures = {measure.key: interval(0.5) for measure in TABLE_MEASURES}
    rule = {
        "text": "a_column_of_long_name, another → third",
        "held_out": None,
        "synthetic": interval(0.4),
    }
    report = copy.deepcopy(REPORT)
    for known in report["rows"][:5]:
        known["table"] = {"figures": figures, "details": {"rules": [rule]}}
    rows = {row["system"]: [Image.effect_noise((700, 460), 80)] for row in report["rows"][:2]}
    found = probed(write_report(report, rows, tmp_path), width)
    assert found["scroll"] <= width and (found["pictures"], found["missing"]) == (2, 0)
    text = (tmp_path / "report.html").read_text(encoding="utf8")
    assert text.count('class="swipe') == 3, "two tables of figures and one of rules say that they scroll"
