#!/usr/bin/python3
"""System test: what an instance can reach, judged by real packets. usage: test_isolation.py CROFT"""

import contextlib
import json
import subprocess
import sys

from grid import Grid, Tap, equal, needs_root, wait_until

tap = Tap()
# Opens a connection from a given address.
ASK = """import socket, sys
try:
    socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=1, source_address=(sys.argv[1], 0))
    print('opened')
except OSError as error:
    print(type(error).__name__)
"""
# Opens so many connections, and asks over the next one with each line that it is sent: "answered" or "cut".
FLOWS = """import socket, sys
flows = [socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) for _ in range(int(sys.argv[3]))]
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
# Says what it hears at UDP port 5353, also of the groups that it joined, until its input ends.
HEAR = """import select, socket, sys
ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ear.bind(('', 5353))
ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton('224.0.0.251') + socket.inet_aton(sys.argv[1]))
print('ready', flush=True)
while sys.stdin not in (ready := select.select([ear, sys.stdin], [], [])[0]) or ear in ready:
    if ear in ready:
        print('heard ' + repr(ear.recvfrom(100)), flush=True)
"""
SHOUT = """import socket, sys
mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
mouth.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
for to in '255.255.255.255', '10.0.0.255', '224.0.0.251':
    for _ in range(3):
        try:
            mouth.sendto(b'anybody?', (to, 5353))
        except PermissionError:
            pass
print('sent')
"""
SMALL = {'cpus': 0.1, 'memory': '32Mi', 'disk': '16Mi'}


def tier(name, port, **more):
    return {'name': name, 'image': 'hello:1', 'count': 2, 'size': SMALL, 'spread': 'host',
            'command': ['/bin/httpd', '-f', '-p', str(port), '-h', '/www'], **more}


def three_tiers(party):
    """web may open db:5432, app nothing; nobody may open web but the balancer."""
    farm = {'kind': 'Farm', 'name': 'shop', 'party': party, 'subnet': '10.0.0.0/24',
            'tiers': [tier('web', 8080), tier('db', 5432), tier('app', 9000)],
            'allow': [{'from': 'web', 'to': 'db', 'port': '5432/tcp'}]}
    return json.dumps({'kind': 'Party', 'name': party}) + '\n' + json.dumps(farm)


def both(grid):
    for party in 'acme', 'brio':
        grid.apply(three_tiers(party))
    for party in 'acme', 'brio':
        grid.wait_ready(f'{party}/shop')
    for party in 'acme', 'brio':
        for item in grid.instances(f'{party}/shop'):
            # The service itself answers, so that "not reached" below says something.
            port = {'web': 8080, 'db': 5432, 'app': 9000}[item['tier']]
            assert reaches(grid, item['name'], item['address'], port), f'{item["name"]} serves itself'


def reaches(grid, instance, address, port, page='/index.html'):
    """Does a connection open and answer? What is dropped shows by the patience of nc."""
    status, text = grid.shell(instance, f'printf "GET {page} HTTP/1.0\\r\\n\\r\\n" | nc -w 1 {address} {port} 2>&1')
    return status == 0 and '200 OK' in text


def opens(grid, instance, *targets):
    """Which of the addresses and ports open at all, all tried at once."""
    tries = ''.join(f'(nc -w 1 {address} {port} </dev/null >/dev/null 2>&1 && echo {address}:{port}) & ' for address, port in targets)
    _, text = grid.shell(instance, tries + 'wait')
    return sorted(text.split())


@tap.case('a tier is reached only from where allow says, and only at that port')
def allow(grid):
    both(grid)
    where = {item['name'].rsplit('/', 1)[1]: item['address'] for item in grid.instances('acme/shop')}
    for web in 'web-1', 'web-2':
        for db in 'db-1', 'db-2':
            assert reaches(grid, f'acme/shop/{web}', where[db], 5432), f'{web} opens {db}'
    everything = [(where[name], port) for name in where for port in (22, 80, 5432, 8080, 9000)]
    for name in sorted(where):
        others = [(address, port) for address, port in everything if address != where[name]]
        wanted = sorted(f'{where[db]}:5432' for db in ('db-1', 'db-2')) if name.startswith('web') else []
        equal(opens(grid, f'acme/shop/{name}', *others), wanted, f'what {name} opens')


@tap.case('allow changes at once, and what is taken away is closed')
def allow_changes(grid):
    grid.apply(three_tiers('acme'), wait=True)
    where = {item['name'].rsplit('/', 1)[1]: item['address'] for item in grid.instances('acme/shop')}
    assert not reaches(grid, 'acme/shop/app-1', where['db-1'], 5432)
    grid.apply(three_tiers('acme').replace('"from": "web"', '"from": "app"'))
    wait_until('app opens db', lambda: reaches(grid, 'acme/shop/app-1', where['db-1'], 5432))
    wait_until('web opens it no more', lambda: not reaches(grid, 'acme/shop/web-1', where['db-1'], 5432))
    grid.apply(json.dumps({**json.loads(three_tiers('acme').split('\n')[1]), 'allow': []}))
    wait_until('nobody opens db', lambda: not reaches(grid, 'acme/shop/app-1', where['db-1'], 5432))


@contextlib.contextmanager
def python_in(grid, instance, text, *arguments):
    """A program of this machine in the instance's network, with pipes."""
    with subprocess.Popen(['nsenter', '-t', str(grid.instance_pids(instance)[0]), '-n', '/usr/bin/python3', '-c', text, *arguments],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        try:
            yield process
        finally:
            process.kill()


@tap.case('an allow that is taken away cuts connections that are open already, also between hosts')
def cut(grid):
    grid.apply(three_tiers('acme'), wait=True)
    db = grid.instance('acme/shop/db-1')
    web = [item for item in grid.instances('acme/shop', 'web') if item['host'] != db['host']][0]
    with python_in(grid, web['name'], FLOWS, db['address'], '5432', '16') as flows:
        equal(flows.stdout.readline(), 'open\n')

        def says():
            flows.stdin.write('\n')
            return flows.stdout.readline().strip()
        equal(says(), 'answered', 'while it is allowed')
        grid.apply(json.dumps({**json.loads(three_tiers('acme').split('\n')[1]), 'allow': []}))
        wait_until('an open connection is cut', lambda: says() == 'cut')
        equal(says(), 'cut', 'from then on')


@tap.case('broadcast and multicast of an instance reach nobody of another farm')
def shout(grid):
    both(grid)
    with contextlib.ExitStack() as stack:
        ears = {}
        for item in grid.instances('brio/shop'):
            ears[item['name']] = stack.enter_context(python_in(grid, item['name'], HEAR, item['address']))
            equal(ears[item['name']].stdout.readline(), 'ready\n')
        for item in grid.instances('acme/shop'):
            with python_in(grid, item['name'], SHOUT, item['address']) as mouth:
                equal(mouth.stdout.readline(), 'sent\n')
        # What was sent before these was delivered before them, on every host.
        for party in 'acme', 'brio':
            where = {item['name'].rsplit('/', 1)[1]: item['address'] for item in grid.instances(f'{party}/shop')}
            for web in 'web-1', 'web-2':
                for db in 'db-1', 'db-2':
                    assert reaches(grid, f'{party}/shop/{web}', where[db], 5432)
        for name, ear in ears.items():
            ear.stdin.close()
            equal(ear.stdout.read(), '', f'what {name} heard')
    with python_in(grid, 'brio/shop/web-1', HEAR, where['web-1']) as ear:  # it would have heard
        equal(ear.stdout.readline(), 'ready\n')
        with python_in(grid, 'brio/shop/web-1', SHOUT, where['web-1']):
            assert ear.stdout.readline().startswith('heard'), 'itself'


@tap.case('a warm instance sends nothing until it is let in')
def silent(grid):
    chatter = '(while true; do nc -w 1 10.0.0.1 9 </dev/null >/dev/null 2>&1; sleep 0.01; done) & exec /bin/httpd -f -p 8080 -h /www'
    web = {'count': {'committed': 1, 'max': 2}, 'warm': 1, 'command': ['/bin/sh', '-c', chatter]}
    grid.apply(grid.farm('shop', grid.publish(), web=web), wait=True)
    wait_until('one is warm and held', lambda: [item for item in grid.instances('acme/shop', 'web')
                                                if item['warm'] and item['state'] == 'running' and item['health'] == 'good'])
    names = {item['warm']: item['name'] for item in grid.instances('acme/shop', 'web')}

    def sent(name):
        with open(f'/proc/{grid.instance_pids(name)[0]}/net/snmp', encoding='utf-8') as file:
            heads, values = [line.split() for line in file if line.startswith('Tcp:')]
        return int(values[heads.index('OutSegs')])
    serving, warm = sent(names[False]), sent(names[True])
    wait_until('the one that serves talks', lambda: sent(names[False]) >= serving + 20)
    equal(sent(names[True]), warm, 'segments of the warm one')
    grid.do('scale', 'acme/shop', 'web', '2')
    wait_until('let in, it talks too', lambda: sent(names[True]) >= warm + 5)


@tap.case('hosts, the management network, the controller and other farms cannot be reached')
def boundary(grid):
    both(grid)
    own = {item['address'] for item in grid.instances('acme/shop')}
    other = {item['address'] for item in grid.instances('brio/shop')}
    equal(own, other, 'the farms use the same addresses')
    hosts = [f'10.{net}.1.{number}' for net in (90, 91, 92) for number in (1, 2, 3, 4)]
    ports = (22, 53, 80, 4789, 7070, 7071)
    targets = [(address, port) for address in hosts + ['10.90.0.1', '10.91.0.1', '10.92.0.1'] for port in ports]
    targets += [('127.0.0.1', 7070), ('127.0.0.1', 7071), ('127.0.0.1', int(grid.address.split(':')[1]))]
    targets += [('10.0.0.1', port) for port in (22, 80, 7070, 7071, 8080)]
    for name in 'acme/shop/web-1', 'acme/shop/db-2', 'brio/shop/app-1':
        equal(opens(grid, name, *targets), [], f'what {name} opens')
    status, text = grid.exec('acme/shop/web-1', '/bin/nslookup', 'web.shop.brio')
    assert status != 0, f'names of another farm: {text}'
    # Another tenant's pages never come from an address that both have.
    mark = '/tmp/of-brio'
    for item in grid.instances('brio/shop', 'db'):
        grid.shell(item['name'], f'echo > {mark}')
    for item in grid.instances('acme/shop'):
        equal(grid.shell(item['name'], f'ls {mark} 2>/dev/null')[1], '', f'files of brio in {item["name"]}')


@tap.case('who sends under another address is heard by nobody')
def spoof(grid):
    grid.apply(three_tiers('acme'), wait=True)
    where = {item['name'].rsplit('/', 1)[1]: item['address'] for item in grid.instances('acme/shop')}
    assert reaches(grid, 'acme/shop/web-1', where['db-1'], 5432)
    # An instance has no right to give itself an address.
    status, _ = grid.shell('acme/shop/app-1', f'ip addr add {where["web-1"]}/24 dev eth0 2>&1')
    assert status != 0, 'an instance gave itself an address'
    # So the address is given from outside, into the instance's network, as if it could: the host's filters have to hold.
    pid = grid.instance_pids('acme/shop/app-1')[0]
    inside = ['nsenter', '-t', str(pid), '-n']
    free = '10.0.0.200'
    for address in (free, where['web-2']):
        subprocess.run([*inside, 'ip', 'addr', 'add', f'{address}/32', 'dev', 'eth0'], check=True)
        try:
            result = subprocess.run([*inside, '/usr/bin/python3', '-c', ASK, address, where['db-1'], '5432'], check=True,
                                    capture_output=True, text=True)
            equal(result.stdout.strip(), 'TimeoutError', f'as {address}')
        finally:
            subprocess.run([*inside, 'ip', 'addr', 'del', f'{address}/32', 'dev', 'eth0'], check=True)
    inside = ['nsenter', '-t', str(grid.instance_pids('acme/shop/web-1')[0]), '-n']
    result = subprocess.run([*inside, '/usr/bin/python3', '-c', ASK, where['web-1'], where['db-1'], '5432'], check=True,
                            capture_output=True, text=True)
    equal(result.stdout.strip(), 'opened', 'the right sender')


@tap.case('instances cannot see or signal what is not theirs')
def inside(grid):
    grid.apply(grid.farm('shop', grid.publish()), wait=True)
    status, text = grid.shell('acme/shop/web-1', 'ps')
    assert status == 0 and 'httpd' in text and 'croft' not in text and 'haproxy' not in text, text
    # What an instance writes is its own scratch: another one of the same image on the same host does not see it.
    grid.shell('acme/shop/web-1', 'echo x > /etc/version')
    grid.do('scale', 'acme/shop', 'web', '4')
    grid.wait_ready('acme/shop')
    for item in grid.instances('acme/shop', 'web'):
        if item['name'] != 'acme/shop/web-1':
            equal(grid.shell(item['name'], 'cat /etc/version'), (0, 'one\n'), f'the image in {item["name"]}')
    assert grid.shell('acme/shop/web-1', 'echo x > /tmp/x && cat /tmp/x')[0] == 0, 'scratch can be written'
    status, text = grid.shell('acme/shop/web-1', 'mkdir /tmp/c && chroot /tmp/c 2>&1')
    assert status != 0, text
    equal(grid.shell('acme/shop/web-1', 'ls -a /run/croft'), (0, '.\n..\nsocket\n'), 'of croft only the small socket is there')
    for path in '/sys/fs/cgroup/croft', '/var/lib/croft', grid.state:
        assert grid.shell('acme/shop/web-1', f'ls {path} 2>/dev/null')[1] == '', path
    # Two tenants' instances on one host are different users of the kernel.
    grid.apply(grid.farm('shop', party='brio', web={'count': 4}), wait=True)
    uids = {}
    for item in grid.get('instances'):
        with open(f'/proc/{grid.instance_pids(item["name"])[0]}/status', encoding='utf-8') as file:
            uid = [line for line in file if line.startswith('Uid:')][0].split()[1]
        assert int(uid) >= 1000, f'{item["name"]} runs as {uid} of the machine'
        uids.setdefault((item['host'], uid), []).append(item['name'])
    for names in uids.values():
        assert len({name.split('/')[0] for name in names}) == 1, f'two tenants share a user on a host: {names}'


if __name__ == '__main__':
    needs_root()
    sys.exit(tap.run(Grid(sys.argv[1], hosts=4, racks=2)))
