#!/usr/bin/python3
"""System test: a farm's document changes while it serves. usage: test_changes.py CROFT"""

import json
import sys

from grid import Grid, Load, Tap, answers, equal, kill, needs_root, wait_until

tap = Tap()


def doors(*entries):
    """`balance` entries: (name, port, address)."""
    return [{'name': name, 'mode': 'http', 'port': port, 'to': 'web:8080', 'publish': address} for name, port, address in entries]


@tap.case('frontends come, change and go; requests to the others are not lost, also after the agent was killed')
def frontends(grid):
    www, api = grid.publish(), grid.publish()
    grid.apply(grid.farm('shop', balance=doors(('www', 80, www))), wait=True)

    def serves(*entries, health='/index.html'):
        before = {item['name'] for item in grid.instances('acme/shop', 'balance')}
        web = {'health': {'http': health, 'port': 8080, 'every': '200ms', 'timeout': '2s'}}
        grid.apply(grid.farm('shop', web=web, balance=doors(*entries)), wait=True)
        for _, _, address in entries:
            assert answers(address), f'{address} is served as soon as the farm is ready'
        now = {item['name'] for item in grid.instances('acme/shop', 'balance')}
        assert len(now) == 1 and not now & before, f'the balancer was replaced: {before} {now}'
    with Load(www) as load, Load(www, threads=2, keep=True) as kept:
        serves(('www', 80, www), ('api', 81, api))
        host = grid.instances('acme/shop', 'balance')[0]['host']
        kill(grid.host(host)['agent_pid'])
        serves(('www', 80, www))
        equal(answers(api), None, 'a frontend that was taken away')
        serves(('www', 80, www), health='/cgi-bin/who')
        equal(grid.instances('acme/shop', 'balance')[0]['host'], host, 'where the sockets are')
        load.lost_nothing()
        kept.lost_nothing()
    grid.no_twins()


if __name__ == '__main__':
    needs_root()
    sys.exit(tap.run(Grid(sys.argv[1], hosts=5, racks=3)))
