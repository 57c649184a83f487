"""Rows 4 to 7: whole grids: lost hosts, starts, scaling under load."""

import concurrent.futures
import itertools
import os
import re
import signal
import subprocess
import time

from crun_peer import Crun
from figures import Figure
from grid import CROFT, Failure, Grid, farm, fetch, party, wait_until

NAMESPACES = ['unshare', '--mount', '--pid', '--net', '--ipc', '--uts', '--fork', 'true']


def row_death(quick):
    """4: a host's first process killed, to all its instances serving again elsewhere"""
    kills, took_ms, detect_ms = 10 if quick else 50, [], []
    with Grid('death', 6, racks=3) as grid:
        grid.apply(party('acme'), farm('shop', 'acme', 12, grid.publish, {'spread': 'host'}))
        good = grid.farm_ready('acme/shop', 'web', 12)
        for _ in range(kills):
            hosts = grid.api.items('hosts')
            balancers = {item['host'] for item in grid.api.items('instances').values() if item['tier'] == 'balance'}
            busy = sorted({item['host'] for item in good})
            # Both kinds of loss: hosts with the farm's balancer on them, and hosts without.
            victim = busy[len(took_ms) % len(busy)]
            begin = time.time()
            os.kill(int(hosts[victim]['pid']), signal.SIGKILL)
            good = all_serving(grid, victim, 12, balancers)
            took_ms.append((time.time() - begin) * 1000)
            down = [at for at, what in grid.api.events(victim) if what == 'down' and at >= begin - 0.001]
            if down:
                detect_ms.append((down[0] - begin) * 1000)
            grid.croft('power', victim, 'on')
            wait_until(f'{victim} is up again', lambda: grid.api.items('hosts')[victim]['state'] == 'up')
    return [Figure('host killed, to all its instances serving', 'ms', took_ms, p99_max=1000),
            Figure('- to the host known to be down', 'ms', detect_ms)], []


def all_serving(grid, lost, count, balancers):
    """All members run and are healthy, none on the lost host, and each was seen through the balancer."""
    good = wait_until('all run elsewhere', lambda: lost not in (
        found := {item['host'] for item in grid.api.items('instances').values()}) and found and
        healthy(grid, count))
    wanted = {item['name'].rpartition('/')[2] for item in good}
    seen = set()
    wait_until('all serve', lambda: (seen.add(fetch(grid.publish, 0.2)), wanted <= seen)[1], step_s=0)
    return good


def healthy(grid, count):
    mine = [item for item in grid.api.items('instances').values() if item['tier'] == 'web']
    good = [item for item in mine if item['state'] == 'running' and item['health'] == 'good']
    return good if len(good) == count == len(mine) else None


def row_up(quick):
    """5: croft up with eight hosts, to ready"""
    up_ms, limit_ms = [], []
    for i in range(3 if quick else 7):
        begin = time.perf_counter()
        with subprocess.Popen([*NAMESPACES]) as first:
            others = [subprocess.Popen(NAMESPACES) for _ in range(7)]
            for process in [first, *others]:
                process.wait()
        limit_ms.append((time.perf_counter() - begin) * 1000)
        state = f'/tmp/bench-{os.getpid()}-up{i}'
        begin = time.perf_counter()
        try:
            subprocess.run([CROFT, 'up', '--hosts', '8', '--state', state, '--listen', '127.0.0.1:7700', '--detach'],
                           check=True, stdout=subprocess.DEVNULL)
            up_ms.append((time.perf_counter() - begin) * 1000)
        finally:
            subprocess.run([CROFT, 'down', '--state', state], check=True, stdout=subprocess.DEVNULL)
            subprocess.run(['rm', '-rf', state], check=True)
    return [Figure('croft up --hosts 8, to ready', 'ms', up_ms, '8 × bare namespaces', limit_ms)], []


def row_many(quick):
    """6: two hundred instances on eight hosts, from nothing to all healthy"""
    took_ms, limit_ms, count = [], [], 200
    for i in range(1 if quick else 3):
        with Grid(f'many{i}', 8) as grid:
            begin = time.perf_counter()
            grid.apply(party('acme'), farm('shop', 'acme', count, grid.publish, {
                'size': {'cpus': 0.25, 'memory': '32Mi', 'disk': '16Mi'}}))
            grid.farm_ready('acme/shop', 'web', count, step_s=0.02)
            took_ms.append((time.perf_counter() - begin) * 1000)
        limit_ms.append(many_crun(count))
    return [Figure('200 instances on 8 hosts, to all healthy', 'ms', took_ms, '200 × crun run -d, 4 at once',
                   limit_ms)], []


def many_crun(count):
    """Milliseconds for as many bare containers, a quarter each in four workers at once."""
    numbers = itertools.count()
    with Crun() as a, Crun() as b, Crun() as c, Crun() as d:
        def work(crun):
            for _ in range(count // 4):
                crun.run(f'bench-{os.getpid()}-many{next(numbers)}')
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            begin = time.perf_counter()
            list(pool.map(work, (a, b, c, d)))
            return (time.perf_counter() - begin) * 1000


def row_lost(quick):
    """7: requests lost while a tier is scaled up and down under load"""
    cycles = 3 if quick else 10
    with Grid('lost', 3, racks=3) as grid:
        grid.apply(party('acme'), farm('shop', 'acme', 2, grid.publish))
        grid.farm_ready('acme/shop', 'web', 2)
        wait_until('the balancer serves', lambda: fetch(grid.publish))
        seconds = cycles * 4
        wrk = subprocess.Popen(['wrk', '-t1', '-c16', f'-d{seconds}s', f'http://127.0.0.1:{grid.publish}/'],
                               stdout=subprocess.PIPE, text=True)
        changes = 0
        while wrk.poll() is None:
            for count in (8, 2):
                grid.api.scale('acme/shop', 'web', count)
                grid.farm_ready('acme/shop', 'web', count)
                changes += wrk.poll() is None
        text = wrk.communicate()[0]
    total = int(re.search(r'(\d+) requests in', text).group(1))
    broken = re.search(r'Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)', text)
    refused = re.search(r'Non-2xx or 3xx responses: (\d+)', text)
    lost = sum(map(int, broken.groups())) if broken else 0
    lost += int(refused.group(1)) if refused else 0
    if not total or changes < 2:
        raise Failure(f'no load or no change: {total} requests, {changes} changes')
    return [Figure('requests lost while scaling under load', 'requests', [lost], median_max=0),
            Figure('- requests meanwhile', 'requests', [total]), Figure('- changes meanwhile', 'changes', [changes])], []
