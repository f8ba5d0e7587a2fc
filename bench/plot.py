"""plot.py: bars of the main figures, as SVG, by nothing but strings."""
from html import escape

WIDTH, PANEL_WIDTH, LABEL, VALUE = 960, 470, 150, 60
ROW, TITLE, GAP = 20, 34, 18

# A panel: workload, figure, title.
PANELS = [
    ("fan-out-1000", "cost", "CPU a delivery, 1,000 watchers (µs)"),
    ("fan-out-5000", "cost", "CPU a delivery, 5,000 watchers (µs)"),
    ("wide", "cost", "CPU an update, 8,000 sessions (µs)"),
    ("steady", "latency p99", "p99 from POST to frame, 100 updates/s (ms)"),
    ("connect", "cost", "CPU a connect (µs)"),
    ("connect", "idle", "memory of an idle connection (KB)"),
]

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #333 }
.title { font-weight: 600 }
.value { font-size: 12px }
.bar { fill: #b8bfc9 }
.ours { fill: #2f6fde }
.floor { fill: #dfe3e8 }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .bar { fill: #6b7480 } .ours { fill: #6aa0ff } .floor { fill: #454c55 }
}
"""


def kind(name):
    return "ours" if name.startswith("milepost") else "floor" if name.startswith("floor") else "bar"


def bars(values, x, y):
    most = max(values.values()) or 1
    room = PANEL_WIDTH - LABEL - VALUE
    for i, (name, value) in enumerate(values.items()):
        top = y + TITLE + i * ROW
        length = max(1, room * value / most)
        yield f'<text x="{x + LABEL - 8}" y="{top + 13}" text-anchor="end">{escape(name)}</text>'
        yield (f'<rect class="{kind(name)}" x="{x + LABEL}" y="{top + 2}" width="{length:.1f}" height="{ROW - 6}" '
               'rx="2"/>')
        yield f'<text class="value" x="{x + LABEL + length + 6:.1f}" y="{top + 13}">{value:.3g}</text>'


def draw(medians):
    """The panels whose figures were measured, two beside each other."""
    panels = []
    for workload, figure, title in PANELS:
        values = {name: v[figure] for name, v in medians.get(workload, {}).items() if figure in v}
        if values:
            panels.append((title, values))
    parts, y = [], 10
    for i in range(0, len(panels), 2):
        for j, (title, values) in enumerate(panels[i:i + 2]):
            x = j * (WIDTH - PANEL_WIDTH)
            parts.append(f'<text class="title" x="{x + 10}" y="{y + 20}">{escape(title)}</text>')
            parts += bars(values, x, y)
        y += TITLE + ROW * max(len(values) for _, values in panels[i:i + 2]) + GAP
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}">\n'
            f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n")
