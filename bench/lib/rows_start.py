"""Rows 1 to 3: starts and reallocation of single instances."""

import time

from crun_peer import Crun
from figures import Figure
from grid import Failure, Grid, farm, fetch, party, wait_until

CRUN = 'crun run -d'
REST_S = 0.3  # the kernel takes a namespace away later, and who makes one meanwhile waits: no one is to pay for the other
PACE_S = 0.0002  # asking without any pause uses up the balancer's share of the processor, and measures that


def serving(port, is_new, limit_s=20):
    """The time at which somebody new answers at the port, and who."""
    end = time.time() + limit_s
    while time.time() < end:
        who = fetch(port)
        if who and is_new(who):
            return time.time(), who
        time.sleep(PACE_S)
    raise Failure(f'nobody new serves at port {port} within {limit_s} s')


def phases(events, begin):
    """Milliseconds that each event came after the one before; events are stamped by the controller."""
    steps, last = {}, begin
    for what, name in (('created', 'decision'), ('booting', 'document at host, network'),
                       ('running', 'create and start'), ('healthy', 'healthy')):
        at = next((at for at, text in events if text.startswith(what)), None)
        if at is not None:
            steps[name] = max(0, at - last) * 1000
            last = max(at, last)
    return steps, last


def row_start(quick):
    """1: an instance's cold start, from the request to serving through the balancer"""
    runs = 7 if quick else 30
    croft_ms, crun_ms, steps = [], [], {}
    with Grid('start', 1) as grid, Crun() as crun:
        grid.apply(party('acme'), farm('shop', 'acme', 1, grid.publish))
        grid.farm_ready('acme/shop', 'web', 1)
        wait_until('the balancer serves', lambda: fetch(grid.publish))
        for i in range(runs + 1):
            time.sleep(REST_S)
            begin = time.time()
            grid.api.scale('acme/shop', 'web', 2)
            at, who = serving(grid.publish, lambda who: who != 'web-1')
            grid.farm_ready('acme/shop', 'web', 2)
            split, last = phases(grid.api.events('acme/shop/' + who), begin)
            split['in balancer, served'] = max(0, at - last) * 1000
            grid.api.scale('acme/shop', 'web', 1)
            grid.farm_ready('acme/shop', 'web', 1)
            name = f'bench-{grid.port}-{i}'
            time.sleep(REST_S)
            took_ms = crun.run(name)
            crun.delete(name)
            if i:  # the first one warms caches of both
                croft_ms.append((at - begin) * 1000)
                crun_ms.append(took_ms)
                for step, value in split.items():
                    steps.setdefault(step, []).append(value)
    figures = [Figure('cold start to serving through the balancer', 'ms', croft_ms, CRUN, crun_ms, ratio_max=1.5)]
    return figures + [Figure('- ' + step, 'ms', values) for step, values in steps.items()], []


def row_warm(quick):
    """2: a warm instance, from the decision to serving"""
    runs = 7 if quick else 30
    decided_ms, asked_ms = [], []
    with Grid('warm', 1) as grid:
        grid.apply(party('acme'), farm('shop', 'acme', 1, grid.publish, tier={'warm': 1}))
        for i in range(runs + 1):
            grid.farm_ready('acme/shop', 'web', 1)
            wait_until('a frozen instance waits', lambda: [
                item for item in grid.api.items('instances').values()
                if item.get('warm') and item['state'] == 'running' and item['health'] == 'good'])
            olds = {fetch(grid.publish) for _ in range(4)}
            time.sleep(REST_S)
            begin = time.time()
            grid.api.scale('acme/shop', 'web', 2)
            at, who = serving(grid.publish, lambda who: who not in olds)
            decided = [when for when, what in grid.api.events('acme/shop/' + who) if what == 'activated']
            if i:
                asked_ms.append((at - begin) * 1000)
                decided_ms.append((at - (decided[-1] if decided else begin)) * 1000)
            grid.farm_ready('acme/shop', 'web', 2)
            grid.api.scale('acme/shop', 'web', 1)
    return [Figure('warm start: decision to serving', 'ms', decided_ms, median_max=5),
            Figure('- from the request', 'ms', asked_ms)], ['Decisions are stamped in whole milliseconds.']


def row_reallocation(quick):
    """3: one tenant's place on a host becomes another's: drain to serving"""
    runs = 7 if quick else 30
    took_ms = []
    with Grid('realloc', 1, capacity='cpus=4,memory=16Gi,disk=100Gi,network=10G') as grid:
        ports = {'acme': grid.publish, 'zeta': grid.publish + 1}
        size = {'size': {'cpus': 1, 'memory': '64Mi', 'disk': '16Mi'}}
        grid.apply(party('acme'), party('zeta'), farm('shop', 'acme', 1, ports['acme'], size),
                   farm('shop', 'zeta', 1, ports['zeta'], size))
        for owner in ports:
            grid.farm_ready(f'{owner}/shop', 'web', 1)
        room = fill(grid)
        giver, taker = 'acme', 'zeta'
        grid.api.scale(f'{giver}/shop', 'web', 1 + room)
        grid.farm_ready(f'{giver}/shop', 'web', 1 + room)
        counts = {giver: 1 + room, taker: 1}
        for i in range(runs + 1):
            olds = {fetch(ports[taker]) for _ in range(4 * counts[taker])}
            time.sleep(REST_S)
            begin = time.time()
            counts[giver] -= 1
            counts[taker] += 1
            grid.api.scale(f'{giver}/shop', 'web', counts[giver])
            grid.api.scale(f'{taker}/shop', 'web', counts[taker])
            at, _ = serving(ports[taker], lambda who: who not in olds)
            if i:
                took_ms.append((at - begin) * 1000)
            for owner in ports:
                grid.farm_ready(f'{owner}/shop', 'web', counts[owner])
            giver, taker = taker, giver
    return [Figure('reallocation between tenants: drain to serving', 'ms', took_ms, median_max=100)], []


def fill(grid):
    """How many more instances of one core fit the only host."""
    host = next(iter(grid.api.items('hosts').values()))
    free = float(host['capacity']['cpus']) - float(host['used']['cpus'])
    if free < 1:
        raise Failure(f'the host is too small for the row: {host["capacity"]}, {host["used"]}')
    return int(free)
