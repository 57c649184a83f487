#!/usr/bin/python3
"""System test: what dies is mended, and what serves goes on meanwhile. usage: test_faults.py CROFT"""

import glob
import os
import pty
import signal
import subprocess
import sys

from grid import Grid, Load, Tap, answers, command_of, equal, kill, needs_root, pids_below, start_ticks, wait_until

tap = Tap()
NO_HOST = {'spread': 'host'}


def first_pids(grid, farm):
    """{instance: (number and start of its first process)}; the eldest, as a server's children come and go."""
    first = {}
    for name, copies in grid.copies().items():
        if name.startswith(farm + '/'):
            assert len(copies) == 1, f'{name} runs {len(copies)} times'
            first[name] = (copies[0][0], start_ticks(copies[0][0]))
    return first


@tap.case('kill -9 of the controller: the service goes on, nothing acknowledged is lost, work goes on')
def controller(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address), wait=True)
    before = first_pids(grid, 'acme/shop')
    with Load(address) as load:
        for i in range(3):
            grid.apply(f'{{kind: Party, name: party-{i}}}')
            old = grid.controller_pid()
            kill(old)
            load.more(20)
            wait_until('another controller', lambda: [pid for pid in pids_below(grid.info()['pid']) if ' controller ' in
                                                      command_of(pid) and pid != old])
            wait_until('it answers', lambda: grid.api('GET', '/readyz', token='').status == 200)
            for j in range(i + 1):
                assert grid.get('parties', f'party-{j}'), f'party-{j} was acknowledged'
        grid.do('scale', 'acme/shop', 'web', '3')
        wait_until('three run', lambda: len([item for item in grid.instances('acme/shop', 'web') if item['health'] == 'good']) == 3)
        grid.wait_ready('acme/shop')
        load.lost_nothing()
    after = first_pids(grid, 'acme/shop')
    equal({name: after.get(name) for name in before}, before, 'processes of instances')
    equal({item['state'] for item in grid.get('hosts')}, {'up'}, 'hosts')


@tap.case('who waits for a farm goes on waiting when the controller is killed, and is told')
def waiting(grid):
    web = {'count': 1, 'size': {'cpus': 64, 'memory': '32Mi', 'disk': '16Mi'}}
    terminal, theirs = pty.openpty()
    command = [grid.croft, 'apply', '-f', '-', '--wait=80s', '--server', f'http://{grid.address}', '--token', grid.token]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=theirs, stdout=subprocess.PIPE, text=True) as waiter:
        waiter.stdin.write(grid.farm('shop', web=web))
        waiter.stdin.close()
        seen = ''
        while 'waiting: farm acme/shop is' not in seen:  # progress: what it asked is answered, now it is told
            seen += os.read(terminal, 4096).decode()
        old = grid.controller_pid()
        kill(old)
        wait_until('another controller', lambda: grid.api('GET', '/v1/version').status == 200 and grid.controller_pid() != old)
        equal(waiter.poll(), None, 'it waits')
        grid.apply(grid.farm('shop', web={'count': 1}))
        equal(waiter.wait(timeout=80), 0, 'apply --wait')
    os.close(terminal)
    os.close(theirs)
    equal(grid.get('farms', 'acme/shop')['state'], 'ready')


@tap.case('kill -9 of agents: instances are not touched, and new orders are followed')
def agent(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address, web=NO_HOST), wait=True)
    before = first_pids(grid, 'acme/shop')
    equal(len(before), 3)
    with Load(address) as load:
        for host in sorted({item['host'] for item in grid.instances('acme/shop')}):
            old = grid.host(host)['agent_pid']
            kill(old)
            wait_until('another agent', lambda: grid.host(host)['agent_pid'] != old and grid.host(host)['state'] == 'up')
        grid.wait_ready('acme/shop')
        equal(first_pids(grid, 'acme/shop'), before, 'processes of instances')
        equal([item['restarts'] for item in grid.instances('acme/shop')], [0, 0, 0], 'restarts')
        grid.do('scale', 'acme/shop', 'web', '5')
        wait_until('five run', lambda: len([item for item in grid.instances('acme/shop', 'web') if item['health'] == 'good']) == 5)
        load.lost_nothing()
    assert first_pids(grid, 'acme/shop').items() >= before.items(), 'processes of instances'
    grid.no_twins()


@tap.case('kill -9 of a web instance: restarted in place, counted, told')
def web(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address), wait=True)
    victim = grid.instances('acme/shop', 'web')[0]
    pid = grid.instance_pids(victim['name'])[0]
    assert 'httpd' in command_of(pid), command_of(pid)
    with Load(address) as load:
        kill(pid)
        wait_until('it is counted', lambda: grid.instance(victim['name'])['restarts'] == 1)
        wait_until('it runs', lambda: grid.instance(victim['name'])['state'] == 'running' and
                   grid.instance(victim['name'])['health'] == 'good')
        grid.wait_ready('acme/shop')
        equal(grid.instance(victim['name'])['host'], victim['host'], 'in place')
        load.more(50)
        load.end()
        # What it was answering died with it, and some more until the balancer saw: a few of many.
        assert load.bad <= max(10, load.good // 10), f'{load.bad} bad, {load.good} good: {load.faults[:5]}'
    assert any('signal 9' in event['reason'] for event in grid.events(victim['name'])), grid.events(victim['name'])
    wait_until('both answer', lambda: len({answers(address) for _ in range(10)}) == 2)
    grid.no_twins()


@tap.case('kill -9 of the load balancer: it is there again')
def balancer(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address), wait=True)
    pid = grid.instance_pids('acme/shop/balance-1')[0]
    assert 'haproxy' in command_of(pid), command_of(pid)
    kill(pid)
    wait_until('it answers again', lambda: answers(address))
    grid.wait_ready('acme/shop')
    wait_until('it is counted', lambda: grid.instance('acme/shop/balance-1')['restarts'] == 1)
    wait_until('both answer', lambda: len({answers(address) for _ in range(10)}) == 2)


@tap.case('a host loses power: fenced, its instances elsewhere under their names, never two; others lose nothing')
def host(grid):
    mine, other = grid.publish(), grid.publish()
    grid.apply(grid.farm('shop', mine, web=NO_HOST), wait=True)
    grid.apply(grid.farm('shop', other, party='brio', web=NO_HOST), wait=True)
    touched = {item['host'] for item in grid.instances('brio/shop')}
    # The victim has something of acme and nothing of brio: brio must not notice. So brio is moved away from it.
    victim = grid.instances('acme/shop', 'web')[0]['host']
    grid.do('drain', victim)
    wait_until('drained', lambda: not [item for item in grid.get('instances') if item['host'] == victim])
    grid.do('activate', victim)
    grid.wait_ready('acme/shop')
    grid.wait_ready('brio/shop')
    wait_until('up', lambda: grid.host(victim)['state'] == 'up')
    name = grid.instances('acme/shop', 'web')[0]['name']
    grid.do('move', name, victim)
    wait_until('moved', lambda: [item for item in grid.instances('acme/shop', 'web') if item['host'] == victim and
                                 item['health'] == 'good'])
    grid.wait_ready('acme/shop')
    lost = sorted(item['name'] for item in grid.get('instances') if item['host'] == victim)
    assert lost and not [item for item in lost if item.startswith('brio/')], (lost, touched)
    with Load(other) as load:
        pid = grid.host(victim)['pid']
        grid.note_processes()
        kill(pid)
        copies_max = 0

        def elsewhere():
            nonlocal copies_max
            copies_max = max([copies_max, *(len(pids) for pids in grid.copies().values())])
            return all((item := grid.instance(each)) and item['host'] not in ('', victim) and item['state'] == 'running' and
                       item['health'] == 'good' for each in lost)
        wait_until('its instances run elsewhere', elsewhere)
        equal(copies_max, 1, 'copies of one instance at most')
        equal(grid.host(victim)['state'], 'down')
        equal(grid.host(victim)['fenced'], True)
        grid.wait_ready('acme/shop')
        load.lost_nothing()
    wait_until('the farm answers', lambda: answers(mine))
    whats = [event['what'] for event in grid.events(victim)]
    assert whats.index('suspected', whats.index('activated')) < whats.index('fenced'), whats
    grid.do('power', victim, 'on')
    wait_until('up again', lambda: grid.host(victim)['state'] == 'up' and grid.host(victim)['pid'] != pid)
    equal(sorted(item['name'] for item in grid.get('instances') if item['host'] == victim), [], 'what runs on it')
    grid.do('move', lost[0], victim)
    wait_until('it can be used', lambda: grid.instance(lost[0])['host'] == victim and grid.instance(lost[0])['health'] == 'good')
    grid.no_twins()


@tap.case('the host with the balancer loses power: the farm is reachable at its address again')
def balancer_host(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address, web=NO_HOST), wait=True)
    victim = grid.instances('acme/shop', 'balance')[0]['host']
    kill(grid.host(victim)['pid'])
    wait_until('the balancer is elsewhere', lambda: grid.instances('acme/shop', 'balance')[0]['host'] != victim)
    wait_until('it answers', lambda: answers(address))
    grid.wait_ready('acme/shop')
    grid.no_twins()
    grid.do('power', victim, 'on')
    wait_until('up', lambda: grid.host(victim)['state'] == 'up')


@tap.case('a host and the controller die together: the next controller finds out and mends it')
def host_and_controller(grid):
    mine, other = grid.publish(), grid.publish()
    grid.apply(grid.farm('shop', mine, web={**NO_HOST, 'count': 3}), wait=True)
    victim = grid.instances('acme/shop', 'web')[-1]['host']
    lost = [item['name'] for item in grid.get('instances') if item['host'] == victim]
    kill(grid.controller_pid())
    kill(grid.host(victim)['pid'])
    wait_until('its instances run elsewhere', lambda: all(item['host'] != victim and item['health'] == 'good' for item in
                                                          grid.instances('acme/shop') if item['name'] in lost))
    equal(grid.host(victim)['fenced'], True)
    grid.wait_ready('acme/shop')
    wait_until('it answers', lambda: answers(mine))
    grid.no_twins()
    grid.apply(grid.farm('shop', other, party='brio'), wait=True)
    grid.do('power', victim, 'on')
    wait_until('up', lambda: grid.host(victim)['state'] == 'up')


@tap.case('two hosts of five die at once: all farms are whole again on the rest')
def two_hosts(grid):
    addresses = {party: grid.publish() for party in ('acme', 'brio', 'cova')}
    for party, address in addresses.items():
        grid.apply(grid.farm('shop', address, party=party, web={**NO_HOST, 'count': 4}))
    for party in addresses:
        grid.wait_ready(f'{party}/shop')
    victims = sorted({item['host'] for item in grid.get('instances')})[:2]
    for pid in [grid.host(victim)['pid'] for victim in victims]:
        kill(pid)
    wait_until('both are down', lambda: {grid.host(victim)['state'] for victim in victims} == {'down'})
    for party, address in addresses.items():
        grid.wait_ready(f'{party}/shop')
        wait_until('all of it answers', lambda: len({answers(address) for _ in range(20)} - {None}) == 4)
    grid.no_twins()
    for victim in victims:
        grid.do('power', victim, 'on')
    wait_until('both are up', lambda: {grid.host(victim)['state'] for victim in victims} == {'up'})
    grid.no_twins()


@tap.case('a host that hangs (frozen agent) is not fenced while others can still reach it; its instances serve')
def frozen_agent(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address, web=NO_HOST), wait=True)
    before = first_pids(grid, 'acme/shop')
    victim = grid.instances('acme/shop', 'web')[0]['host']
    pid = grid.host(victim)['agent_pid']
    times_down = lambda: len([each for each in grid.events(victim) if each['what'] == 'down'])
    down_before = times_down()
    with Load(address) as load:
        kill(pid, signal.SIGSTOP)
        try:
            wait_until('suspected', lambda: grid.host(victim)['state'] != 'up')
            load.more(200)  # many looks: the others ask 20 times a second
        finally:
            if start_ticks(pid) is not None:
                kill(pid, signal.SIGCONT)
        wait_until('up', lambda: grid.host(victim)['state'] == 'up')
        grid.no_twins()
        equal(first_pids(grid, 'acme/shop'), before)
        load.lost_nothing()
    equal(times_down(), down_before, 'how often it was given up')


@tap.case('while the controller is stopped agents go on: a restarted one finds its instances and mends them')
def autonomy(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address, web=NO_HOST), wait=True)
    item = grid.instances('acme/shop', 'web')[0]
    agent_pid = grid.host(item['host'])['agent_pid']
    host_pid = grid.host(item['host'])['pid']
    pid = grid.controller_pid()
    before = first_pids(grid, 'acme/shop')
    kill(pid, signal.SIGSTOP)
    try:
        with Load(address) as load:
            kill(agent_pid)
            wait_until('another agent', lambda: [each for each in pids_below(host_pid) if ' agent ' in command_of(each) and
                                                 'host-init' not in command_of(each) and each != agent_pid])
            load.more(100)
            equal(first_pids(grid, 'acme/shop'), before, 'processes of instances')
            load.lost_nothing()
        # What dies now is mended without anybody.
        kill(before[item['name']][0])
        wait_until('it runs again', lambda: first_pids(grid, 'acme/shop').get(item['name'], before[item['name']]) !=
                   before[item['name']])
        wait_until('both answer', lambda: len({answers(address) for _ in range(10)} - {None}) == 2)
    finally:
        kill(pid, signal.SIGCONT)
    wait_until('it is told', lambda: grid.instance(item['name'])['state'] == 'running' and grid.instance(item['name'])['health'] == 'good')
    equal(first_pids(grid, 'acme/shop')['acme/shop/balance-1'], before['acme/shop/balance-1'], 'the balancer')
    wait_until('all hosts are up', lambda: {each['state'] for each in grid.get('hosts')} == {'up'})
    grid.wait_ready('acme/shop')
    grid.no_twins()


@tap.case('a broken stored document does not kill the agent')
def broken_document(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address), wait=True)
    item = grid.instances('acme/shop', 'web')[0]
    before = first_pids(grid, 'acme/shop')
    files = [path for path in glob.glob(f'{grid.state}/hosts/{item["host"]}/**', recursive=True)
             if os.path.isfile(path) and 'document' in path]
    assert files, os.listdir(f'{grid.state}/hosts/{item["host"]}')
    for number, text in enumerate((b'', b'{"version": 99999999, "host', b'\xff\x00' * 2000)):
        for path in files:
            with open(path, 'wb') as file:
                file.write(text)
        old = grid.host(item['host'])['agent_pid']
        kill(old)
        wait_until(f'another agent ({number})', lambda: grid.host(item['host'])['agent_pid'] != old and
                   grid.host(item['host'])['state'] == 'up')
        grid.wait_ready('acme/shop')
    equal(first_pids(grid, 'acme/shop'), before, 'processes of instances')
    grid.do('scale', 'acme/shop', 'web', '4')
    wait_until('four run', lambda: len([each for each in grid.instances('acme/shop', 'web') if each['health'] == 'good']) == 4)
    wait_until('it answers', lambda: answers(address))


@tap.case('kill -9 of the supervisor: everything ends; the next up has the farms again')
def supervisor(grid):
    mine, other = grid.publish(), grid.publish()
    grid.apply(grid.farm('shop', mine), wait=True)
    grid.apply(grid.farm('shop', other, party='brio'), wait=True)
    grid.note_processes()
    ours = dict(grid.seen)
    kill(grid.info()['pid'])
    wait_until('all processes are gone', lambda: not [pid for pid, ticks in ours.items() if ticks and start_ticks(pid) == ticks])
    equal(answers(mine), None)
    grid.up()
    for farm in 'acme/shop', 'brio/shop':
        grid.wait_ready(farm)
    wait_until('both answer', lambda: answers(mine) and answers(other))
    grid.no_twins()


@tap.case('down and up: the farms are there again')
def down_up(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address), wait=True)
    equal(grid.down().returncode, 0)
    equal(answers(address), None)
    grid.up()
    grid.wait_ready('acme/shop')
    wait_until('it answers', lambda: answers(address))


@tap.case('up without standard streams: it is up, and its descriptors are not mixed up')
def no_streams(grid):
    equal(grid.down().returncode, 0)
    command = [grid.croft, 'up', '--hosts', str(grid.hosts_wanted), '--racks', str(grid.racks), '--state', grid.state, '--listen',
               grid.address, '--detach']
    result = subprocess.run(['/bin/sh', '-c', 'exec "$@" <&- >&- 2>&-', 'sh', *command], timeout=120, check=False)
    equal(result.returncode, 0, 'croft up')
    equal({item['state'] for item in grid.get('hosts')}, {'up'}, 'hosts')
    address = grid.publish()
    grid.apply(grid.farm('shop', address), wait=True)
    wait_until('it answers', lambda: answers(address))


if __name__ == '__main__':
    needs_root()
    sys.exit(tap.run(Grid(sys.argv[1], hosts=5, racks=3)))
