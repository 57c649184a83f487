"""A whole grid under test: the built `croft`, driven through its command line and its API. Needs root.

A grid lives in a temporary state directory and on a free port, and ends with the process of its test, however that one
ends. `Grid` brings it up, makes an image, applies documents, waits for what should come to be, and at the end looks whether
anything of it is left on the machine.
"""

import base64
import contextlib
import hashlib
import http.client
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import traceback
import urllib.parse

# Bounds waiting for a condition; nothing waits so long when all is well. Sanitizers are slow.
WAIT_S = float(os.environ.get('CROFT_GRID_WAIT_S', '45'))
PORT_FIRST, PORT_LAST = 7300, 7899
BUSYBOX = '/usr/bin/busybox'
APPLETS = ('cat chroot echo false hostname httpd id ifconfig ip kill ls mkdir mkfifo nc nslookup ping ps rm sh sleep true tr udhcpc '
           'wget').split()
WHO = '#!/bin/sh\necho "Content-Type: text/plain"\necho\necho "$(hostname) $(cat /etc/version) $GREETING"\n'


# ---------------------------------------------------------------- TAP

class Tap:
    """Cases of one program: each prints one line, and what it saw when it fails."""

    def __init__(self):
        self.cases = []
        self.failed = 0

    def case(self, name):
        def add(function):
            self.cases.append((name, function))
            return function
        return add

    def run(self, grid):
        only = os.environ.get('CROFT_GRID_ONLY', '').split(',')
        cases = [(name, function) for name, function in self.cases if only == [''] or function.__name__ in only]
        print(f'1..{len(cases) + 1}', flush=True)
        number = 0
        try:
            with grid:
                for name, function in cases:
                    number += 1
                    self.one(number, name, function, grid)
        except Exception:  # pylint: disable=broad-except
            comment(traceback.format_exc())
            print('Bail out! the grid could not be started: see above', flush=True)
            grid.tidy()
            return 1
        self.one(len(cases) + 1, 'nothing is left on the machine', lambda grid: grid.check_gone(), grid)
        return 1 if self.failed else 0

    def one(self, number, name, function, grid):
        began = time.monotonic()
        try:
            function(grid)
            print(f'ok {number} - {name} # {time.monotonic() - began:.1f} s', flush=True)
        except Exception:  # pylint: disable=broad-except
            self.failed += 1
            comment(traceback.format_exc())
            with contextlib.suppress(Exception):
                comment(grid.picture())
            print(f'not ok {number} - {name}', flush=True)
        with contextlib.suppress(Exception):
            grid.clear()


def comment(text):
    # Also where meson shows it when a test fails: it keeps the comments of TAP to itself.
    print(text, file=sys.stderr, flush=True)
    for line in text.splitlines():
        print('# ' + line, flush=True)


def skip_all(why):
    print(f'1..0 # SKIP {why}')
    sys.exit(0)


def equal(got, wanted, what=''):
    assert got == wanted, f'{what}: got {got!r}, wanted {wanted!r}'


def wait_until(what, condition, timeout_s=WAIT_S):
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f'in {timeout_s:.0f} s not: {what}'
        time.sleep(0.02)


def free_ports():
    """Ports nobody listens on, one after the other; tests beside this one use other ranges."""
    for number in range(PORT_LAST - PORT_FIRST):
        port = PORT_FIRST + (os.getpid() * 37 + number) % (PORT_LAST - PORT_FIRST)
        with socket.socket() as sock:
            try:
                sock.bind(('127.0.0.1', port))
            except OSError:
                continue
        yield port


# ---------------------------------------------------------------- callers

class Callers:
    """Callers who ask over HTTP while the block lasts. What every good answer took is kept, and what came instead of one.

    Each has a connection that stays, and asks again when its answer is there and a moment has passed. With at(RATE) so many
    requests begin a second, evenly, each over a connection of its own, as long as a caller is free."""

    def __init__(self, address, path, callers=3, pause_s=0.01):
        self.address, self.path, self.pause_s = address, path, pause_s
        self.rate, self.next = None, time.monotonic()
        self.times_s, self.bad = [], []
        self.turn, self.stop = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(callers)]

    def at(self, rate):
        self.rate = rate
        return self

    def work(self):
        host, port = self.address.split(':')
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        while not self.wait():
            began = time.monotonic()
            try:
                connection.request('GET', self.path, headers={'Connection': 'close'} if self.rate else {})
                answer = connection.getresponse()
                took = time.monotonic() - began
                answer.read()
                if answer.status == 200:
                    self.times_s.append(took)
                else:
                    self.bad.append((answer.status, round(time.time(), 3)))
            except (OSError, http.client.HTTPException) as error:
                self.bad.append((repr(error), round(time.time(), 3)))
                connection.close()
        connection.close()

    def wait(self):
        """Until it is the caller's turn; True: there is none any more."""
        if not self.rate:
            return self.stop.wait(self.pause_s)
        with self.turn:
            self.next = max(self.next + 1 / self.rate, time.monotonic())
            return self.stop.wait(self.next - time.monotonic())

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(timeout=40)

    def more(self, count):
        """Waits for so many more answers."""
        wanted = len(self.times_s) + count
        wait_until(f'{count} more answers', lambda: len(self.times_s) >= wanted)

    @property
    def asked(self):
        return len(self.times_s) + len(self.bad)


# ---------------------------------------------------------------- processes

def start_ticks(pid):
    """When a process began: with its number this names it for good. None: gone (a zombie runs nothing)."""
    try:
        text = pathlib.Path(f'/proc/{pid}/stat').read_text()
    except OSError:
        return None
    fields = text[text.rindex(')') + 2:].split()
    return None if fields[0] in 'ZX' else int(fields[19])


def pids_below(root):
    """All descendants of a process, and it."""
    children = {}
    for entry in os.listdir('/proc'):
        if entry.isdigit():
            with contextlib.suppress(OSError, ValueError):
                text = pathlib.Path(f'/proc/{entry}/stat').read_text()
                children.setdefault(int(text[text.rindex(')') + 2:].split()[1]), []).append(int(entry))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def command_of(pid):
    try:
        return pathlib.Path(f'/proc/{pid}/cmdline').read_bytes().replace(b'\0', b' ').decode(errors='replace').strip()
    except OSError:
        return ''


def kill(pid, number=signal.SIGKILL):
    """Kills one process of the grid, and waits until it is gone when the signal kills."""
    fd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(fd, number)
        if number == signal.SIGKILL:
            import select
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            assert poll.poll(WAIT_S * 1000), f'{pid} does not die'
    finally:
        os.close(fd)


# ---------------------------------------------------------------- requests

class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode(errors='replace')

    @property
    def json(self):
        return json.loads(self.body)


def ask(connection, path, headers):
    """The text of a good answer; raises otherwise."""
    connection.request('GET', path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise OSError(f'status {response.status}')
    return body.decode()


def http_get(address, path='/cgi-bin/who', timeout=5):
    """The same over a connection of its own."""
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        return ask(connection, path, {'Connection': 'close'})
    finally:
        connection.close()


def answers(address, path='/cgi-bin/who'):
    """The answer or None."""
    try:
        return http_get(address, path)
    except (OSError, http.client.HTTPException):
        return None


class Load:
    """Threads that ask a published service all the time, and count: each request over a connection of its own, or, with
    keep, over one as long as the service does not say that it closes it."""

    def __init__(self, address, threads=3, path='/cgi-bin/who', keep=False):
        self.address, self.path, self.keep = address, path, keep
        self.good = self.bad = 0
        self.faults, self.seen = [], {}
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(threads)]

    def work(self):
        kept = http.client.HTTPConnection(self.address, timeout=15)
        while not self.stop.is_set():
            try:
                text, fault = ask(kept, self.path, {}) if self.keep else http_get(self.address, self.path, timeout=15), None
            except (OSError, http.client.HTTPException) as error:
                text, fault = '', f'{type(error).__name__} {error}'
            with self.lock:
                if fault:
                    self.bad += 1
                    self.faults.append((round(time.time(), 3), fault))
                else:
                    self.good += 1
                    self.seen[text.strip()] = self.seen.get(text.strip(), 0) + 1
            self.stop.wait(0.005)
        kept.close()

    def __enter__(self):
        # Servers that came a moment ago may still be on their way to the balancer.
        wait_until(f'{self.address} answers', lambda: answers(self.address, self.path))
        for thread in self.threads:
            thread.start()
        self.more(20)
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(timeout=20)

    def more(self, count):
        """Waits for so many more answers, so that what happens next happens under load."""
        wanted = self.good + self.bad + count
        wait_until(f'{count} more requests to {self.address}', lambda: self.good + self.bad >= wanted)

    def lost_nothing(self):
        self.more(30)
        self.end()
        assert self.bad == 0, f'{self.bad} of {self.good + self.bad} requests failed: {self.faults[:8]}'
        assert self.good > 0


# ---------------------------------------------------------------- the grid

class Grid:
    def __init__(self, croft, hosts=4, racks=2, capacity=None, more=()):
        self.croft = os.path.abspath(croft)
        self.more = more     # options of `croft up`
        self.hosts_wanted, self.racks, self.capacity = hosts, racks, capacity
        self.state = tempfile.mkdtemp(prefix='grid-', dir='/tmp')
        self.before = machine()
        self.seen = {}       # processes of ours, by number and start
        self.ports = free_ports()
        self.address = None
        self.token = None
        self.grid = None     # what its cgroups are named after
        self.kept_parties = set()
        self.down_result = None
        self.process = None  # `croft up`

    # -- life

    def __enter__(self):
        self.up()
        self.import_image('hello:1', 'one')
        return self

    def __exit__(self, *_):
        self.note_processes()
        self.down()
        return False

    def up(self):
        if not self.address:
            self.address = f'127.0.0.1:{self.free_port()}'
        self.reap()
        log = pathlib.Path(self.state, 'log/up.log')
        log.parent.mkdir(mode=0o700, exist_ok=True)
        with open(log, 'ab') as stderr:
            # In a session of its own, so that who kills the test's process group leaves it the time to take everything down.
            self.process = subprocess.Popen(
                ['setpriv', '--pdeathsig', 'TERM', '--', self.croft, 'up', '--hosts', str(self.hosts_wanted), '--racks',
                 str(self.racks), '--state', self.state, '--listen', self.address,
                 *(['--capacity', self.capacity] if self.capacity else []), *self.more], text=True, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=stderr, start_new_session=True)
        line = self.process.stdout.readline()
        assert line == f'ready http://{self.address}\n', f'croft up: {line!r}, {log.read_text()}'
        self.token = pathlib.Path(self.state, 'controller/landlord.token').read_text().strip()
        self.grid = self.info()['grid']
        self.note_processes()

    def down(self):
        self.down_result = subprocess.run([self.croft, 'down', '--state', self.state], capture_output=True, text=True, timeout=120)
        self.reap()
        return self.down_result

    def reap(self):
        """Takes the exit of `croft up`, which has ended or is about to."""
        if self.process:
            self.process.wait(timeout=WAIT_S)
            self.process.stdout.close()
        self.process = None

    def tidy(self):
        with contextlib.suppress(Exception):
            self.down()
        shutil.rmtree(self.state, ignore_errors=True)

    def note_processes(self):
        with contextlib.suppress(Exception):
            for pid in pids_below(self.info()['pid']):
                self.seen[pid] = start_ticks(pid)

    def info(self):
        return json.loads(pathlib.Path(self.state, 'run/grid.json').read_text())

    def check_gone(self):
        """After `down`: nothing of this grid is left."""
        result = self.down_result
        left = [pid for pid, ticks in self.seen.items() if ticks is not None and start_ticks(pid) == ticks]
        left += [pid for pid in map(int, filter(str.isdigit, os.listdir('/proc')))
                 if pid != os.getpid() and self.state in command_of(pid)]
        after = machine()
        logs = sorted(pathlib.Path(self.state, 'log').glob('*'))
        faults = [line for path in logs for line in path.read_text(errors='replace').splitlines()
                  if 'Sanitizer' in line or 'runtime error:' in line]
        mounts = [line for line in open('/proc/self/mountinfo') if self.state in line]
        keep = os.environ.get('CROFT_GRID_KEEP')
        if keep:
            shutil.copytree(pathlib.Path(self.state, 'log'), keep, dirs_exist_ok=True)
        shutil.rmtree(self.state, ignore_errors=True)
        equal(result.returncode, 0, f'croft down: {result}')
        equal([f'{pid} {command_of(pid)}' for pid in left], [], 'processes')
        equal(mounts, [], 'mounts')
        equal([str(path) for pattern in ('croft', '*/croft') for path in
               pathlib.Path('/sys/fs/cgroup').glob(f'{pattern}/{self.grid}')], [], 'cgroups')
        assert not os.path.exists(f'/run/croft/{self.grid}.json'), 'a pointer to the grid'
        for what in after:
            new = [item for item in after[what] if item not in self.before[what]]
            equal(new, [], what)
        equal(faults, [], 'what sanitizers found')

    def picture(self):
        """What one wants to see when a case failed."""
        lines = []
        for item in self.get('farms'):
            lines.append(f"farm {item['name']} {item['state']}: {item.get('reason')}")
        for item in self.get('instances'):
            lines.append('instance ' + ' '.join(f'{key}={item.get(key)}' for key in (
                'name', 'host', 'address', 'state', 'health', 'warm', 'restarts', 'reason')))
        for item in self.get('hosts'):
            lines.append('host ' + ' '.join(f'{key}={item.get(key)}' for key in ('name', 'state', 'pid', 'agent_pid', 'reason')))
        for event in self.events()[-40:]:
            lines.append(f"event {event['time']} {event['kind']} {event['name']} {event['what']}: {event['reason']}")
        for path in sorted(pathlib.Path(self.state, 'log').glob('*')):
            lines += [f'{path.name}: {line}' for line in path.read_text(errors='replace').splitlines()[-6:]]
        return '\n'.join(lines)

    def clear(self):
        """Ends all farms, and all parties but kept ones, so that the next case begins with an empty grid."""
        self.note_processes()
        for farm in self.get('farms'):
            self.api('DELETE', '/v1/farms/' + farm['name'])
        wait_until('the grid is empty', lambda: not self.get('farms') and not self.get('instances'))
        for host in self.get('hosts'):
            self.cli('activate', host['name'])
        for kind in 'filters', 'contacts', 'keys':
            for item in self.get(kind):
                self.api('DELETE', f'/v1/{kind}/' + item['name'])
        for party in self.get('parties'):
            if party['name'] not in ('landlord', *self.kept_parties):
                self.api('DELETE', '/v1/parties/' + party['name'])

    # -- asking

    def free_port(self):
        return next(self.ports)

    def publish(self):
        return f'127.0.0.1:{self.free_port()}'

    def cli(self, *arguments, token=None, stdin=None, timeout=WAIT_S * 2):
        """Runs a command; the completed process."""
        environment = dict(os.environ, CROFT_SERVER=f'http://{self.address}', CROFT_TOKEN=token or self.token)
        return subprocess.run([self.croft, *arguments], capture_output=True, text=True, timeout=timeout, input=stdin,
                              env=environment)

    def do(self, *arguments, **options):
        result = self.cli(*arguments, **options)
        assert result.returncode == 0, f'croft {" ".join(arguments)}: {result}'
        return result.stdout

    def api(self, method, path, body=None, token=None, headers=None, timeout=30):
        connection = http.client.HTTPConnection(self.address, timeout=timeout)
        try:
            everything = {'Connection': 'close', **(headers or {})}
            if token != '':
                everything['Authorization'] = f'Bearer {token or self.token}'
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            connection.request(method, path, body=body, headers=everything)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, kind, name=None):
        """The array of `croft get KIND -o json`, over the API: flattened the same way."""
        answer = self.api('GET', f'/v1/{kind}' + (f'/{name}' if name else '') + ('' if name else '?limit=10000'))
        if name and answer.status == 404:
            return None
        assert answer.status == 200, f'GET {kind} {name}: {answer.status} {answer.text}'
        flat = [{**item, **item.get('status', {})} for item in (answer.json if not name else [answer.json])]
        return flat[0] if name else flat

    def events(self, name=''):
        answer = self.api('GET', '/v1/events?since=3600' + (f'&name={urllib.parse.quote(name)}' if name else ''))
        assert answer.status == 200, f'{answer.status} {answer.text}'
        return answer.json

    def instances(self, farm, tier=None):
        return [item for item in self.get('instances') if item['farm'] == farm and (tier is None or item['tier'] == tier)]

    def instance(self, name):
        return self.get('instances', name)

    def host(self, name):
        return self.get('hosts', name)

    def apply(self, text, wait=False, token=None):
        return self.do('apply', '-f', '-', *(['--wait=90s'] if wait else []), stdin=text, token=token, timeout=WAIT_S * 3)

    def wait_ready(self, farm, timeout_s=WAIT_S):
        return self.wait_farm(farm, 'ready', timeout_s)

    def wait_farm(self, farm, state, timeout_s=WAIT_S):
        try:
            wait_until(f'{farm} {state}', lambda: (self.get('farms', farm) or {}).get('state') == state, timeout_s)
        except AssertionError as error:
            raise AssertionError(f'{error}; it is {self.get("farms", farm)}') from None

    def farm(self, name, address=None, party='acme', **changes):
        """The text of an ordinary farm: a web tier behind a balancer."""
        web = {'name': 'web', 'image': 'hello:1', 'count': 2, 'size': {'cpus': 0.25, 'memory': '32Mi', 'disk': '16Mi'},
               'health': {'http': '/index.html', 'port': 8080, 'every': '200ms', 'timeout': '2s'}, 'spread': 'rack'}
        web.update(changes.pop('web', {}))
        farm = {'kind': 'Farm', 'name': name, 'party': party, 'subnet': '10.0.0.0/24', 'tiers': [web]}
        if address:
            farm['balance'] = [{'name': 'www', 'mode': 'http', 'port': 80, 'to': 'web:8080', 'publish': address}]
        farm.update(changes)
        return '\n'.join(json.dumps(document) for document in ({'kind': 'Party', 'name': party}, farm))

    def exec(self, instance, *command, timeout_s=WAIT_S):
        """Runs a command inside; its exit status and output."""
        answer = self.api('POST', f'/v1/instances/{instance}/exec', {'command': list(command), 'tty': False, 'env': []})
        assert answer.status == 200, f'exec in {instance}: {answer.status} {answer.text}'
        session, after, output = answer.json['session'], 0, b''
        deadline = time.monotonic() + timeout_s
        while True:
            answer = self.api('GET', f'/v1/instances/{instance}/exec/{session}?after={after}')
            assert answer.status == 200, f'exec in {instance}: {answer.status} {answer.text}'
            after = answer.json['next']
            output += b''.join(base64.b64decode(piece['data']) for piece in answer.json['output'])
            if answer.json['exit'] is not None:
                return answer.json['exit'], output.decode(errors='replace')
            assert time.monotonic() < deadline, f'{command} in {instance} does not end: {output!r}'

    def shell(self, instance, text):
        return self.exec(instance, '/bin/sh', '-c', text)

    # -- images

    def import_image(self, name, version, command=('/bin/httpd', '-f', '-p', '8080', '-h', '/www'), party='landlord'):
        """A small root file system with busybox as an image, sent as any program would over the API."""
        layer = make_layer(version)
        digest = 'sha256:' + hashlib.sha256(layer).hexdigest()
        if self.api('GET', f'/v1/blobs/{digest}').status == 404:
            for offset in range(0, len(layer), 4 << 20):
                answer = self.api('PUT', f'/v1/blobs/{digest}?offset={offset}', layer[offset:offset + (4 << 20)])
                assert answer.status == 200, f'{answer.status} {answer.text}'
            answer = self.api('POST', f'/v1/blobs/{digest}/finish')
            assert answer.status == 200, f'{answer.status} {answer.text}'
        says = {'layers': [digest], 'size': len(layer), 'command': list(command), 'env': [], 'directory': '/', 'user': '0'}
        text = json.dumps(says, separators=(',', ':')).encode()  # src/model/image_text.h
        document = {'kind': 'Image', 'name': name, 'party': party, 'digest': 'sha256:' + hashlib.sha256(text).hexdigest(), **says, 'env': {}}
        answer = self.api('PUT', f'/v1/images/{party}/{name}', document)
        assert answer.status in (200, 201), f'{answer.status} {answer.text}'

    # -- processes of the grid, as the machine numbers them

    def controller_pid(self):
        return self.one_pid(self.info()['pid'], ' controller ')

    def one_pid(self, root, part):
        found = [pid for pid in pids_below(root) if part in command_of(pid)]
        equal(len(found), 1, f'processes with {part!r}')
        return found[0]

    def instance_pids(self, name):
        """The processes of an instance, the oldest first."""
        return self.copies().get(name, [[]])[0]

    def copies(self):
        """The running copies of each instance, judged by processes and their cgroups alone: {name: [[pid…]…]}, the eldest
        first (each is looked at once: a child may end meanwhile). An instance's cgroup is named after it and its incarnation,
        so one that runs twice shows twice, on whatever host."""
        found = {}
        for pid in pids_below(self.info()['pid']):
            where, start = self.cgroup_of(pid), start_ticks(pid)
            if where and start is not None:
                found.setdefault(where, []).append((start, pid))
        copies = {}
        for (_, name), starts in found.items():
            copies.setdefault(name.rsplit('.', 1)[0].replace('.', '/'), []).append([pid for _, pid in sorted(starts)])
        return copies

    def cgroup_of(self, pid):
        """(host, instance with incarnation) or None."""
        try:
            text = pathlib.Path(f'/proc/{pid}/cgroup').read_text()
        except OSError:
            return None
        for line in text.splitlines():
            parts = line.split(':', 2)[2].split('/')
            if 'croft' in parts and len(parts) > parts.index('croft') + 3 and parts[parts.index('croft') + 1] == self.grid:
                return tuple(parts[parts.index('croft') + 2:parts.index('croft') + 4])
        return None

    def zombies(self):
        """Dead children of the grid's own programs that nobody took."""
        found = []
        for pid in pids_below(self.info()['pid']):
            with contextlib.suppress(OSError):
                text = pathlib.Path(f'/proc/{pid}/stat').read_text()
                if text[text.rindex(')') + 2] == 'Z':
                    found.append(f'{pid} {text[text.index("("):text.rindex(")") + 1]}')
        return found

    def no_twins(self):
        twins = {name: pids for name, pids in self.copies().items() if len(pids) > 1}
        equal(twins, {}, 'instances that run twice')


def machine():
    """What may not change by a grid that came and went."""
    return {
        'interfaces': sorted(line.split(':')[0].strip() for line in open('/proc/net/dev') if ':' in line),
        'netns': sorted(os.listdir('/run/netns')) if os.path.isdir('/run/netns') else [],
        'filters': [line for table in nft('list', 'tables') if not of_another(table) for line in nft('list', *table.split())],
    }


def nft(*words):
    return subprocess.run(['nft', *words], capture_output=True, text=True, check=False).stdout.splitlines()


def of_another(table):
    """Of a grid that runs beside this test: only those that run have a pointer."""
    name = table.split()[-1]
    return name.startswith('croft_doors_') and os.path.exists(f'/run/croft/{name.split("_")[2]}.json')


def make_layer(version):
    """A tar with busybox, a page, and a script that says who answers. The same bytes for the same version."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w', format=tarfile.USTAR_FORMAT) as tar:
        for name in ('bin', 'etc', 'www', 'www/cgi-bin', 'tmp', 'proc', 'dev', 'sys', 'run'):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == 'tmp' else 0o755
            tar.addfile(entry)
        files = {'bin/busybox': (pathlib.Path(BUSYBOX).read_bytes(), 0o755), 'www/index.html': (f'{version}\n'.encode(), 0o644),
                 'etc/version': (f'{version}\n'.encode(), 0o644), 'www/cgi-bin/who': (WHO.encode(), 0o755)}
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
        for applet in APPLETS:
            entry = tarfile.TarInfo('bin/' + applet)
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, 'busybox', 0o777
            tar.addfile(entry)
    return buffer.getvalue()


def needs_root():
    if os.geteuid() != 0:
        skip_all('needs root')
    if not os.access(BUSYBOX, os.X_OK):
        skip_all(f'needs {BUSYBOX} (busybox-static)')
