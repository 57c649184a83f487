#!/usr/bin/python3
"""System test: an instance that attacks. One host runs two tenants; what one of them tries hurts that one only, and its one
way to the agent, the socket in each instance, does what it is for. usage: test_escape.py CROFT ROGUE

doc/threat-model.md ("An instance that attacks") says which line of it is shown where."""

import json
import os
import re
import socket
import subprocess
import sys
import threading

from grid import Grid, Load, Tap, equal, needs_root, start_ticks, wait_until

tap = Tap()
SMALL = {'cpus': 0.25, 'memory': '32Mi', 'disk': '16Mi'}
SERVES = '/bin/httpd -f -p 8080 -h /www'
# Forges what only the net driver's tests forge one by one, many times: as if the instance had the rights for it.
FORGE = """import socket, struct, sys
count, neighbour = int(sys.argv[1]), socket.inet_aton(sys.argv[2])
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(('eth0', 0))
mine, other, all_ = wire.getsockname()[4], bytes.fromhex('020000000099'), b'\\xff' * 6
arp = struct.pack('!HHBBH6s4s6s4s', 1, 0x800, 6, 4, 2, other, neighbour, all_, neighbour)
ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28, 0, 0, 64, 17, 0, neighbour, socket.inet_aton('10.0.0.1')) + struct.pack('!HHHH', 9, 9, 8, 0)
frames = [all_ + mine + b'\\x08\\x06' + arp, all_ + other + b'\\x08\\x06' + arp, all_ + mine + b'\\x08\\x00' + ip, all_ + other + b'\\x08\\x00' + ip]
sent = 0
for number in range(count):
    try:
        sent += wire.send(frames[number % 4]) > 0
    except OSError:
        pass
print(sent)
"""
# Enters an instance as a command does, but with a directory of the host in its hands; ends with its input.
CARELESS = """import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
pid, held = sys.argv[1], os.open('/etc', os.O_RDONLY)
os.set_inheritable(held, True)
spaces = [os.open(f'/proc/{pid}/ns/{name}', os.O_RDONLY) for name in ('pid', 'net', 'ipc', 'uts', 'mnt', 'user')]
for space in spaces:
    if libc.setns(space, 0):
        sys.exit(os.strerror(ctypes.get_errno()))
for capability in range(64):
    if not 0x4fb >> capability & 1:
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
os.setgid(0)
os.setuid(0)
if os.fork() == 0:
    os.execv('/bin/busybox', ['busybox', 'cat'])
os.wait()
"""


def two(grid, **web):
    """A rogue tenant and a neighbour of another party, in farms with the same addresses; the neighbour's address."""
    address = grid.publish()
    grid.apply(grid.farm('shop', address, party='brio', web={'count': 1, 'size': SMALL}), wait=True)
    grid.apply(grid.farm('bad', web={'name': 'rogue', 'image': 'rogue:1', 'count': 1, 'size': SMALL, **web}), wait=True)
    return address


def rogue(grid, *arguments, name='acme/bad/rogue-1', fine=True):
    status, text = grid.exec(name, '/bin/rogue', *arguments)
    assert status == 0 or not fine, f'rogue {arguments}: {status} {text}'
    return text


def ask(grid, method, path, body=''):
    """What the socket answers to the instance itself: status and body."""
    head, _, body = rogue(grid, 'ask', method, path, body).replace('\r', '').partition('\n\n')
    return int(head.split()[1]), body


def agent_pid(grid):
    return grid.get('hosts')[0]['agent_pid']


class Unhurt:
    """While the block lasts the neighbour's callers lose nothing, its instance is not restarted, the host stays up and its
    agent is the same."""

    def __init__(self, grid, address):
        self.grid, self.load = grid, Load(address)

    def __enter__(self):
        pid = agent_pid(self.grid)
        self.before = self.state(pid)
        self.events = len(self.grid.events())
        self.load.__enter__()
        return self

    def state(self, pid):
        return [(item['name'], item['incarnation'], item['restarts']) for item in self.grid.instances('brio/shop')], pid, start_ticks(pid)

    def __exit__(self, kind, *_):
        if kind:
            self.load.end()
            return
        self.load.lost_nothing()
        equal(self.state(agent_pid(self.grid)), self.before, 'the neighbour and the agent')
        told = [item for item in self.grid.events()[self.events:] if item['kind'] == 'host']
        equal([(item['what'], item['reason']) for item in told], [], 'what is told of the host')


@tap.case('the socket says who asks, by the socket it came in on')
def me(grid):
    two(grid, metadata={'role': 'primary', 'words': 'a "b"\n'})
    item = grid.instances('acme/bad', 'rogue')[0]
    status, body = ask(grid, 'GET', '/v1/me')
    equal(status, 200)
    told = json.loads(body)
    equal({key: told[key] for key in ('name', 'party', 'farm', 'tier', 'number', 'host', 'address', 'incarnation', 'size', 'restarts')},
          {'name': 'acme/bad/rogue-1', 'party': 'acme', 'farm': 'acme/bad', 'tier': 'rogue', 'number': 1, 'host': item['host'],
           'address': item['address'], 'incarnation': item['incarnation'], 'size': SMALL, 'restarts': 0})
    equal(json.loads(ask(grid, 'GET', '/v1/metadata')[1]), {'role': 'primary', 'words': 'a "b"\n'})
    equal(ask(grid, 'GET', '/v1/metadata/role'), (200, 'primary'))
    equal(ask(grid, 'GET', '/v1/instances')[0], 404)
    # Its metadata changes while it runs.
    grid.apply(grid.farm('bad', web={'name': 'rogue', 'image': 'rogue:1', 'count': 1, 'size': SMALL, 'metadata': {'role': 'second'}}))
    wait_until('it reads the new one', lambda: ask(grid, 'GET', '/v1/metadata/role') == (200, 'second'))
    equal(ask(grid, 'GET', '/v1/metadata/words')[0], 404)
    equal(grid.instance('acme/bad/rogue-1')['incarnation'], item['incarnation'])


@tap.case('a heartbeat through the socket is health, also over a restart of the agent; silence is not')
def heartbeat(grid):
    two(grid, command=['/bin/rogue', 'beat', '/tmp/quiet'], health={'heartbeat': '3s'})
    before = grid.instance('acme/bad/rogue-1')
    equal((before['health'], before['restarts']), ('good', 0))
    pid = agent_pid(grid)
    os.kill(pid, 9)
    wait_until('another agent', lambda: agent_pid(grid) not in (0, pid))
    wait_until('it hears the instance', lambda: ask(grid, 'GET', '/v1/me')[0] == 200)
    equal(json.loads(ask(grid, 'POST', '/v1/heartbeat')[1]), {'counts': True, 'within': '3s'})
    equal(grid.instance('acme/bad/rogue-1')['restarts'], 0)
    grid.shell('acme/bad/rogue-1', 'echo > /tmp/quiet')
    wait_until('it is restarted', lambda: grid.instance('acme/bad/rogue-1')['restarts'] == 1)
    wait_until('and well', lambda: grid.instance('acme/bad/rogue-1')['health'] == 'good')
    assert [item for item in grid.events() if item['name'] == 'acme/bad/rogue-1' and 'no heartbeat in 3s' in item['reason']]


@tap.case('an instance that asks for it is restarted, and it is told why')
def restart(grid):
    two(grid)
    equal(ask(grid, 'POST', '/v1/restart', 'leaking memory')[0], 202)
    wait_until('it is restarted', lambda: grid.instance('acme/bad/rogue-1')['restarts'] == 1 and
               grid.instance('acme/bad/rogue-1')['health'] == 'good')
    assert [item for item in grid.events() if item['name'] == 'acme/bad/rogue-1' and
            item['reason'] == 'it asked to be restarted: leaking memory'], grid.events()[-9:]


@tap.case('who hammers on its socket is heard seldom, and stops neither the agent nor the socket of another')
def hammer(grid):
    address = two(grid)
    grid.apply(grid.farm('good', party='cora', web={'image': 'rogue:1', 'count': 1, 'size': SMALL}), wait=True)
    with Unhurt(grid, address):
        pids = grid.instance_pids('acme/bad/rogue-1')
        inside = ['nsenter', '-t', str(pids[0]), '-a', '/bin/rogue', 'hammer']
        with subprocess.Popen([*inside, '48'], stdout=subprocess.PIPE, text=True) as process:
            asked = 0
            while process.poll() is None:
                text = rogue(grid, 'ask', 'GET', '/v1/me', name='cora/good/web-1')
                assert ' 200 OK' in text, text
                asked += 1
            equal(process.stdout.read(), 'hammered\n')
        assert asked > 0
        # What it did stopped it alone: it is heard again when its queue is empty.
        equal(ask(grid, 'GET', '/v1/me')[0], 200)
    equal(grid.instance('acme/bad/rogue-1')['restarts'], 0)
    # And it goes as any other, with what still waits in its queue.
    with subprocess.Popen([*inside, '40'], stdout=subprocess.DEVNULL):
        grid.do('delete', 'farm', 'acme/bad', '--wait')


@tap.case('nothing of what an instance tries works')
def attempts(grid):
    two(grid)
    name = f'croft-test-{os.getpid()}'
    with socket.socket(socket.AF_UNIX) as ear:
        ear.bind(f'\0{name}')
        ear.listen()
        lines = rogue(grid, 'try', str(agent_pid(grid)), name).splitlines()
    said = dict(line.split(' ', 1) for line in lines)
    assert len(said) > 60 and 'socket_owner' in said and 'getfd' in said, f'all were tried: {sorted(said)}'
    equal({name: how for name, how in said.items() if not how.startswith('refused: ')}, {}, 'what worked')
    # Refused because it may not, not because it was badly tried.
    for name in 'mount', 'unshare_user', 'ptrace', 'raw', 'packet', 'disk_node', 'address', 'mac', 'realtime':
        assert said[name] in ('refused: Operation not permitted', 'refused: Permission denied'), f'{name}: {said[name]}'
    equal(said['abstract'], 'refused: Connection refused')
    equal(said['agent_signal'], 'refused: No such process')
    equal(rogue(grid, 'setuid'), 'uid 1000 euid 1000\n')
    status, text = ask(grid, 'GET', '/v1/me')
    equal(status, 200, text)


@tap.case('an instance sees its own processes, devices, mounts and sockets, and nothing of the host')
def world(grid):
    two(grid)
    seen = {}
    for line in rogue(grid, 'world').splitlines():
        kind, _, rest = line.partition(' ')
        seen.setdefault(kind, []).append(rest)
    own = len(grid.instance_pids('acme/bad/rogue-1'))
    assert len(seen['process']) <= own + 1 and '1' in seen['process'], f'{own} of its own, but {seen["process"]}'
    nodes = {line.split()[0]: line.split()[1] for line in seen['node']}
    equal({path for path in nodes if not re.fullmatch(r'/dev/(null|zero|full|random|urandom|tty|ptmx|console|pts/(ptmx|\d+))', path)}, set(),
          f'device nodes {nodes}')
    equal(seen.get('socket'), ['/run/croft/socket'])
    equal([line for line in seen.get('unix', []) if '/' in line and '/run/croft/socket' not in line], [], 'sockets of others')
    assert all(line.split(':', 2)[2] == '/' for line in seen['cgroup'] if 'name=' not in line), f'cgroups {seen["cgroup"]}'
    points = {line.split()[4] for line in seen['mount']}
    for point in points:
        assert re.match(r'/$|/(proc|dev|run/croft)(/|$)', point), f'mounts {sorted(points)}'
    for line in seen['mount']:
        for word in grid.state, grid.grid, '/hosts/', 'instance/':
            assert word not in line, f'a path of the host: {line}'
    equal([line for line in seen['descriptor'] if int(line.split()[0]) > 2 and '/proc/self/fd' not in line and '/proc/' not in line], [],
          'open descriptors')
    # Of what it was started with, too: no descriptor of the agent's was forgotten in it.
    pid = grid.instance_pids('acme/bad/rogue-1')[0]
    held = {fd: os.readlink(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd')}
    for fd, target in held.items():
        assert int(fd) <= 2 or target.startswith('socket:'), f'descriptors of its first process: {held}'


@tap.case('who waits for a command to enter gets hold of nothing of the host')
def hunt(grid):
    two(grid, size={**SMALL, 'cpus': 1})
    said = []
    thread = threading.Thread(target=lambda: said.append(rogue(grid, 'hunt', '/tmp/stop')))
    thread.start()
    for _ in range(30):
        equal(grid.exec('acme/bad/rogue-1', '/bin/true')[0], 0)
    grid.shell('acme/bad/rogue-1', 'echo > /tmp/stop')
    thread.join(timeout=40)
    lines = said[0].splitlines()
    equal(lines[:-1], [], 'what it got hold of')
    assert int(re.fullmatch(r'met (\d+)', lines[-1]).group(1)) > 10, f'those who entered: {lines}'
    # It would have noticed.
    pid = grid.instance_pids('acme/bad/rogue-1')[0]
    with subprocess.Popen(['/usr/bin/python3', '-c', CARELESS, str(pid)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as careless:
        wait_until('somebody entered', lambda: 'cat' in grid.shell('acme/bad/rogue-1', 'ps')[1])
        said = grid.shell('acme/bad/rogue-1', '(sleep 1; echo > /tmp/enough) & exec /bin/rogue hunt /tmp/enough')[1]
        careless.stdin.close()
        equal(careless.wait(), 0)
    assert 'GOT the directory /etc\n' in said, said


@tap.case('who forks without end, or fills its memory, harms itself alone')
def greedy(grid):
    address = two(grid, size={**SMALL, 'memory': '128Mi'})  # enough for all processes that it may have
    with Unhurt(grid, address):
        text = rogue(grid, 'fork', fine=False)
        match = re.search(r'(\d+) children, then: Resource temporarily unavailable', text)
        assert match and int(match.group(1)) < 512, text
        grid.exec('acme/bad/rogue-1', '/bin/rogue', 'eat')  # killed, or all of the instance is
        wait_until('it serves', lambda: grid.instance('acme/bad/rogue-1')['health'] == 'good')
    # As the tier's own command: killed for it, and said so.
    grid.apply(grid.farm('bad', web={'name': 'rogue', 'image': 'rogue:1', 'count': 1, 'size': SMALL, 'command': ['/bin/rogue', 'eat']}))
    with Unhurt(grid, address):
        wait_until('it is killed for it', lambda: [item for item in grid.instances('acme/bad') if 'want of memory' in item['reason']])


@tap.case('who talks without end is cut short, and nobody waits for it')
def talk(grid):
    address = two(grid, command=['/bin/sh', '-c', f'(while true; do cat /bin/busybox; done) & exec {SERVES}'])
    with Unhurt(grid, address):
        for _ in range(5):
            assert grid.api('GET', '/v1/instances/acme/bad/rogue-1/log').status == 200
        equal(ask(grid, 'GET', '/v1/me')[0], 200)


@tap.case('who floods the network, or forges what it sends, hurts itself alone')
def network(grid):
    address = two(grid)
    neighbour = grid.instances('brio/shop', 'web')[0]['address']
    pid = grid.instance_pids('acme/bad/rogue-1')[0]
    with Unhurt(grid, address):
        for target in neighbour, '10.0.0.1', '10.0.0.255', '10.90.1.1':
            text = rogue(grid, 'flood', target, '20000')
            assert text.startswith('sent '), text
        result = subprocess.run(['nsenter', '-t', str(pid), '-n', '/usr/bin/python3', '-c', FORGE, '20000', neighbour], check=True,
                                capture_output=True, text=True)
        assert int(result.stdout) > 1000, f'forged frames that left it: {result.stdout}'
    wait_until('what it forged was counted', lambda: [item for item in grid.events() if item['name'].startswith('acme/bad') and
                                                      'denied' in item['what']])


if __name__ == '__main__':
    needs_root()

    class Rogue(Grid):
        def __enter__(self):
            super().__enter__()
            self.import_image('rogue:1', 'rogue', more={'bin/rogue': sys.argv[2]})
            return self
    sys.exit(tap.run(Rogue(sys.argv[1], hosts=1, racks=1)))
