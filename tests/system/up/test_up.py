#!/usr/bin/python3
"""Test of `croft up` and `croft down` as a whole, with fake.py as controller and agent. Needs root. TAP.

usage: test_up.py HARNESS FAKE
"""

import ctypes
import fcntl
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request

HARNESS, FAKE = map(os.path.abspath, sys.argv[1:3])
MARK = f'CROFT_UP_TEST={os.getpid()}.{time.monotonic_ns()}'  # in the environment of everything that is started
CLONE_NEWNET = 0x40000000
WAIT_S = 20  # bounds waiting for an event; nothing waits that long when all is well
libc = ctypes.CDLL(None, use_errno=True)


def wait_until(what, condition):
    deadline = time.monotonic() + WAIT_S
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f'in {WAIT_S} s not: {what}'
        time.sleep(0.01)


def equal(got, wanted):
    assert got == wanted, f'got {got!r}, wanted {wanted!r}'


def our_processes():
    found = []
    for entry in pathlib.Path('/proc').iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if MARK.encode() in (entry / 'environ').read_bytes():
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def grid_id(state):
    """As src/cli/up/place.c names the grid of a state directory: the lower half of FNV-1a."""
    value = 0xcbf29ce484222325
    for byte in os.path.realpath(state).encode():
        value = (value ^ byte) * 0x100000001b3 % 2 ** 64
    return f'{value % 2 ** 32:08x}'


OWN = set()  # ids of the grids that these tests have started: others may run on this machine, and come and go


def machine():
    """What may not change by a grid that came and went."""
    cgroups = [str(path) for own in OWN for pattern in (f'croft/{own}', f'*/croft/{own}')
               for path in pathlib.Path('/sys/fs/cgroup').glob(pattern)]
    pointers = os.listdir('/run/croft') if os.path.isdir('/run/croft') else []
    return {
        'mounts': sorted(line.split()[4] for line in open('/proc/self/mountinfo')),
        'links': sorted(line.split(':')[0].strip() for line in open('/proc/net/dev') if ':' in line),
        'cgroups': sorted(cgroups),
        'netns': sorted(os.listdir('/run/netns')) if os.path.isdir('/run/netns') else [],
        'pointers': sorted(name for name in pointers if name.split('.')[0] in OWN),
        'processes': our_processes(),
    }


class Process:
    """A process by descriptor, so that waiting for its end is waiting for an event."""

    def __init__(self, pid):
        self.pid = pid
        self.fd = os.pidfd_open(pid)

    def gone(self, timeout=WAIT_S):
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        return bool(poll.poll(timeout * 1000))

    def kill(self, number=signal.SIGKILL):
        signal.pidfd_send_signal(self.fd, number)


class Grid:
    def __init__(self, directory, *options, listen='127.0.0.1:0', hosts=6):
        self.state = directory
        OWN.add(grid_id(directory))
        self.arguments = [HARNESS, 'up', '--state', directory, '--listen', listen, '--hosts', str(hosts),
                          '--program', FAKE, *options]
        self.process = None

    def up(self):
        name, value = MARK.split('=')
        self.process = subprocess.Popen(self.arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env=dict(os.environ, **{name: value}), stdin=subprocess.DEVNULL)
        line = self.process.stdout.readline()
        if not line.startswith('ready '):
            raise AssertionError(f'not ready: {line!r} {self.process.communicate()}')
        self.url = line.split()[1]
        pointer = f'/run/croft/{grid_id(self.state)}.json'
        assert os.path.exists(pointer), f'{pointer} is not there: machine() would look for the wrong grid'
        return self

    def refused(self):
        name, value = MARK.split('=')
        return subprocess.run(self.arguments, capture_output=True, text=True, timeout=WAIT_S * 2,
                              env=dict(os.environ, **{name: value}), stdin=subprocess.DEVNULL)

    def facts(self, host=None):
        return json.loads(pathlib.Path(self.state, f'hosts/{host}' if host else 'controller', 'facts.json').read_text())

    def hosts(self):
        token = pathlib.Path(self.state, 'controller/landlord.token').read_text().strip()
        request = urllib.request.Request(self.url + '/v1/hosts', headers={'Authorization': f'Bearer {token}'})
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return {item['name']: item['status'] for item in json.load(answer)}

    def power(self, *orders):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(WAIT_S)
            sock.connect(self.state + '/run/power.sock')
            sock.sendall(''.join(order + '\n' for order in orders).encode())
            file = sock.makefile()
            answers = [file.readline().strip() for _ in orders]
        return answers[0] if len(answers) == 1 else answers

    def host_pid(self, host):
        return int(self.power(f'status {host}').split()[-1])

    def down(self):
        return subprocess.run([HARNESS, 'down', '--state', self.state], capture_output=True, text=True, timeout=70)


def pids_in(init):
    """All processes in the pid namespace of a host, as the machine numbers them."""
    wanted = os.stat(f'/proc/{init}/ns/pid').st_ino
    found = []
    for entry in os.listdir('/proc'):
        try:
            if entry.isdigit() and os.stat(f'/proc/{entry}/ns/pid').st_ino == wanted:
                found.append(int(entry))
        except OSError:
            pass
    return found


def socket_in(pid, kind=socket.SOCK_STREAM):
    """A socket of this process in the network of another one, or in a namespace that has a path."""
    own, other = os.open('/proc/self/ns/net', os.O_RDONLY), os.open(pid if isinstance(pid, str) else f'/proc/{pid}/ns/net',
                                                                 os.O_RDONLY)
    try:
        assert libc.setns(other, CLONE_NEWNET) == 0, 'setns'
        sock = socket.socket(socket.AF_INET, kind)
        assert libc.setns(own, CLONE_NEWNET) == 0, 'setns back'
        return sock
    finally:
        os.close(own)
        os.close(other)


def reaches(from_pid, to_pid, address, device=None, timeout=WAIT_S):
    with socket_in(to_pid) as server, socket_in(from_pid) as client:
        server.bind(('0.0.0.0', 0))
        server.listen(1)
        client.settimeout(timeout)
        if device:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        try:
            client.connect((address, server.getsockname()[1]))
            return True
        except OSError:
            return False


def mtu(pid, device):
    with socket_in(pid, socket.SOCK_DGRAM) as sock:
        return struct.unpack('16si', fcntl.ioctl(sock, 0x8921, struct.pack('16si', device.encode(), 0)))[1]


def test_hosts_are_up_in_their_zones(grid):
    hosts = grid.hosts()
    equal(sorted(hosts), ['h1', 'h2', 'h3', 'h4', 'h5', 'h6'])
    equal([hosts[f'h{n}']['options']['--zone'] for n in range(1, 7)],
          ['east/b1/r1', 'east/b1/r2', 'east/b1/r3'] * 2)
    equal(hosts['h2']['options'], {
        '--name': 'h2', '--state': f'{grid.state}/hosts/h2', '--run': '/run/croft',
        '--join': 'https://10.90.0.1:7070,https://10.91.0.1:7070',
        '--token-file': f'{grid.state}/controller/join.token', '--listen': '10.90.1.2:7071,10.91.1.2:7071',
        '--underlay': 'eth2', '--outside': 'eth3', '--outside-refused': '10.90.0.0/15,10.92.0.0/16,10.93.1.0/24',
        '--zone': 'east/b1/r2', '--capacity': 'cpus=8,memory=32Gi,disk=400Gi,network=10G',
        '--hardware': '/sys', '--cgroup': hosts['h2']['options']['--cgroup'], '--publish-net-fd': '3',
        '--publish-table': 'croft_doors_' + hosts['h2']['options']['--cgroup'].split('/')[1] + '_h2',
        '--whoami': f'{grid.state}/run/whoami.sock'})
    equal(grid.facts()['options']['--power'], f'unix:{grid.state}/run/power.sock')


def test_a_host_is_a_computer_of_its_own(grid):
    facts = grid.facts('h3')
    equal(facts['hostname'], 'h3')
    equal(facts['run_files'], [])
    assert facts['processes'][0] == 1 and len(facts['processes']) <= 3, facts['processes']
    equal(facts['publish_net'], os.stat('/proc/self/ns/net').st_ino)
    strange = [name for name in facts['descriptors'] if 'event' in name or '/lock' in name or '/ns/' in name]
    equal(strange, [])
    for namespace in ('mnt', 'pid', 'net', 'ipc', 'uts'):
        assert os.stat(f'/proc/{facts["pid"]}/ns/{namespace}').st_ino != os.stat(f'/proc/self/ns/{namespace}').st_ino
    equal(socket.gethostname() == 'h3', False)


def test_everything_private_is_private(grid):
    for path in ('', 'run/power.sock', 'run/whoami.sock', 'run/grid.json', 'log/h1.log', 'log/controller.log'):
        equal((path, os.stat(f'{grid.state}/{path}').st_mode & 0o077), (path, 0))
    info = json.loads(pathlib.Path(grid.state, 'run/grid.json').read_text())
    equal((info['pid'], info['server'], info['ready']), (grid.process.pid, grid.url, True))
    equal([host['name'] for host in info['hosts']], [f'h{n}' for n in range(1, 7)])
    pointer = pathlib.Path(f'/run/croft/{info["grid"]}.json')
    equal((json.loads(pointer.read_text()), pointer.stat().st_mode & 0o077, pointer.parent.stat().st_mode & 0o077),
          (info, 0, 0))


def test_every_network_connects_everybody(grid):
    controller = grid.facts()['pid']
    h1, h6 = grid.host_pid('h1'), grid.host_pid('h6')
    for second in (90, 91, 92):
        assert reaches(h1, h6, f'10.{second}.1.6'), f'h1 to h6 over 10.{second}'
        assert reaches(h6, h1, f'10.{second}.1.1'), f'h6 to h1 over 10.{second}'
    for second in (90, 91):
        assert reaches(h1, controller, f'10.{second}.0.1'), f'h1 to the controller over 10.{second}'
        assert reaches(controller, h6, f'10.{second}.1.6'), f'the controller to h6 over 10.{second}'
    assert mtu(h1, 'eth2') >= 1600 and mtu(h1, 'eth0') == 1500


def test_the_underlay_is_not_the_management_network(grid):
    h1, h2, controller = grid.host_pid('h1'), grid.host_pid('h2'), grid.facts()['pid']
    assert reaches(h1, h2, '10.92.1.2', device='eth2'), 'control: the underlay itself'
    assert reaches(h1, h2, '10.90.1.2', device='eth0'), 'control: the management network itself'
    assert not reaches(h1, h2, '10.90.1.2', device='eth2', timeout=0.5)
    assert not reaches(h1, h2, '10.92.1.2', device='eth0', timeout=0.5)
    assert not reaches(h1, controller, '10.90.0.1', device='eth2', timeout=0.5)


def test_the_outside_is_a_network_of_its_own(grid):
    h1, h2 = grid.host_pid('h1'), grid.host_pid('h2')
    outside = json.loads(pathlib.Path(grid.state, 'run/grid.json').read_text())['outside']
    assert reaches(h1, h2, '10.93.1.2', device='eth3'), 'hosts over the outside'
    assert reaches(h1, outside['namespace'], outside['address']), 'the way to the rest of the world'
    assert not reaches(h1, h2, '10.90.1.2', device='eth3', timeout=0.5)


def test_whoami_tells_the_numbers_of_the_machine(grid):
    for host in ('h1', 'h6'):
        facts = grid.facts(host)
        equal(facts['pid'], grid.host_pid(host))
        command = pathlib.Path(f'/proc/{facts["agent_pid"]}/cmdline').read_text().split('\0')
        assert 'agent' in command and host in command, command
        equal(os.stat(f'/proc/{facts["agent_pid"]}/ns/pid').st_ino, os.stat(f'/proc/{facts["pid"]}/ns/pid').st_ino)
    with socket.socket(socket.AF_UNIX) as sock:  # who is in no host learns nothing
        sock.connect(grid.state + '/run/whoami.sock')
        equal(sock.recv(10), b'')


def test_orphans_are_reaped(grid):
    init = grid.host_pid('h1')

    def no_zombies():
        states = [pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')')[1].split()[0] for pid in pids_in(init)]
        return 'Z' not in states and len(states) == 2

    wait_until('h1 has only its first process and its agent', no_zombies)


def test_power_off_means_that_nothing_runs(grid):
    init = grid.host_pid('h2')
    everything = [Process(pid) for pid in pids_in(init)]
    assert len(everything) >= 2
    equal(grid.power('off h2'), 'ok off')
    assert all(process.gone(0) for process in everything), 'still alive after the answer'
    equal(grid.power('status h2', 'off h2'), ['ok off', 'ok off'])
    wait_until('the controller misses h2', lambda: 'h2' not in grid.hosts())
    equal(grid.power('on h2', 'on h2'), ['ok on', 'ok on'])
    wait_until('h2 is up again', lambda: 'h2' in grid.hosts())
    assert reaches(grid.host_pid('h1'), grid.host_pid('h2'), '10.92.1.2')
    before = grid.host_pid('h2')
    equal(grid.power('cycle h2'), 'ok on')
    assert grid.host_pid('h2') != before
    wait_until('h2 is up again', lambda: grid.hosts().get('h2', {}).get('pid') == grid.host_pid('h2'))


def asked(grid, order):
    """A client that asked, and did not wait for the answer."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(WAIT_S)
    sock.connect(grid.state + '/run/power.sock')
    sock.sendall(f'{order}\n'.encode())
    return sock


def test_power_orders_that_cross(grid):
    """Each is answered, and the last one decides; a cycle goes on to its end without who asked for it."""
    for orders, end in (('off on', 'ok on'), ('cycle off', 'ok off'), ('off cycle', 'ok on'), ('off on off', 'ok off'),
                        ('cycle off on', 'ok on'), ('off off cycle on', 'ok on')):
        clients = [asked(grid, f'{order} h3') for order in orders.split()]
        answers = [client.makefile().readline().strip() for client in clients]
        assert all(answers), f'{orders}: {answers}'
        equal((orders, answers[-1]), (orders, end))
        assert grid.power('status h3').startswith(end), orders
        equal(grid.power('on h3'), 'ok on')
        for client in clients:
            client.close()
    before = grid.host_pid('h3')
    asked(grid, 'cycle h3').close()
    wait_until('another run of h3', lambda: re.fullmatch(r'ok on pid \d+', grid.power('status h3')) and
               grid.host_pid('h3') != before)
    wait_until('h3 is up again', lambda: grid.hosts().get('h3', {}).get('pid') == grid.host_pid('h3'))


def door_tables(grid, add=()):
    """Filters of published addresses, in the machine's own network; hosts that have none get some."""
    name = grid.hosts()['h2']['options']['--publish-table'].removesuffix('2')
    for host in add:
        subprocess.run(['nft', 'add', 'table', 'inet', name + host], check=True)
    listed = subprocess.run(['nft', 'list', 'tables'], capture_output=True, text=True, check=True).stdout.split()
    return sorted(word.removeprefix(name) for word in listed if word.startswith(name))


def test_filters_of_published_addresses_go_with_their_host(grid):
    """Those of h2, and not those of h22, when h2 is off. The others go with the grid: below."""
    equal(door_tables(grid, add=('1', '2', '22')), ['1', '2', '22'])
    equal(grid.power('off h2'), 'ok off')
    equal(grid.power('on h2'), 'ok on')
    wait_until('h2 is up again', lambda: 'h2' in grid.hosts())
    equal(door_tables(grid), ['1', '22'])


def test_power_refuses_nonsense(grid):
    answers = grid.power('off h99', 'explode h1', 'off', 'status h1')
    equal([answer.split()[0] for answer in answers], ['error', 'error', 'error', 'ok'])
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(grid.state + '/run/power.sock')
        sock.sendall(b'x' * 10000)
        try:
            equal(sock.recv(1), b'')
        except ConnectionResetError:
            pass
    assert grid.power('status h1').startswith('ok on pid ')


def test_power_off_of_a_frozen_host(grid):
    """A process that version 1's freezer holds does not die of SIGKILL before it is thawed."""
    freezer = pathlib.Path('/sys/fs/cgroup/freezer')
    if not freezer.is_dir():
        return 'no freezer of version 1 here'
    agent = Process(grid.facts('h4')['agent_pid'])
    cgroup = freezer / grid.facts('h4')['options']['--cgroup'] / 'instance'
    cgroup.mkdir(parents=True)
    (cgroup / 'cgroup.procs').write_text(str(agent.pid))
    (cgroup / 'freezer.state').write_text('FROZEN')
    wait_until('frozen', lambda: (cgroup / 'freezer.state').read_text() == 'FROZEN\n')
    equal(grid.power('off h4'), 'ok off')
    assert agent.gone(0)
    equal(grid.power('on h4'), 'ok on')
    wait_until('h4 is up again', lambda: 'h4' in grid.hosts())


def test_an_agent_that_dies_is_started_again(grid):
    before = grid.hosts()['h3']
    Process(before['agent_pid']).kill()
    after = wait_until('another agent', lambda: (lambda host: host and host['agent_pid'] != before['agent_pid']
                                                 and host)(grid.hosts().get('h3')))
    equal(after['pid'], before['pid'])


def test_an_agent_that_keeps_dying_is_started_slower(grid):
    fail, log = (pathlib.Path(grid.state, path) for path in ('hosts/h3/fail-at-once', 'log/h3.log'))
    fail.touch()
    Process(grid.hosts()['h3']['agent_pid']).kill()
    wait_until('the delay doubled', lambda: '(exit status 5); starting it again in 200 ms' in log.read_text())
    fail.unlink()
    wait_until('h3 is up again', lambda: 'h3' in grid.hosts())


def test_a_controller_that_dies_is_started_again(grid):
    before = Process(grid.facts()['pid'])
    before.kill()
    assert before.gone()
    wait_until('all hosts found the new one', lambda: len(grid.hosts()) == 6)  # no attempt is refused meanwhile
    assert grid.facts()['pid'] != before.pid


def test_a_host_whose_first_process_dies_stays_off(grid):
    init = Process(grid.host_pid('h5'))
    everything = [Process(pid) for pid in pids_in(init.pid)]
    init.kill()
    assert all(process.gone() for process in everything)
    wait_until('h5 is off', lambda: grid.power('status h5') == 'ok off')
    equal(grid.power('on h5'), 'ok on')
    wait_until('h5 is up', lambda: 'h5' in grid.hosts())


def test_a_host_that_is_off_has_no_cables(grid):
    """Whatever still holds its network: here a descriptor, else a connection that waits for its last packets."""
    network = os.open(f'/proc/{grid.host_pid("h5")}/ns/net', os.O_RDONLY)
    links = ['nsenter', f'--net=/proc/{os.getpid()}/fd/{network}', 'ip', '-o', 'link']

    def carried():
        lines = subprocess.run(links, check=True, capture_output=True, text=True).stdout.splitlines()
        return [line.split(':')[1].strip() for line in lines if 'LOWER_UP' in line]

    try:
        assert any(name.startswith('eth2') for name in carried()), carried()
        equal(grid.power('off h5'), 'ok off')
        equal(carried(), ['lo'])
    finally:
        os.close(network)
    equal(grid.power('on h5'), 'ok on')
    wait_until('h5 is up', lambda: 'h5' in grid.hosts())


def test_a_host_stops_in_order(grid):
    init = Process(grid.host_pid('h5'))
    init.kill(signal.SIGTERM)
    assert init.gone()
    wait_until('h5 is off', lambda: grid.power('status h5') == 'ok off')


def test_a_second_up_is_refused(grid):
    second = grid.refused()
    equal((second.returncode, second.stdout), (1, ''))
    equal(second.stderr, f'croft: a grid is running there already (pid {grid.process.pid}); '
          f'stop it with: croft down --state {grid.state}\n')


def test_a_port_in_use_is_told(grid):
    with tempfile.TemporaryDirectory(prefix='croft-up-') as directory:
        address = grid.url.removeprefix('http://')
        refused = Grid(directory, listen=address).refused()
        equal((refused.returncode, refused.stdout), (1, ''))
        assert f'{address} is in use' in refused.stderr and refused.stderr.count('\n') == 1, refused.stderr
        equal(os.listdir(directory), [])


def test_a_failed_start_leaves_nothing(grid):
    before, address = machine(), grid.url.removeprefix('http://')
    with tempfile.TemporaryDirectory(prefix='croft-up-') as directory:
        below = directory + '/not/yet/there'
        for options in ([], ['--detach']):
            for state, listen in ((below, address), (below + '/', '127.0.0.1:none'), (directory + '/' + 'x' * 100, address)):
                refused = Grid(state, *options, listen=listen).refused()
                assert refused.returncode != 0 and refused.stderr.count('\n') == 1, refused
                equal(os.listdir(directory), [])
            # The message sends people to the logs: those stay.
            refused = Grid(below, *options, '--program', '/bin/false').refused()
            equal(refused.stderr, f'croft: the controller ended at once with status 1; see {below}/log/controller.log\n')
            equal(sorted(os.listdir(below)), ['log'])
            shutil.rmtree(directory + '/not')
        # What was there before is not touched.
        os.makedirs(directory + '/controller')
        pathlib.Path(directory, 'controller/documents').touch()
        equal(Grid(directory, listen=address).refused().returncode, 1)
        assert os.path.exists(directory + '/controller/documents')
    equal(machine(), before)


def test_a_controller_that_ends_at_once_is_told(grid):
    before = machine()
    with tempfile.TemporaryDirectory(prefix='croft-up-') as directory:
        os.mkdir(directory + '/controller')
        pathlib.Path(directory, 'controller/fail-at-once').touch()
        for options in ([], ['--detach']):
            refused = Grid(directory, *options).refused()
            equal((refused.returncode, refused.stdout), (1, ''))
            equal(refused.stderr, 'croft: the controller ended at once with status 3; '
                  f'see {directory}/log/controller.log\n')
            equal(os.listdir(directory + '/run'), [])
    equal(machine(), before)


def test_too_few_descriptors_are_told(grid):
    before = machine()
    with tempfile.TemporaryDirectory(prefix='croft-up-') as directory:
        for options in ([], ['--detach']):
            few = Grid(directory, *options)
            few.arguments = ['/bin/sh', '-c', 'ulimit -n 64 && exec "$@"', 'sh', *few.arguments]
            refused = few.refused()
            equal((refused.returncode, refused.stdout), (1, ''))
            assert 'at most 64 open files' in refused.stderr and refused.stderr.count('\n') == 1, refused.stderr
    equal(machine(), before)


def test_two_grids_side_by_side(grid):
    with tempfile.TemporaryDirectory(prefix='croft-up-') as directory:
        other = Grid(directory, '--sites', '2', '--racks', '2', '--detach', hosts=5)
        result = other.refused()
        equal((result.returncode, result.stderr), (0, ''))
        other.url = result.stdout.split()[1]
        try:
            equal(sorted(other.hosts()), ['h1', 'h2', 'h3', 'h4', 'h5'])
            equal([other.hosts()[f'h{n}']['options']['--zone'] for n in range(1, 6)],
                  ['east/b1/r1', 'west/b1/r1', 'east/b1/r2', 'west/b1/r2', 'east/b1/r1'])
            assert other.url != grid.url and other.host_pid('h1') != grid.host_pid('h1')
            assert other.facts('h1')['options']['--cgroup'] != grid.facts('h1')['options']['--cgroup']
        finally:
            stopped = other.down()
        equal((stopped.returncode, stopped.stderr), (0, ''))
        assert stopped.stdout.startswith('stopped the grid in ' + directory), stopped.stdout
        assert len(grid.hosts()) >= 5, 'the other grid lives on'


def test_a_killed_supervisor_leaves_no_process(grid):
    everything = [Process(pid) for pid in our_processes()]
    assert len(everything) >= 12, everything  # the supervisor, the controller, five hosts of two
    grid.process.kill()
    assert all(process.gone() for process in everything)
    grid.process.communicate()
    assert os.path.exists(grid.state + '/run/grid.json')
    grid.arguments[grid.arguments.index('--listen') + 1] = grid.url.removeprefix('http://')
    old_token = pathlib.Path(grid.state, 'controller/landlord.token').read_text()
    grid.up()
    equal(door_tables(grid), [])
    equal(len(grid.hosts()), 6)
    equal(pathlib.Path(grid.state, 'controller/landlord.token').read_text(), old_token)


def test_a_supervisor_killed_with_something_frozen(grid):
    """The next one has to thaw, kill and sweep what the dead one could not."""
    freezer = pathlib.Path('/sys/fs/cgroup/freezer')
    if not freezer.is_dir():
        return 'no freezer of version 1 here'
    facts = grid.facts('h1')
    cgroup = freezer / facts['options']['--cgroup'] / 'instance'
    cgroup.mkdir(parents=True)
    (cgroup / 'cgroup.procs').write_text(str(facts['agent_pid']))
    (cgroup / 'freezer.state').write_text('FROZEN')
    init = Process(facts['pid'])
    grid.process.kill()
    grid.process.communicate()
    stopped = grid.down()
    equal((stopped.returncode, stopped.stderr), (0, ''))
    assert 'crashed' in stopped.stdout, stopped.stdout
    assert init.gone() and not cgroup.parent.parent.exists()
    grid.up()


def test_down_leaves_nothing(grid, before):
    for hierarchy in ('pids', 'memory', 'freezer', 'unified', ''):
        root = pathlib.Path('/sys/fs/cgroup', hierarchy)
        if (root / 'cgroup.procs').exists():
            cgroup = root / grid.facts('h1')['options']['--cgroup'] / 'instance'
            cgroup.mkdir(parents=True)
            (cgroup / 'cgroup.procs').write_text(str(grid.facts('h1')['agent_pid']))
    with socket.create_connection(('127.0.0.1', int(grid.url.rsplit(':')[-1]))):
        stopped = grid.down()
    equal((stopped.returncode, stopped.stderr), (0, ''))
    equal(grid.process.wait(WAIT_S), 0)
    equal(os.listdir(grid.state + '/run'), [])
    assert os.path.exists(grid.state + '/hosts/h1') and os.path.exists(grid.state + '/controller/join.token')
    equal(machine(), before)
    again = grid.down()
    equal((again.returncode, again.stdout), (0, f'no grid is running in {grid.state}\n'))


def test_signals_stop_in_order(grid, before):
    grid.arguments[grid.arguments.index('--hosts') + 1] = '2'
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        grid.up()
        grid.process.send_signal(number)
        output = grid.process.communicate(timeout=WAIT_S)
        equal((grid.process.returncode, output[0]), (0, ''))
        assert 'knows 4 more hosts than --hosts 2 starts' in output[1], output
        equal(machine(), before)


def test_a_start_that_is_interrupted_leaves_nothing(grid, before):
    pathlib.Path(grid.state, 'hosts/h2/fail-at-once').touch()  # so that it is never ready
    for options in ([], ['--detach']):
        name, value = MARK.split('=')
        starting = subprocess.Popen(grid.arguments + options, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    text=True, env=dict(os.environ, **{name: value}), stdin=subprocess.DEVNULL)
        log = pathlib.Path(grid.state, 'log/h2.log')
        size = log.stat().st_size
        wait_until('agent of h2 ended', lambda: b'exit status 5' in log.read_bytes()[size:])
        starting.send_signal(signal.SIGINT)
        output = starting.communicate(timeout=WAIT_S)
        equal((starting.returncode, output[0]), (1, ''))
        assert output[1].endswith('croft: stopped by a signal before it was ready\n'), output
        equal(machine(), before)


def test_down_without_a_grid(grid, before):
    nowhere = Grid(grid.state + '/nowhere').down()
    equal((nowhere.returncode, nowhere.stdout), (0, f'no grid is running in {grid.state}/nowhere\n'))
    assert not os.path.exists(grid.state + '/nowhere')


RUNNING = [
    test_hosts_are_up_in_their_zones, test_a_host_is_a_computer_of_its_own, test_everything_private_is_private,
    test_every_network_connects_everybody, test_the_underlay_is_not_the_management_network,
    test_whoami_tells_the_numbers_of_the_machine, test_orphans_are_reaped, test_power_off_means_that_nothing_runs,
    test_power_orders_that_cross,
    test_filters_of_published_addresses_go_with_their_host,
    test_power_refuses_nonsense, test_power_off_of_a_frozen_host, test_an_agent_that_dies_is_started_again,
    test_an_agent_that_keeps_dying_is_started_slower, test_a_controller_that_dies_is_started_again,
    test_a_host_whose_first_process_dies_stays_off, test_a_host_that_is_off_has_no_cables,
    test_a_host_stops_in_order, test_a_second_up_is_refused, test_a_port_in_use_is_told, test_a_failed_start_leaves_nothing,
    test_a_controller_that_ends_at_once_is_told, test_too_few_descriptors_are_told, test_two_grids_side_by_side,
    test_a_killed_supervisor_leaves_no_process, test_a_supervisor_killed_with_something_frozen,
]
ENDING = [test_down_leaves_nothing, test_signals_stop_in_order, test_a_start_that_is_interrupted_leaves_nothing,
          test_down_without_a_grid]


def run(number, test, *arguments):
    name = test.__name__.removeprefix('test_').replace('_', ' ')
    start = time.monotonic()
    try:
        skipped = test(*arguments)
        print(f'ok {number} - {name}' + (f' # SKIP {skipped}' if skipped else ''), flush=True)
    except Exception:
        print(f'not ok {number} - {name}', flush=True)
        traceback.print_exc()  # also where meson shows it when a test fails: it keeps the comments of TAP to itself
        print(''.join('# ' + line + '\n' for line in traceback.format_exc().splitlines()), flush=True)
    print(f'# {time.monotonic() - start:.2f} s', flush=True)


def main():
    if os.geteuid() != 0:
        print('1..0 # SKIP needs root')
        return
    print(f'1..{len(RUNNING) + len(ENDING)}', flush=True)
    before = machine()
    directory = tempfile.mkdtemp(prefix='croft-up-')
    grid = Grid(directory, '--racks', '3')
    try:
        grid.up()
        for number, test in enumerate(RUNNING, 1):
            run(number, test, grid)
        for number, test in enumerate(ENDING, len(RUNNING) + 1):
            run(number, test, grid, before)
    finally:
        for pid in our_processes():  # nothing when all went well: known by their mark
            os.kill(pid, signal.SIGKILL)
        grid.down()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == '__main__':
    main()
