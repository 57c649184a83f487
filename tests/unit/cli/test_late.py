#!/usr/bin/python3
"""Commands that work by themselves load no library of the grid; those that ask a controller do, before they begin.

usage: test_late.py CROFT
"""

import os
import pathlib
import subprocess
import sys
import tempfile

GRID = ('{"kind": "Host", "name": "h1", "zone": "east/r1", "capacity": {"cpus": 4, "memory": "8Gi"}}\n'
        '{"kind": "Instance", "name": "acme/shop/web-1", "host": "h1", "size": {"cpus": 1, "memory": "1Gi"}}\n')
HEAVY = ['libssl', 'libcrypto', 'libevent', 'libsqlite3', 'libarchive', 'libnftables']


def loaded(croft, *words, code=0):
    """The libraries of HEAVY that the command initialised."""
    done = subprocess.run([croft, *words], env={**os.environ, 'LD_DEBUG': 'files', 'CROFT_TOKEN': 'none'}, timeout=60,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != code:
        sys.exit(f'croft {" ".join(words)}: exit {done.returncode}, not {code}')
    return [one for one in HEAVY if any('calling init' in line and one in line for line in done.stderr.splitlines())]


def main():
    croft = sys.argv[1]
    with tempfile.TemporaryDirectory() as directory:
        grid = pathlib.Path(directory, 'grid.ndjson')
        grid.write_text(GRID)
        light = [['--version'], ['--help'], ['whatif', '--help'], ['man'], ['completion', 'zsh'],
                 ['whatif', '--grid', grid, '--fail', 'host/h1', '-o', 'json'],
                 ['fit', '--grid', grid, '--size', 'cpus=1', '--survive', 'host'], ['balance', '--grid', grid],
                 ['bench', 'place', '--hosts', '10', '--instances', '20', '--zones', '2', '--racks', '2', '--seed', '1']]
        for words in light:
            found = loaded(croft, *map(str, words))
            if found:
                sys.exit(f'croft {words[0]} loads {", ".join(found)}')
    asks = loaded(croft, 'whatif', '--fail', 'host/h1', '--server', 'http://127.0.0.1:1', code=5)
    if asks != HEAVY:
        sys.exit(f'asking a controller loads only {asks}')


main()
