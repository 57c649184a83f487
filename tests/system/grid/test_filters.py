#!/usr/bin/python3
"""System test: parties' filters from documents to packets. usage: test_filters.py CROFT"""

import json
import socket
import subprocess
import sys

from grid import Grid, Load, Tap, equal, kill, needs_root, wait_until

tap = Tap()
SMALL = {'cpus': 0.1, 'memory': '32Mi', 'disk': '16Mi'}
HTTPD = {'image': 'hello:1', 'size': SMALL, 'spread': 'host',
         'command': ['/bin/sh', '-c', 'for port in 8080 8081 8082; do /bin/httpd -p $port -h /www; done; exec sleep 1000000']}

# Opens connections, and asks over the next one with each line that it is sent: "answered" or "cut".
FLOW = """import socket, sys
flows = [socket.create_connection((sys.argv[1], 8080), timeout=5) for _ in range(16)]
print('open', flush=True)
for flow in flows:
    sys.stdin.readline()
    flow.settimeout(1)
    try:
        flow.sendall(b'GET /index.html HTTP/1.0\\r\\n\\r\\n')
        print('answered' if b'200 OK' in flow.recv(100) else 'cut', flush=True)
    except OSError:
        print('cut', flush=True)
"""


def farm():
    return {'kind': 'Farm', 'name': 'shop', 'party': 'acme', 'subnet': '10.0.0.0/24',
            'tiers': [{'name': 'web', 'count': 2, **HTTPD}, {'name': 'db', 'count': 2, **HTTPD}],
            'allow': [{'from': 'web', 'to': 'db', 'port': '8080-8081/tcp'}, {'from': 'db', 'to': 'web', 'port': 'all'}]}


def text(*documents):
    return '\n'.join(json.dumps(document) for document in documents)


def filters(name, party, on, *rules, default='allow'):
    return {'kind': 'Filter', 'name': name, 'party': party, 'on': on, 'default': default, 'rules': list(rules)}


def start(grid):
    grid.apply(text({'kind': 'Party', 'name': 'acme'}, farm()), wait=True)
    return {item['name'].rsplit('/', 1)[1]: item['address'] for item in grid.instances('acme/shop')}


def opened(grid, instance, where):
    """Which ports of which other members open, all tried at once: {'db-1:8080', …}."""
    names = {address: name for name, address in where.items()}
    tries = ''.join(f'(nc -w 1 {address} {port} </dev/null >/dev/null 2>&1 && echo {address} {port}) & '
                    for name, address in where.items() if name != instance for port in (8080, 8081, 8082))
    _, output = grid.shell(f'acme/shop/{instance}', tries + 'wait')
    return {f'{names[line.split()[0]]}:{line.split()[1]}' for line in output.splitlines()}


def told(grid, instance, where):
    """The same as `croft reach` has it."""
    rows = json.loads(grid.do('reach', '--from', f'acme/shop/{instance}', '-o', 'json'))
    found = set()
    for row in rows:
        for name in where:
            tier = f'acme/shop/{name.rsplit("-", 1)[0]}'
            if name == instance or row['to'] not in (tier, f'acme/shop/{name}') or row['protocol'] not in ('tcp', 'any'):
                continue
            for port in (8080, 8081, 8082):
                ranges = [part.split('-') for part in row['ports'].split(', ')] if row['ports'] else [['0', '65535']]
                if any(int(part[0]) <= port <= int(part[-1]) for part in ranges):
                    found.add(f'{name}:{port}')
    return found


def agree(grid, where, what):
    """Each member opens what `croft reach` says, by real connections."""
    for name in sorted(where):
        wait_until(f'{what}: {name} opens {sorted(told(grid, name, where))}',
                   lambda: opened(grid, name, where) == told(grid, name, where))


@tap.case('filters of both parties hold on the wire, between hosts and on one, as croft reach says')
def both(grid):
    where = start(grid)
    agree(grid, where, 'without filters')
    equal(told(grid, 'web-1', where), {f'db-{n}:{port}' for n in (1, 2) for port in (8080, 8081)})
    grid.apply(text(filters('outer', 'landlord', 'all', {'action': 'deny', 'direction': 'out', 'protocol': 'tcp', 'port': 8081})))
    agree(grid, where, "with the landlord's")
    equal(told(grid, 'web-1', where), {'db-1:8080', 'db-2:8080'})
    grid.apply(text(filters('inner', 'acme', 'acme/shop/db', {'action': 'allow', 'direction': 'in', 'from': 'instance:acme/shop/web-1',
                                                              'protocol': 'tcp', 'port': '8000-8080'}, default='deny')))
    agree(grid, where, "with the tenant's")
    equal(told(grid, 'web-1', where), {'db-1:8080', 'db-2:8080'})
    equal(told(grid, 'web-2', where), set())
    equal(told(grid, 'db-1', where), set())
    grid.do('delete', 'filter', 'landlord/outer')
    grid.do('delete', 'filter', 'acme/inner')
    agree(grid, where, 'without them again')


@tap.case('a new member is governed from its first packet on, and names follow it')
def grows(grid):
    where = start(grid)
    grid.apply(text(filters('own', 'acme', 'acme/shop', {'action': 'deny', 'direction': 'in', 'from': 'tier:acme/shop/db', 'to': 'tier:acme/shop/web'})))
    agree(grid, where, 'two of each')
    grid.do('scale', 'acme/shop', 'web', '3')
    grid.wait_ready('acme/shop')
    where = {item['name'].rsplit('/', 1)[1]: item['address'] for item in grid.instances('acme/shop')}
    equal(opened(grid, 'db-1', where), set(), 'what db opens of web, the new one too')
    agree(grid, where, 'three webs')


@tap.case('what is taken away is cut, reject answers at once, and events say whose filter denied it')
def cut(grid):
    where = start(grid)
    with subprocess.Popen(['nsenter', '-t', str(grid.instance_pids('acme/shop/web-1')[0]), '-n', '/usr/bin/python3', '-c', FLOW, where['db-1']],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as flow:
        try:
            equal(flow.stdout.readline(), 'open\n')
            grid.apply(text(filters('own', 'acme', 'acme/shop/db', {'action': 'reject', 'direction': 'in', 'protocol': 'tcp'})))

            def says():
                flow.stdin.write('\n')
                return flow.stdout.readline().strip()
            wait_until('the open connection is cut', lambda: says() == 'cut')
        finally:
            flow.kill()
    # Refused at once, not dropped: nc with all its patience ends by itself.
    status, output = grid.shell('acme/shop/web-1', f'nc -w 600 {where["db-1"]} 8080 </dev/null 2>&1')
    assert status != 0 and 'refused' in output.lower(), f'{status} {output}'
    wait_until('events tell whose filter it was', lambda: any("denied by acme's filter own (filter)" in event['reason']
                                                              for event in json.loads(grid.do('events', 'acme/shop/db-1', '-o', 'json'))))


@tap.case("what would pass more than the boundary is refused with a packet, and the wire keeps to the boundary that tightens later")
def tightens(grid):
    where = start(grid)
    grid.apply(text(filters('own', 'acme', 'acme/shop/web')))
    agree(grid, where, 'with all of it open')
    grid.apply(text(filters('outer', 'landlord', 'acme', {'action': 'deny', 'direction': 'out', 'protocol': 'tcp', 'port': 8080})))
    agree(grid, where, 'the boundary holds')
    equal(told(grid, 'web-1', where), {'db-1:8081', 'db-2:8081'})
    wait_until('who does not fit is told', lambda: [item for item in json.loads(grid.do('get', 'filters', '-o', 'json'))
                                                    if item['name'] == 'acme/own' and item['fits'] is False])
    result = grid.cli('apply', '-f', '-', stdin=text(filters('own', 'acme', 'acme/shop/web', {'action': 'allow', 'direction': 'in'})))
    equal(result.returncode, 1, 'refused')
    refused = result.stderr
    assert 'lets pass what landlord/outer does not: out tcp ' in refused and ':8080' in refused, refused
    answer = grid.do('filter', 'test', '--on', 'acme/shop/web-1', '--packet', f'out tcp {where["web-1"]}:40000 > {where["db-1"]}:8080')
    assert 'rule 1 of filter landlord/outer: deny' in answer and answer.rstrip().endswith('does not pass'), answer


def comes(address, source):
    """What a caller with that source gets at a published address: answered, refused or nothing."""
    host, port = address.split(':')
    try:
        with socket.create_connection((host, int(port)), timeout=0.5, source_address=(source, 0)) as caller:
            caller.settimeout(5)
            caller.sendall(b'GET /index.html HTTP/1.0\r\n\r\n')
            return 'answered' if caller.recv(100) else 'cut'
    except TimeoutError:
        return 'nothing'
    except ConnectionError:
        return 'refused'


def tables(grid):
    """Those of the grid in the machine's own network, where published sockets are."""
    listed = subprocess.run(['nft', 'list', 'tables'], capture_output=True, text=True, check=True).stdout
    return sorted(line.split()[-1] for line in listed.splitlines() if f'croft_doors_{grid.grid}_' in line)


@tap.case('callers of a published address are judged by all that governs the balancer, wherever it runs and whoever is away')
def doors(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address), wait=True)
    equal([comes(address, f'127.0.0.{n}') for n in (1, 2, 3)], ['answered'] * 3, 'without filters')
    equal(tables(grid), [], 'tables without filters')
    with Load(address) as load:
        grid.apply(text(filters('outer', 'landlord', 'all', {'action': 'deny', 'direction': 'in', 'from': '127.0.0.2/32', 'protocol': 'tcp', 'port': 80}),
                        filters('inner', 'acme', 'acme/shop/balance', {'action': 'reject', 'direction': 'in', 'from': '127.0.0.2/31', 'protocol': 'tcp'})))

        def judged(what):
            wait_until(f'callers are judged {what}', lambda: [comes(address, f'127.0.0.{n}') for n in (1, 2, 3)] == ['answered', 'nothing', 'refused'])
        judged('by both')

        # The algebra says the same of the balancer's own port.
        balancer = grid.instances('acme/shop', 'balance')[0]
        answer = grid.do('filter', 'test', '--on', balancer['name'], '--packet', f'in tcp 127.0.0.2:40000 > {balancer["address"]}:80')
        assert 'rule 1 of filter landlord/outer: deny' in answer, answer
        rows = json.loads(grid.do('reach', '--from', 'internet', '--to', 'acme/shop/balance', '-o', 'json'))
        equal([(row['to'], row['protocol'], row['ports'], row['partly']) for row in rows], [('acme/shop/balance', 'tcp', '80', True)], 'croft reach')
        for words in "denied by landlord's filter outer", "denied by acme's filter inner":
            wait_until(f'events tell: {words}', lambda: any(words in event['reason'] for event in grid.events('acme/shop')))

        # It is a socket of IPv4 alone: there is no way around by IPv6.
        for host in '::1', '::ffff:127.0.0.2':
            try:
                socket.create_connection((host, int(address.split(':')[1])), timeout=0.5, source_address=None if host == '::1' else ('::ffff:127.0.0.2', 0)).close()
                raise AssertionError(f'{host} came in')
            except (ConnectionRefusedError, TimeoutError):
                pass
        # While nobody looks after it, and by who comes then.
        agent = grid.host(balancer['host'])['agent_pid']
        kill(agent)
        judged('while the agent is away')
        wait_until('the agent is back', lambda: grid.host(balancer['host'])['agent_pid'] not in (0, agent) and grid.host(balancer['host'])['state'] == 'up')
        judged('after its return')
        load.lost_nothing()
    equal(len(tables(grid)), 1, 'tables')

    # The balancer moves, and its judges with it; then its host dies.
    other = next(host['name'] for host in grid.get('hosts') if host['name'] != balancer['host'])
    grid.do('move', balancer['name'], other)
    wait_until('it runs there', lambda: [item['host'] for item in grid.instances('acme/shop', 'balance') if item['state'] == 'running'] == [other])
    judged('elsewhere')
    wait_until('only there', lambda: tables(grid) == [f'croft_doors_{grid.grid}_{other}'])
    kill(grid.host(other)['pid'])
    grid.wait_ready('acme/shop')
    judged('after a death')
    assert f'croft_doors_{grid.grid}_{other}' not in tables(grid), f'{tables(grid)} with {other} dead'
    grid.do('power', other, 'on')
    grid.do('delete', 'filter', 'landlord/outer')
    grid.do('delete', 'filter', 'acme/inner')
    wait_until('without them again', lambda: [comes(address, f'127.0.0.{n}') for n in (1, 2, 3)] == ['answered'] * 3)
    wait_until('nothing is left', lambda: tables(grid) == [])


if __name__ == '__main__':
    needs_root()
    sys.exit(tap.run(Grid(sys.argv[1], hosts=3, racks=1)))
