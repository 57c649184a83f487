#!/usr/bin/python3
"""System test: a farm's document changes while it serves. usage: test_changes.py CROFT"""

import contextlib
import json
import socket
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


@tap.case('publish: auto goes round a port that something else has')
def auto(grid):
    with contextlib.ExitStack() as stack:
        taken = set()
        for port in range(30000, 30003):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):  # another grid's: just what is wanted
                sock.bind(('127.0.0.1', port))
                sock.listen()
            taken.add(f'127.0.0.1:{port}')
        grid.apply(grid.farm('shop', 'auto'), wait=True)
        address = grid.get('farms', 'acme/shop')['endpoints'][0]['address']
        assert address not in taken, address
        assert answers(address), address


@tap.case('an address that another farm has is waited for, and taken when the other goes')
def conflict(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address), wait=True)
    grid.apply(grid.farm('other', address, web={'env': {'GREETING': 'other'}}))
    wait_until('the second says so', lambda: address in (grid.get('farms', 'acme/other')['reason'] or ''))
    grid.do('delete', 'farm', 'acme/shop', '--wait')
    grid.wait_ready('acme/other')
    assert answers(address).strip().endswith('other'), answers(address)


@tap.case('size, environment and image tag change one after the other under load without a lost request')
def forms(grid):
    address = grid.publish()
    grid.import_image('form:1', 'first')
    grid.import_image('form:2', 'second')
    web = {'image': 'form:1', 'count': 3}
    grid.apply(grid.farm('shop', address, web=web), wait=True)
    with Load(address) as load:
        for change in ({'size': {'cpus': 0.3, 'memory': '40Mi', 'disk': '16Mi'}}, {'env': {'GREETING': 'hello'}}, {'image': 'form:2'}):
            before = {item['name'] for item in grid.instances('acme/shop', 'web')}
            web.update(change)
            grid.apply(grid.farm('shop', address, web=web), wait=True)
            now = {item['name'] for item in grid.instances('acme/shop', 'web')}
            assert len(now) == 3 and not now & before, f'{change}: {before} {now}'
        load.seen.clear()
        load.lost_nothing()
        equal({text.split(' ', 1)[1] for text in load.seen}, {'second hello'}, 'what answers')
    grid.no_twins()


@tap.case('a tcp balancer loses no connection while its tier grows and shrinks')
def tcp(grid):
    address = grid.publish()
    balance = [{'name': 'www', 'mode': 'tcp', 'port': 80, 'to': 'web:8080', 'publish': address}]
    grid.apply(grid.farm('shop', balance=balance), wait=True)
    with Load(address) as load:
        for count in 5, 2, 4:
            grid.do('scale', 'acme/shop', 'web', str(count))
            wait_until(f'{count} members', lambda: len(grid.instances('acme/shop', 'web')) == count)
            grid.wait_ready('acme/shop')
        load.lost_nothing()
        assert len(load.seen) >= 4, load.seen


@tap.case('allow to balance lets a tier in at the farm\'s own door, and nobody else')
def to_balance(grid):
    app, idle = ({'name': name, 'image': 'hello:1', 'count': 1, 'size': {'cpus': 0.1, 'memory': '32Mi', 'disk': '16Mi'}}
                 for name in ('app', 'idle'))
    document = json.loads(grid.farm('shop', grid.publish()).split('\n')[1])
    document['tiers'] += [app, idle]
    document['allow'] = [{'from': 'app', 'to': 'balance', 'port': '80/tcp'}]
    grid.apply('{kind: Party, name: acme}\n---\n' + json.dumps(document), wait=True)

    door = grid.instances('acme/shop', 'balance')[0]['address']

    def asks(name, port):
        return '200 OK' in grid.shell(f'acme/shop/{name}', f'printf "GET /index.html HTTP/1.0\\r\\n\\r\\n" | nc -w 1 {door} {port} 2>&1')[1]
    status, text = grid.exec('acme/shop/app-1', '/bin/nslookup', 'balance.shop.acme')
    assert status == 0 and door in text, f'its name: {text}'
    assert asks('app-1', 80), 'app'
    assert not asks('app-1', 81), 'another port'
    assert not asks('idle-1', 80), 'a tier that was not named'


@tap.case('a host is drained under a strict spread: only what has another place goes')
def strict(grid):
    grid.apply(grid.farm('shop', web={'count': 4, 'spread': {'by': 'host', 'strict': True}}), wait=True)
    used = {item['host']: item['name'] for item in grid.instances('acme/shop', 'web')}
    equal(len(used), 4, 'hosts')
    free = ({host['name'] for host in grid.get('hosts')} - set(used)).pop()
    first, second = sorted(used)[:2]
    grid.do('drain', first)
    wait_until('it went to the last free host', lambda: (grid.instance(used[first]) or {}).get('host') == free and
               grid.instance(used[first])['health'] == 'good')
    grid.do('drain', second)
    wait_until('the next has no place, and says so', lambda: 'spread' in grid.instance(used[second])['reason'])
    equal((grid.instance(used[second])['host'], grid.instance(used[second])['state']), (second, 'running'), 'it stays')
    grid.do('activate', first)
    wait_until('now it has one', lambda: grid.instance(used[second])['host'] == first and grid.instance(used[second])['health'] == 'good')
    grid.no_twins()


@tap.case('a tier grows and shrinks while hosts die: never two of one, and all is whole at the end')
def dying(grid):
    grid.apply(grid.farm('shop', grid.publish(), web={'count': 4}), wait=True)
    hosts = sorted({item['host'] for item in grid.instances('acme/shop', 'web')})[:2]
    for count, host in (8, hosts[0]), (3, hosts[1]):
        grid.do('scale', 'acme/shop', 'web', str(count))
        kill(grid.host(host)['pid'])
        grid.no_twins()
        wait_until(f'{host} is given up', lambda: grid.host(host)['state'] in ('down', 'off'))
        grid.no_twins()

    def whole():
        grid.no_twins()
        items = grid.instances('acme/shop', 'web')
        return len(items) == 3 and all(item['health'] == 'good' and item['host'] not in hosts for item in items)
    wait_until('three are well on other hosts', whole)
    grid.wait_ready('acme/shop')
    for host in hosts:
        grid.do('power', host, 'on')
        wait_until('up', lambda: grid.host(host)['state'] == 'up')
    grid.no_twins()


@tap.case('a power cycle: another run of the host, its instances once and well')
def cycle(grid):
    grid.apply(grid.farm('shop', grid.publish(), web={'count': 3}), wait=True)
    host = grid.instances('acme/shop', 'web')[0]['host']
    before = grid.host(host)['pid']
    names = sorted(item['name'] for item in grid.instances('acme/shop'))
    grid.do('power', host, 'cycle')
    wait_until('it runs anew', lambda: grid.host(host)['state'] == 'up' and grid.host(host)['pid'] not in (0, before))
    grid.wait_ready('acme/shop')
    equal(sorted(item['name'] for item in grid.instances('acme/shop')), names, 'same names')
    grid.no_twins()


if __name__ == '__main__':
    needs_root()
    sys.exit(tap.run(Grid(sys.argv[1], hosts=5, racks=3)))
