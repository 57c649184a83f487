"""A grid of `croft up`, its API, and what the machine says of its processes."""

import base64
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get('CROFT_BUILD', ROOT / 'build'))
CROFT = BUILD / 'croft'
GUEST = BUILD / 'bench/guest'
RECORDS = BUILD / 'bench/records'
FILTERS = BUILD / 'bench/filters'
PORT_FIRST = int(os.environ.get('CROFT_BENCH_PORT', 7700))
WAIT_S = 60  # bounds a wait; reaching it is a failure of the row
SERVE_PORT = 8080


class Failure(Exception):
    pass


def wait_until(what, condition, step_s=0.002, limit_s=WAIT_S):
    """Asks until the answer is true, and returns it."""
    end = time.monotonic() + limit_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failure(f'not within {limit_s} s: {what}')
        time.sleep(step_s)


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    if done.returncode:
        raise Failure(f'{command[0]}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-400:]}')
    return done.stdout


def make_root(directory):
    """The image: one static program."""
    path = pathlib.Path(directory)
    (path / 'bin').mkdir(parents=True)
    shutil.copy(GUEST, path / 'bin/guest')
    return path


def fetch(port, timeout_s=2):
    """Who answers at a published port: the host name of an instance; '' when nobody does."""
    try:
        with socket.create_connection(('127.0.0.1', port), timeout=timeout_s) as sock:
            sock.sendall(b'GET / HTTP/1.0\r\n\r\n')
            data = b''
            while piece := sock.recv(4096):
                data += piece
    except OSError:
        return ''
    head, _, body = data.partition(b'\r\n\r\n')
    return body.decode() if b' 200 ' in head.split(b'\r\n')[0] else ''


class Api:
    """Requests over one connection."""

    def __init__(self, port, token):
        self.connection = http.client.HTTPConnection('127.0.0.1', port, timeout=WAIT_S)
        self.headers = {'Authorization': 'Bearer ' + token}

    def ask(self, method, path, body=None):
        data = None if body is None else body if isinstance(body, (str, bytes)) else json.dumps(body)
        for attempt in range(2):
            try:
                self.connection.request(method, '/v1/' + path, data, self.headers)
                answer = self.connection.getresponse()
                text = answer.read()
                break
            except (http.client.HTTPException, ConnectionError):
                self.connection.close()  # kept for too long without use
                if attempt:
                    raise
        if answer.status >= 300:
            raise Failure(f'{method} {path}: {answer.status} {text[:300]!r}')
        return json.loads(text) if text else None

    def items(self, kind):
        """Name -> status of all things of a kind."""
        found, after = {}, ''
        while True:
            page = self.ask('GET', f'{kind}?limit=1000&after={after}')
            for item in page:
                found[item['name']] = {**item, **item.get('status', {})}
            if len(page) < 1000:
                return found
            after = page[-1]['name']

    def scale(self, farm, tier, count):
        return self.ask('POST', f'farms/{farm}/scale', {'tier': tier, 'count': count})

    def events(self, name, since_s=60):
        """(seconds since 1970, what) of one thing, in order."""
        found = self.ask('GET', f'events?since={since_s}&name={name}')
        return [(parse_time(event['time']), event['what']) for event in found]


def parse_time(text):
    """'2026-11-21T03:04:05.678Z' as seconds."""
    whole, _, rest = text.rstrip('Z').partition('.')
    return calendar_seconds(whole) + float('0.' + (rest or '0'))


def calendar_seconds(text):
    import calendar
    return calendar.timegm(time.strptime(text, '%Y-%m-%dT%H:%M:%S'))


class Grid:
    """`with Grid(hosts=2) as grid:` is a grid that runs, with the bench's image in its library."""

    def __init__(self, name, hosts, racks=1, capacity=None, port=PORT_FIRST):
        self.state = f'/tmp/bench-{os.getpid()}-{name}'
        self.port = port
        self.publish = port + 1
        self.arguments = ['--hosts', str(hosts), '--racks', str(racks), '--state', self.state, '--listen',
                          f'127.0.0.1:{port}'] + (['--capacity', capacity] if capacity else [])

    def __enter__(self):
        try:
            self.up()
            root = make_root(self.state + '/image')
            self.croft('image', 'import', 'bench:1', root)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run([CROFT, 'down', '--state', self.state], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.state, ignore_errors=True)

    def up(self):
        run(CROFT, 'up', *self.arguments, '--detach')
        token = pathlib.Path(self.state, 'controller/landlord.token').read_text().strip()
        self.api = Api(self.port, token)

    def croft(self, *words, **options):
        at = words.index('--') if '--' in words else len(words)
        return run(CROFT, *words[:at], '--state', self.state, *words[at:], **options)

    def apply(self, *documents):
        return self.api.ask('POST', 'apply', '\n---\n'.join(json.dumps(document) for document in documents))

    def farm_ready(self, farm, tier, count, **options):
        """Waits until a tier has so many healthy instances, and no others are left."""
        def ready():
            mine = [i for i in self.api.items('instances').values() if i['farm'] == farm and i['tier'] == tier]
            good = [i for i in mine if i['state'] == 'running' and i['health'] == 'good' and not i.get('warm')]
            return good if len(good) == count and len([i for i in mine if not i.get('warm')]) == count else None
        return wait_until(f'{count} instances of {farm}/{tier}', ready, **options)

    def exec(self, instance, *command):
        return self.croft('exec', instance, '--', *command)

    def agents(self):
        return {name: int(host['agent_pid']) for name, host in self.api.items('hosts').items()}

    def controller_pid(self):
        for entry in os.listdir('/proc'):
            if not entry.isdigit():
                continue
            try:
                words = pathlib.Path('/proc', entry, 'cmdline').read_bytes().split(b'\0')
            except OSError:
                continue
            if b'controller' in words[1:2] and f'{self.state}/controller'.encode() in words:
                return int(entry)
        raise Failure('no controller runs')


def party(name):
    return {'kind': 'Party', 'name': name}


def farm(name, owner, count, port=None, tier=None, **more):
    """A farm with one tier of the bench's image; with a port, balanced and published there."""
    document = {'kind': 'Farm', 'name': name, 'party': owner, 'subnet': '10.0.0.0/22', 'tiers': [
        {'name': 'web', 'image': 'bench:1', 'count': count, 'command': ['/bin/guest', 'serve', str(SERVE_PORT)],
         'size': {'cpus': 0.5, 'memory': '32Mi', 'disk': '16Mi'},
         'health': {'http': '/', 'port': SERVE_PORT}, **(tier or {})}], **more}
    if port:
        document['balance'] = [{'name': 'www', 'mode': 'http', 'port': 80, 'to': f'web:{SERVE_PORT}',
                                'publish': f'127.0.0.1:{port}'}]
    return document


def memory_kib(pid):
    """Rss, Pss and Anonymous of a process."""
    sums = {}
    for line in pathlib.Path('/proc', str(pid), 'smaps_rollup').read_text().splitlines()[1:]:
        key, value = line.split(':')
        sums[key] = int(value.split()[0])
    return sums['Rss'], sums['Pss'], sums['Anonymous']


def cpu_s(pid):
    return int(pathlib.Path('/proc', str(pid), 'schedstat').read_text().split()[0]) / 1e9
