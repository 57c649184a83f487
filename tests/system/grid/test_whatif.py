#!/usr/bin/python3
"""System test: what `croft whatif` foretells is what happens. usage: test_whatif.py CROFT"""

import json
import os
import pathlib
import signal
import sys
import tempfile

from grid import Grid, Tap, equal, kill, needs_root, wait_until

tap = Tap()


def tier(name, count, cpus, priority, spread=''):
    """A tier of busybox servers that need next to nothing, and ask for so many cpus."""
    return {'name': name, 'image': 'hello:1', 'count': count, 'size': {'cpus': cpus, 'memory': '32Mi', 'disk': '16Mi'},
            'health': {'http': '/index.html', 'port': 8080, 'every': '200ms', 'timeout': '2s'}, 'priority': priority,
            **({'spread': spread} if spread else {})}


def farms(grid):
    """18.5 of the 24 cpus of the grid: without a rack, which has 8, not all have room."""
    grid.apply(grid.farm('shop', grid.publish(), tiers=[tier('web', 6, 0.5, 50, 'rack')]), wait=True)
    grid.apply(grid.farm('data', party='brio', tiers=[tier('db', 3, 1, 80, 'rack')]), wait=True)
    grid.apply(grid.farm('batch', party='brio', tiers=[tier('work', 8, 1.5, 20)]), wait=True)


def foretell(grid, *question):
    return told(grid.do('whatif', *question, '-o', 'json'))


def told(text):
    """The answer, without how long it took."""
    answer = json.loads(text)
    assert answer.pop('seconds_to_answer') >= 0
    return answer


def fates(grid):
    """{instance: where it runs, or None}"""
    return {item['name']: item['host'] if item['state'] == 'running' else None for item in grid.get('instances')}


def foretold_fates(before, answer):
    after = dict(before)
    after.update({move['instance']: move['to'] for move in answer['moves']})
    after.update({lost['instance']: None for lost in answer['lost']})
    return after


def settled(grid, failed):
    """Each instance runs on a host that is left, or has no place."""
    if not all(grid.host(name)['state'] == 'down' and grid.host(name)['fenced'] for name in failed):
        return False
    return all((item['state'] == 'running' and item['health'] == 'good' and item['host'] not in failed) or
               (item['state'] == 'pending' and item['host'] in ('', *failed)) for item in grid.get('instances'))


def kill_at_once(grid, names):
    """As when a rack loses its power: nothing of any of them runs any more before anybody can notice the first."""
    grid.note_processes()
    fds = [os.pidfd_open(grid.host(name)['pid']) for name in names]
    for fd in fds:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
    for fd in fds:
        os.close(fd)


def back(grid, names):
    for name in names:
        grid.do('power', name, 'on')
    wait_until('up again', lambda: all(grid.host(name)['state'] == 'up' for name in names))
    wait_until('all run', lambda: all(item['state'] == 'running' and item['health'] == 'good' for item in grid.get('instances')))


def comes_true(grid, name):
    before = fates(grid)
    answer = foretell(grid, '--fail', name)
    failed = answer['failed_hosts']
    equal(answer['instances']['total'], len(before), 'instances that run')
    kill_at_once(grid, failed)
    wait_until('all is settled', lambda: settled(grid, failed))
    equal(fates(grid), foretold_fates(before, answer), 'fates of all instances')
    states = {farm['name']: farm['state_after'] for farm in answer['farms']}
    for farm, state in states.items():
        grid.wait_farm(farm, state)
    equal(fates(grid), foretold_fates(before, answer), 'fates of all instances, later')
    grid.no_twins()
    back(grid, failed)
    return answer


@tap.case('a rack dies: every instance ends where it was foretold')
def rack(grid):
    farms(grid)
    for name in ('r1', 'r2', 'r3'):
        answer = comes_true(grid, f'zone/east/b1/{name}')
        equal(len(answer['failed_hosts']), 2)
        assert answer['moves'], answer
        assert answer['lost'], answer


@tap.case('a host dies: every instance ends where it was foretold')
def host(grid):
    farms(grid)
    for name in ('h1', 'h4', 'h6'):
        comes_true(grid, f'host/{name}')


@tap.case('a host is drained: every instance ends where it was foretold')
def drain(grid):
    grid.apply(grid.farm('shop', grid.publish(), tiers=[tier('web', 6, 0.5, 50, 'rack')]), wait=True)
    grid.apply(grid.farm('data', party='brio', tiers=[tier('db', 3, 1, 80, 'rack')]), wait=True)
    for name in ('h1', 'h3'):
        before = fates(grid)
        answer = foretell(grid, '--drain', f'host/{name}')
        equal(answer['drained_hosts'], [name])
        assert answer['moves'] and not answer['lost'], answer
        grid.do('drain', name)
        wait_until('it is empty', lambda name=name: name not in {item['host'] for item in grid.get('instances')})
        for farm in ('acme/shop', 'brio/data'):
            grid.wait_ready(farm)
        equal(fates(grid), foretold_fates(before, answer), 'fates of all instances')
        grid.do('activate', name)
        wait_until('up', lambda name=name: grid.host(name)['state'] == 'up')


@tap.case('an instance ends: it was foretold to stay')
def instance(grid):
    farms(grid)
    name, before = 'acme/shop/web-2', fates(grid)
    answer = foretell(grid, '--fail', f'instance/{name}')
    equal((answer['instances']['kept'], answer['instances']['restarted'], answer['moves']), (len(before), 1, []))
    kill(grid.instance_pids(name)[0])
    wait_until('it was started again', lambda: grid.instance(name)['restarts'] == 1 and grid.instance(name)['health'] == 'good')
    equal(fates(grid), before, 'fates of all instances')


@tap.case('as many more as fit are told find room, and not one more')
def fit(grid):
    grid.apply(grid.farm('shop', grid.publish(), tiers=[tier('web', 5, 0.5, 50, 'rack')]), wait=True)
    size = 'cpus=1.5,memory=32Mi,disk=16Mi'
    count = json.loads(grid.do('fit', '--size', size, '-o', 'json'))['count']
    assert count > 6, count
    grid.apply(grid.farm('batch', party='brio', tiers=[tier('work', count, 1.5, 50)]), wait=True)
    answer = json.loads(grid.do('fit', '--size', size, '-o', 'json'))
    equal((answer['count'], answer['limited_by']), (0, 'cpus'))
    grid.do('scale', 'brio/batch', 'work', str(count + 1))
    wait_until('one waits', lambda: [item['state'] for item in grid.instances('brio/batch')].count('pending') == 1)
    reason = next(item['reason'] for item in grid.instances('brio/batch') if item['state'] == 'pending')
    assert reason.startswith('no host has room for cpus 1.5'), reason


@tap.case('balance makes the very moves that it told, one after the other, and nothing else moves')
def balance(grid):
    grid.apply(grid.farm('shop', grid.publish(), tiers=[tier('web', 3, 0.5, 50)]), wait=True)
    grid.apply(grid.farm('batch', party='brio', tiers=[tier('work', 5, 0.5, 20)]), wait=True)
    before = fates(grid)
    told_moves = json.loads(grid.do('balance', '--dry-run', '-o', 'json'))
    assert told_moves['moves'] and told_moves['score_after'] < told_moves['score_before'], told_moves
    equal(fates(grid), before, 'fates after a dry run')
    filed = json.loads(grid.do('balance', '--grid', '-', '-o', 'json', stdin=grid.do('export')))
    equal(filed['moves'], told_moves['moves'])
    done = json.loads(grid.do('balance', '-o', 'json'))
    equal(done['moves'], told_moves['moves'])
    after = dict(before)
    for move in done['moves']:
        equal(after[move['instance']], move['from'])
        after[move['instance']] = move['to']
    for farm in ('acme/shop', 'brio/batch'):
        grid.wait_ready(farm)
    equal(fates(grid), after, 'fates of all instances')
    again = json.loads(grid.do('balance', '-o', 'json'))
    equal((again['moves'], again['score_before']), ([], done['score_after']))
    grid.no_twins()


@tap.case('a question about a file, and one that changes documents, are answered; nothing happens by it')
def files(grid):
    farms(grid)
    before, events = fates(grid), len(grid.events())
    export = grid.do('export')
    live = foretell(grid, '--fail', 'host/h1', 'host/h2')
    filed = told(grid.do('whatif', '--grid', '-', '--fail', 'host/h1', '--fail=host/h2', '-o', 'json', stdin=export))
    equal(filed, live)
    host = {'kind': 'Host', 'name': 'h7', 'zone': 'east/b1/r4', 'capacity': {'cpus': 8, 'memory': '4Gi', 'disk': '20Gi'}}
    with tempfile.TemporaryDirectory() as directory:
        add = pathlib.Path(directory, 'host.json')
        add.write_text(json.dumps(host))
        answer = foretell(grid, '--fail', 'zone/east/b1/r1', '--add', str(add))
        equal(answer['added_hosts'], ['h7'])
        equal((answer['lost'], answer['instances']['total']), ([], len(before)))
        assert {move['to'] for move in answer['moves']} >= {'h7'}, answer
        add.write_text(json.dumps({**host, 'name': 'h1'}))
        refused = grid.cli('whatif', '--add', str(add))
        equal((refused.returncode, refused.stderr), (1, f'{add}:1:1: host h1 is there already: change it with --apply\n'))
    equal(fates(grid), before)
    equal(len(grid.events()), events)


@tap.case('a wrong question is told in one line')
def wrong(grid):
    for arguments, code, message in (
            ((), 2, 'croft: whatif: what shall happen? --fail NAME…, --drain NAME…, --end lease/NAME…, --add FILE or --apply FILE\n'),
            (('--fail', 'host/h11'), 3, 'croft: there is no host h11: did you mean host/h1?\n'),
            (('--fail', 'host/h1', 'zone/east/b1/r9'), 3,
             'croft: there is no zone east/b1/r9: did you mean zone/east/b1/r1?\n'),
            (('--drain', 'instance/acme/shop/web-1'), 3,
             "croft: instance/acme/shop/web-1: an instance is not drained by itself: name its host, or see 'croft move'\n"),
            (('--fail', 'host/h1', '--grid', '/nowhere'), 3, 'croft: there is no file /nowhere\n')):
        result = grid.cli('whatif', *arguments)
        equal((result.returncode, result.stdout, result.stderr), (code, '', message))


if __name__ == '__main__':
    needs_root()
    sys.exit(tap.run(Grid(sys.argv[1], hosts=6, racks=3, capacity='cpus=4,memory=2Gi,disk=10Gi')))
