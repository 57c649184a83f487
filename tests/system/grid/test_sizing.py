#!/usr/bin/python3
"""System test: farms of two parties size themselves by their load on one grid that is too small for both.
usage: test_sizing.py CROFT"""

import http.client
import json
import sys
import threading

from grid import Callers, Grid, Tap, equal, kill, needs_root, wait_until

tap = Tap()
GOLD, BRONZE = 'acme/shop', 'globex/batch'
TARGET_MS, PERCENTILE = 1000, 95
COUNT = {GOLD: {'committed': 2, 'guaranteed': 3, 'max': 6}, BRONZE: {'committed': 1, 'guaranteed': 2, 'max': 4}}

# An instance serves one request at a time, in 80 ms: who wants the token in the pipe has to wait for it. So it takes more
# instances to serve more, on a busy machine as on an idle one.
START = 'mkfifo /tmp/one && exec 3<>/tmp/one && echo >&3 && exec httpd -f -p 8080 -h /www'
SERVE = '#!/bin/sh\nexec 3<>/tmp/one\nread -r one <&3\nsleep 0.08\necho >&3\nprintf "Content-Type: text/plain\\n\\n$(hostname)\\n"\n'
SERVE_PATH = '/cgi-bin/serve'
PER_INSTANCE = 11  # requests a second that an instance serves

# As the built-in ones, but what is spared is offered after two seconds.
RULES = {
    'kind': 'ScalingRules', 'name': 'quick', 'offer_after': '2s',
    'terms': [{'of': 'expected response time', 'name': 'low', 'shape': [0, 0, 0.6, 0.9]},
              {'of': 'expected response time', 'name': 'good', 'shape': [0.6, 0.9, 0.95, 1.05]},
              {'of': 'expected response time', 'name': 'too high', 'shape': [0.95, 1.05, 10, 10]},
              {'of': 'probability', 'name': 'rare', 'shape': [0, 0, 0.2, 0.25]},
              {'of': 'probability', 'name': 'abundant', 'shape': [0.2, 0.25, 1, 1]},
              {'of': 'priority', 'name': 'low', 'shape': [0, 0, 0.5]},
              {'of': 'priority', 'name': 'urgent', 'shape': [0.5, 1, 1]},
              {'of': 'need', 'name': 'offer', 'shape': [-100, -100, -60, 0]},
              {'of': 'need', 'name': 'hold', 'shape': [-20, 0, 20]},
              {'of': 'need', 'name': 'request', 'shape': [0, 60, 100, 100]}],
    'rules': ['if expected response time is low then offer', 'if expected response time is good then hold',
              'if probability is abundant and expected response time is too high then request',
              'if probability is rare then hold']}


def sla(name, priority):
    return {'kind': 'SLA', 'name': name, 'priority': priority, 'rules': 'quick',
            'target': {'response': f'{TARGET_MS}ms', 'percentile': PERCENTILE},
            'levels': {'committed': {'rate': '36 EUR'}, 'guaranteed': {'rate': '72 EUR', 'fee': '1 EUR'},
                       'extended': {'rate': '144 EUR', 'fee': '5 EUR'}}}


class Watch:
    """Looks all the time, until it ends, whether a farm has fewer instances than are committed to it."""

    def __init__(self, grid):
        self.grid, self.below, self.looks = grid, [], 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)

    def work(self):
        while not self.stop.wait(0.1):
            try:
                now = {farm: wanted(self.grid, farm) for farm in COUNT}
            except (OSError, http.client.HTTPException, AssertionError):
                continue  # the controller is away
            self.looks += 1
            self.below += [(farm, has) for farm, has in now.items() if has < COUNT[farm]['committed']]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join(timeout=20)


def late(callers, count):
    """Waits for so many more answers; how many of them, per cent, took longer than the target."""
    callers.more(count)
    recent = callers.times_s[-count:]
    return 100 * sum(1 for took in recent if took * 1000 > TARGET_MS) / len(recent)


def tier(grid, farm):
    return next(item for item in grid.get('farms', farm)['tiers'] if item['name'] == 'web')


def wanted(grid, farm):
    return tier(grid, farm)['wanted']


def serving(grid, farm):
    return sum(1 for item in grid.instances(farm, 'web') if item['state'] == 'running' and item['health'] == 'good')


def event(grid, farm, *words):
    """The newest event of the farm that says all this, in one line; "" when there is none."""
    said = [f"{item['what']}: {item['reason']}" for item in grid.events(farm) if item['name'] == farm]
    return next((line for line in reversed(said) if all(word in line for word in words)), '')


def farm(grid, name, address, party, level):
    return grid.farm(name, address, party=party, sla=level,
                     web={'count': COUNT[f'{party}/{name}'], 'capacity': PER_INSTANCE,
                          'size': {'cpus': 1, 'memory': '32Mi', 'disk': '16Mi'},
                          'command': ['/bin/sh', '-c', START],
                          'files': [{'path': '/www/cgi-bin/serve', 'mode': '0755', 'content': SERVE}]})


@tap.case('load rises: from the idle pool, then from who can spare; load falls: back; nothing is lost, all of it is billed')
def sizes(grid):
    doors = {name: grid.publish() for name in COUNT}
    grid.apply('\n'.join(map(json.dumps, (RULES, sla('gold', 'urgent'), sla('bronze', 'low')))))
    for name, level in ((GOLD, 'gold'), (BRONZE, 'bronze')):
        party, short = name.split('/')
        grid.apply(farm(grid, short, doors[name], party, level), wait=True)
    with Watch(grid) as watch, Callers(doors[BRONZE], SERVE_PATH, 24).at(3.5 * PER_INSTANCE) as batch, \
            Callers(doors[GOLD], SERVE_PATH, 60).at(5) as shop:
        wait_until('bronze has all that it may', lambda: serving(grid, BRONZE) == 4)
        equal(wanted(grid, GOLD), 2, 'gold, hardly asked')

        shop.at(4.8 * PER_INSTANCE)
        wait_until('gold grows', lambda: event(grid, GOLD, 'tier web scaled from 2 to', 'urgent', 'from the idle pool'))
        wait_until('gold has all that was idle', lambda: serving(grid, GOLD) == 4)
        wait_until('gold waits for more', lambda: event(grid, GOLD, 'tier web waits for'))
        wait_until('gold is late: it needs more', lambda: late(shop, 50) > 100 - PERCENTILE)
        # What bronze was given is left to it for half a minute; meanwhile they are without their controller for a moment.
        kill(grid.controller_pid())
        wait_until('gold gets what bronze has beyond its guaranteed count', lambda: controlled(
            lambda: event(grid, GOLD, 'tier web scaled from 4 to', 'that another farm has beyond its guaranteed count')))
        assert event(grid, BRONZE, 'tier web scaled from 4 to', 'beyond its guaranteed 2 goes to a farm that is more urgent'), \
            grid.events(BRONZE)
        why = [line for line in grid.do('explain', GOLD).splitlines() if 'that another farm has beyond its guaranteed count' in line]
        assert why and all('expected against 1.0 s' in line or 'arrives than' in line for line in why), grid.do('explain', GOLD)
        wait_until('gold has more', lambda: serving(grid, GOLD) >= 5)
        assert event(grid, GOLD, 'level entered', 'tier web: extended') and 'level entered' in grid.do('explain', GOLD), grid.events(GOLD)
        assert wanted(grid, BRONZE) >= COUNT[BRONZE]['guaranteed'], tier(grid, BRONZE)
        wait_until('gold keeps its target', lambda: late(shop, 100) <= 100 - PERCENTILE)

        shop.at(5)
        wait_until('gold gives back', lambda: wanted(grid, GOLD) == COUNT[GOLD]['committed'])
        batch.at(2)
        wait_until('bronze gives back', lambda: wanted(grid, BRONZE) == COUNT[BRONZE]['committed'])
        assert event(grid, GOLD, 'level left', 'tier web: guaranteed') and 'level left' in grid.do('explain', GOLD), grid.events(GOLD)
    equal((shop.bad, batch.bad), ([], []), 'requests lost')
    equal(watch.below, [], 'below what is committed')
    assert watch.looks > 50, f'{watch.looks} looks at what farms have'
    billed(json.loads(grid.do('bill', '-o', 'json')))


def controlled(look):
    """What it sees, or None while the controller is away."""
    try:
        return look()
    except (OSError, http.client.HTTPException, AssertionError):
        return None


def billed(made):
    assert made['proof']['holds'], made['proof']
    for farm in COUNT:
        uses = {line['use'] for line in made['lines'] if line['farm'] == farm and line['charge'] == 'use'}
        assert {'committed', 'guaranteed', 'extended'} <= uses, (farm, uses)
        fees = {line['use'] for line in made['lines'] if line['farm'] == farm and line['charge'] == 'fee'}
        equal(fees, {'guaranteed', 'extended'}, f'fees of {farm}')


if __name__ == '__main__':
    needs_root()
    sys.exit(tap.run(Grid(sys.argv[1], hosts=3, racks=1, capacity='cpus=3,memory=4Gi,disk=10Gi,network=10G')))
