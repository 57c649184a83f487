"""Sealed commands against plain ones."""

import os
import shutil
import subprocess
import time

from figures import Figure
from grid import CROFT, Failure, Grid, farm, party, wait_until

USAGE = 2  # what the guest ends with at once when it is not told what to do


def row_sealed(quick):
    """a command in an instance and its log, sealed from a tenant's desk, against the same in plain words; whole processes, in turns"""
    runs = 30 if quick else 200
    desk = f'/tmp/bench-{os.getpid()}-desk'
    with Grid('sealed', 1) as grid:
        try:
            grid.apply(party('acme'), party('brio'), farm('shop', 'acme', 1), farm('shop', 'brio', 1))
            for name in 'acme', 'brio':
                grid.farm_ready(f'{name}/shop', 'web', 1)
            wait_until('keys of acme', lambda: [row for row in grid.api.ask('GET', 'keys')['keys'] if row['party'] == 'acme'])
            timed(grid, desk, 'key', 'take', 'acme/shop')
            figures = []
            for what, words, rest in (
                    ('a command: croft exec', 'exec', ('--', '/bin/guest')),
                    ('one message: croft logs', 'logs', ())):
                sealed, plain = [], []
                for i in range(runs + 3):  # the first ones warm up
                    sealed += [timed(grid, desk, words, 'acme/shop/web-1', *rest)][:i // 3]
                    plain += [timed(grid, desk + '-none', words, 'brio/shop/web-1', *rest)][:i // 3]
                figures.append(Figure(what, 'ms', sealed, 'the same in plain words', plain, ratio_max=1.5))
            return figures, ['Of a desk with a console key the question on which host an instance is is part of it.']
        finally:
            shutil.rmtree(desk, ignore_errors=True)


def timed(grid, home, *words):
    """Milliseconds of a whole process."""
    at = words.index('--') if '--' in words else len(words)
    command = [CROFT, *words[:at], '--server', f'http://127.0.0.1:{grid.port}', '--state', grid.state, *words[at:]]
    begin = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30,
                          env={**os.environ, 'XDG_CONFIG_HOME': home}, check=False)
    took = time.perf_counter() - begin
    if done.returncode not in (0, USAGE):
        raise Failure(f'{" ".join(map(str, command))}: {done.returncode} {done.stderr.decode()[-300:]}')
    return took * 1000
