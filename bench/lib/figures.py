"""Figures: what a row measured, how it is shown, and where it is written."""

import dataclasses
import math
import os
import pathlib
import platform
import time

BEGIN, END = '<!-- figures: written by bench/run -->', '<!-- end of figures -->'
COLUMNS = ('row', 'what', 'unit', 'croft', 'p99', 'runs', 'peer or limit', 'its median', 'ratio', 'bar', 'met')


def median(values):
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def percentile(values, part):
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


@dataclasses.dataclass
class Figure:
    """One line: croft's values, the peer's from the same run, and the bar on one of the two."""
    what: str
    unit: str
    values: list
    peer: str = ''
    peer_values: list = dataclasses.field(default_factory=list)
    ratio_max: float = None   # of the medians
    ratio_min: float = None
    median_max: float = None
    p99_max: float = None
    row: str = ''

    def cells(self):
        ratio = median(self.values) / median(self.peer_values) if self.peer_values and median(self.peer_values) else None
        bars = [('ratio at most', self.ratio_max, ratio, True), ('ratio at least', self.ratio_min, ratio, False),
                ('median at most', self.median_max, median(self.values), True),
                ('p99 at most', self.p99_max, percentile(self.values, 0.99), True)]
        bars = [bar for bar in bars if bar[1] is not None]
        met = all(got is not None and (got <= bar if upper else got >= bar) for _, bar, got, upper in bars)
        return (self.row, self.what, self.unit, number(median(self.values)),
                number(percentile(self.values, 0.99)) if len(self.values) > 1 else '', str(len(self.values)), self.peer,
                number(median(self.peer_values)) if self.peer_values else '', number(ratio),
                ', '.join(f'{text} {bar:g}' for text, bar, _, _ in bars), ('yes' if met else 'NO') if bars else '')


def number(value):
    if value is None:
        return ''
    if value == 0 or abs(value) >= 100:
        return f'{value:,.0f}'
    return f'{value:.3g}'


def table(figures):
    """As lines of text, in columns."""
    rows = [COLUMNS] + [figure.cells() for figure in figures]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    return ['  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def write_files(tsv, readme, figures, order):
    """Into the TSV and between the markers of README.md; rows that were not measured now stay as they were."""
    tsv, readme = pathlib.Path(tsv), pathlib.Path(readme)
    fresh = [figure.cells() for figure in figures]
    measured = {cells[0] for cells in fresh}
    old = [tuple(line.split('\t')) for line in tsv.read_text().splitlines()[1:]] if tsv.exists() else []
    rows = fresh + [cells for cells in old if cells[0] not in measured and cells[0] in order]
    rows.sort(key=lambda cells: order.index(cells[0]))
    tsv.write_text(''.join('\t'.join(cells) + '\n' for cells in [COLUMNS, *rows]))
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = [BEGIN, '', machine(), '', '| ' + ' | '.join(COLUMNS) + ' |', '|' + ' --- |' * len(COLUMNS)]
    lines += ['| ' + ' | '.join(cells) + ' |' for cells in rows] + ['', END]
    readme.write_text(before + '\n'.join(lines) + after)


def machine():
    load = os.getloadavg()
    return (f'{time.strftime("%Y-%m-%d")}, Linux {platform.release()}, {os.cpu_count()} cores, load before it '
            f'{load[0]:.1f}. Medians; on a machine that others use too, trust the ratios.')
