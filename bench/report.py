"""How results are shown: a table for people, JSON for programs, and an SVG chart of the ratios to native."""

import html
import json
import math
import statistics


def median(cell):
    return statistics.median(cell["samples"]) if cell and cell.get("samples") else None


def show(value, unit):
    if unit == "kB":
        return f"{value / 1024:.1f} MB"
    for name, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {name}" if value < 1000 * size else f"{value / size:.0f} {name}"
    return f"{value:.0f} ns"


def geometric_mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def ratios_of(rows, name, base, group=None):
    found = []
    for row in rows:
        a, b = median(row["cells"].get(name)), median(row["cells"].get(base))
        if a and b and group in (None, row["group"]):
            found.append(a / b)
    return found


def table(rows, contenders, base):
    """base: the contender that ratios are to."""
    width = max(len(r["name"]) for r in rows) + 2
    lines = ["".ljust(width) + "".join(c.rjust(20) for c in contenders)]
    group = None
    for row in rows:
        if row["group"] != group:
            group = row["group"]
            lines.append(f"-- {group}")
        line = row["name"].ljust(width)
        reference = median(row["cells"].get(base))
        for c in contenders:
            cell = row["cells"].get(c)
            value = median(cell)
            if value is None:
                text = "failed" if cell and cell.get("error") else "-"
            else:
                text = show(value, row["unit"])
                if c != base and reference:
                    text += f" {value / reference:6.2f}x"
            line += text.rjust(20)
        lines.append(line)
    for group in dict.fromkeys(r["group"] for r in rows):
        line = f"geometric mean, {group}".ljust(width)
        for c in contenders:
            ratios = [] if c == base else ratios_of(rows, c, base, group)
            line += (f"{geometric_mean(ratios):.2f}x" if ratios else "").rjust(20)
        lines.append(line)
    return "\n".join(lines)


def errors(rows):
    """One line an error, though all rows of a group may share it."""
    found = {}
    for row in rows:
        for c, cell in row["cells"].items():
            if cell.get("error"):
                found.setdefault((row["group"], c, cell["error"]), []).append(row["name"])
    return [f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {c}: {error}"
            for (_, c, error), names in found.items()]


def write_json(path, facts, rows):
    for row in rows:
        for cell in row["cells"].values():
            cell["median"] = median(cell)
    with open(path, "w") as f:
        json.dump({"machine": facts, "results": rows}, f, indent=1)


COLOURS = ["#888888", "#4878a8", "#c06048", "#58a068", "#9068b0"]


def write_svg(path, facts, rows, contenders, base):
    """A group of bars for each benchmark, as long as the logarithm of its ratio to base."""
    shown = [c for c in contenders if c != base]
    rows = [r for r in rows if median(r["cells"].get(base))]
    left, width, bar, gap = 250, 900, 9, 8
    top = 70
    largest = max([10.0] + [x for c in shown for x in ratios_of(rows, c, base)])
    scale = (width - left - 80) / math.log10(largest * 2)
    x_of = lambda ratio: left + max(0.0, math.log10(ratio * 2)) * scale  # the axis starts at half
    height = top + len(rows) * (len(shown) * bar + gap) + 30
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           f'font-family="sans-serif" font-size="11">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           f'<text x="10" y="20" font-size="14">Time, or memory, relative to {base} (logarithmic; shorter is better)</text>',
           f'<text x="10" y="38" fill="#555">{html.escape(facts["cpu"])}, {facts["cpus"]} CPUs, '
           f'Linux {html.escape(facts["kernel"])}, {facts["date"]}</text>']
    for i, c in enumerate(shown):
        out.append(f'<rect x="{10 + i * 150}" y="48" width="10" height="10" fill="{COLOURS[(i + 1) % len(COLOURS)]}"/>'
                   f'<text x="{25 + i * 150}" y="57">{html.escape(c)}</text>')
    for tick in (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000):
        if tick <= largest:
            x = x_of(tick)
            out.append(f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{height - 20}" '
                       f'stroke="{"#333" if tick == 1 else "#ddd"}"/>'
                       f'<text x="{x:.1f}" y="{height - 6}" text-anchor="middle">{tick:g}x</text>')
    y = top + 2
    for row in rows:
        out.append(f'<text x="{left - 8}" y="{y + len(shown) * bar / 2 + 4:.1f}" text-anchor="end">'
                   f'{html.escape(row["name"])}</text>')
        for i, c in enumerate(shown):
            value = median(row["cells"].get(c))
            if value:
                ratio = value / median(row["cells"][base])
                x = x_of(ratio)
                out.append(f'<rect x="{left}" y="{y + i * bar}" width="{max(1.0, x - left):.1f}" height="{bar - 1}" '
                           f'fill="{COLOURS[(i + 1) % len(COLOURS)]}"/>'
                           f'<text x="{x + 3:.1f}" y="{y + i * bar + 8}" font-size="8">{ratio:.2f}</text>')
        y += len(shown) * bar + gap
    out.append("</svg>")
    with open(path, "w") as f:
        f.write("\n".join(out))
