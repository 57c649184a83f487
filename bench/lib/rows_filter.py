"""Rows of parties' filters: what a change of one costs, what a packet pays for them, and whether any slips through."""

from figures import Figure
from grid import FILTERS, run


def measured(*words):
    """What build/bench/filters printed: lists of numbers by their name."""
    found = {}
    for line in run(FILTERS, *map(str, words)).splitlines():
        name, value = line.split()
        found.setdefault(name, []).append(float(value))
    return found


def row_filter_swap(quick):
    """a party's filter, changed to enforced, beside few and many entries of others; packets that leak meanwhile"""
    runs, swaps = (10, 100) if quick else (50, 1000)
    figures, few = [], None
    for entries in (10, 1000, 100000):
        found = {name: [value / 1e3 for value in values] for name, values in measured('swap', entries, runs).items()}
        few = few or found['others']
        figures.append(Figure(f'a filter changed to enforced, {entries:,} entries of other tenants', 'ms', found['others'],
                              '10 entries', few, ratio_max=1.5, median_max=1))
        figures.append(Figure('- and of another party in the same farm', 'ms', found['own']))
    found = measured('leak', swaps)
    figures.append(Figure(f'packets leaked during {swaps:,} swaps', 'packets', found['leaked'], median_max=0))
    figures.append(Figure('- sent meanwhile to where none may go', 'packets', found['sent']))
    return figures, []


def row_filter_cost(quick):
    """a packet between instances through three parties' filters, against none"""
    figures = []
    for rules in (30, 3000):
        found = measured('cost', rules, 5 if quick else 25)
        for what in ('lasting', 'beginning'):
            figures.append(Figure(f'a packet of a connection {"that lasts" if what == "lasting" else "that begins"}, '
                                  f'{rules:,} rules', 'µs', [value / 1e3 for value in found[f'{what}-filtered']],
                                  'no filters', [value / 1e3 for value in found[f'{what}-free']], ratio_max=1.25))
    return figures, []
