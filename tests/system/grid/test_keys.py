#!/usr/bin/python3
"""System test: parties' keys on hosts and sealed commands, from a tenant's desk to its instance; and who cannot read, change,
repeat or forge them. usage: test_keys.py CROFT"""

import contextlib
import ctypes
import ctypes.util
import http.client
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import uuid

from grid import Grid, Tap, command_of, equal, kill, needs_root, pids_below, wait_until

tap = Tap()
MAP_MAX = 1 << 30  # shadow memory of sanitizers is larger, and holds no data
ENTRY, NAME = 72 + 96, 72  # of a vault: src/os/vault.c


class Desk:
    """Somebody's own place for keys, with a token, and a server to talk to."""

    def __init__(self, grid, token, server=None):
        self.grid, self.token, self.server = grid, token, server or f'http://{grid.address}'
        self.home = tempfile.mkdtemp(prefix='desk-', dir='/tmp')
        self.keys = pathlib.Path(self.home, 'croft/keys')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.home)

    def cli(self, *arguments, stdin=None):
        environment = dict(os.environ, CROFT_SERVER=self.server, CROFT_TOKEN=self.token, XDG_CONFIG_HOME=self.home)
        return subprocess.run([self.grid.croft, *arguments], capture_output=True, text=True, timeout=90, input=stdin,
                              env=environment, stdin=None if stdin is not None else subprocess.DEVNULL)

    def do(self, *arguments, **options):
        result = self.cli(*arguments, **options)
        assert result.returncode == 0, f'croft {" ".join(arguments)}: {result}'
        return result.stdout

    def refused(self, why, *arguments, lines=1):
        result = self.cli(*arguments)
        assert result.returncode not in (0, 127), f'croft {" ".join(arguments)}: {result}'
        assert why in result.stderr, f'{result.stderr!r} does not say {why!r}'
        equal(len(result.stderr.strip().splitlines()), lines, 'lines')

    def exec(self, instance, *command):
        return self.do('exec', instance, '--', *command).strip()


class Wire:
    """Stands between a desk and the controller, as whoever carries messages does: keeps what is sealed, and may change answers."""

    def __init__(self, grid):
        self.away, self.grid, self.commands, self.answers, self.change, self.lie, self.words = False, grid, [], [], None, None, []
        wire = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def serve(self):
                body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
                if wire.away:
                    self.close_connection = True  # pylint: disable=attribute-defined-outside-init
                    return
                headers = {'Authorization': self.headers['Authorization'], 'Connection': 'close'}
                connection = http.client.HTTPConnection(grid.address, timeout=60)
                connection.request(self.command, self.path, body=body, headers=headers)
                response = connection.getresponse()
                answer = response.read()
                connection.close()
                wire.words.append(body)
                if self.path.startswith('/v1/pairs') and wire.lie:
                    answer = json.dumps(wire.lie(json.loads(answer))).encode()
                if self.path.startswith('/v1/sealed/'):
                    wire.commands.append((self.path, body))
                    wire.answers.append(answer)
                    answer = wire.change(answer) if wire.change else answer
                self.send_response(response.status)
                for name in 'Content-Type', 'Croft-Offset':
                    if response.headers[name]:
                        self.send_header(name, response.headers[name])
                self.send_header('Content-Length', str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_DELETE = serve

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.address = f'http://127.0.0.1:{self.server.server_address[1]}'
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def start(grid, party):
    """The party's farm on two hosts, and its token. Each case has a party of its own: keys stay for ten minutes."""
    sleeps = {'spread': 'host', 'command': ['/bin/sleep', '100000'], 'health': {'exec': ['true'], 'every': '1s'}}
    grid.apply(grid.farm('shop', party=party, web=sleeps), wait=True)
    wait_until(f'keys of {party}', lambda: len(rows(grid, party)) == 2)
    made = json.loads(grid.do('token', 'create', f't{uuid.uuid4().hex[:8]}', '--party', party, '-o', 'json'))
    return made['token']


def rows(grid, party):
    return [row for row in grid.api('GET', '/v1/pairs').json['pairs'] if row['party'] == party]


def agent_pid(grid, host):
    return grid.host(host)['agent_pid']


@tap.case('a tenant takes its keys; from then on its desk is obeyed, and nobody else')
def take(grid):
    token = start(grid, 'acme')
    marker = 'said-' + uuid.uuid4().hex
    equal(grid.exec('acme/shop/web-1', 'echo', 'before')[1].strip(), 'before')
    with Desk(grid, token) as desk, Desk(grid, token) as other, Desk(grid, grid.token) as landlord:
        before = {row['host']: row['fingerprint'] for row in rows(grid, 'acme')}
        desk.do('key', 'take', 'acme/shop')
        shown = json.loads(desk.do('key', 'show', 'acme/shop', '-o', 'json'))
        equal([(row['generation'], row['here']) for row in shown], [(2, True)] * 2)
        for row in shown:
            assert len(row['fingerprint']) == 64 and row['fingerprint'] != before[row['host']]
        for row in rows(grid, 'acme'):
            equal((row['seal'], row['sign'], row['fingerprint']), ('', '', ''), 'what others are told')
            assert row['taken']
        desk.do('key', 'take', 'acme/shop')  # again is no harm
        equal(json.loads(desk.do('key', 'show', 'acme/shop', '-o', 'json')), shown)
        equal(desk.exec('acme/shop/web-1', 'echo', marker), marker)
        equal(desk.cli('exec', 'acme/shop/web-2', '--', 'cat', stdin='x' * 300000).stdout, 'x' * 300000)
        equal(desk.cli('exec', 'acme/shop/web-2', '--', 'sh', '-c', 'exit 7').returncode, 7)
        desk.do('logs', 'acme/shop/web-1')
        for somebody in other, landlord:
            somebody.refused('acme has taken its keys on h', 'exec', 'acme/shop/web-1', '--', 'true')
            somebody.refused('acme has taken its keys on h', 'logs', 'acme/shop/web-1')
            somebody.refused('taken from another desk', 'key', 'take', 'acme/shop', lines=2)  # one a host
        equal(grid.api('POST', '/v1/instances/acme/shop/web-1/exec', {'command': ['true']}).status, 409)
        # A host that comes later is closed as well until its keys are taken: the controller is told, and goes by it.
        grid.do('scale', 'acme/shop', 'web', '3')
        grid.wait_ready('acme/shop')
        third = grid.instance('acme/shop/web-3')['host']
        if third not in before:
            wait_until('keys there', lambda: third in [row['host'] for row in rows(grid, 'acme')])
            landlord.refused('croft key take acme/shop takes them there', 'exec', 'acme/shop/web-3', '--', 'true')
            desk.do('key', 'take', 'acme/shop')
        equal(desk.exec('acme/shop/web-3', 'echo', 'there'), 'there')


@tap.case('bytes on the wire: repeated, changed, sent elsewhere or answered by another they do nothing')
def wire(grid):
    token = start(grid, 'brio')
    count = 'echo x >> /tmp/count; cat /tmp/count'
    with Wire(grid) as carrier, Desk(grid, token, carrier.address) as desk:
        desk.do('key', 'take', 'brio/shop')
        first = len(carrier.commands)
        equal(desk.exec('brio/shop/web-1', 'sh', '-c', count), 'x')
        path, body = carrier.commands[first]
        host = path.split('/')[3]
        assert b'count' not in body and b'/agent/' not in body and b'count' not in b''.join(carrier.answers)

        def send(where, what, **more):
            return grid.api('POST', where, what, **more)

        for _, command in carrier.commands:
            send(path, command)  # each once more, also those that took the keys
        for at in range(0, len(body), 11):
            changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]
            assert send(path, changed).status >= 400, f'byte {at} changed'
        for size in range(0, len(body), 23):
            assert send(path, body[:size]).status >= 400, f'{size} bytes'
        other = 'h1' if host != 'h1' else 'h2'
        answer = send(f'/v1/sealed/{other}/brio', body)
        equal(answer.status, 422, answer.text)
        assert f'for {host}' in answer.text, answer.text
        moved = body.replace(b'\0\2' + host.encode() + b'\0', b'\0\2' + other.encode() + b'\0', 1)
        answer = send(f'/v1/sealed/{other}/brio', moved)
        assert answer.status == 409 and 'sealed to a pair that brio does not have' in answer.text, answer.text
        renamed = body.replace(b'\0\4brio\0', b'\0\4none\0', 1)
        answer = send(f'/v1/sealed/{host}/none', renamed)
        assert answer.status == 404 and 'none has no keys on' in answer.text, answer.text
        equal(send(path, b'x' * (512 * 1024 + 1)).status, 413)
        equal(send(path, body, token='').status, 401)
        # Nor after the agent was started again.
        old = agent_pid(grid, host)
        kill(agent_pid(grid, host))
        wait_until('another agent', lambda: agent_pid(grid, host) != old and grid.host(host)['state'] == 'up')
        send(path, body)
        equal(desk.exec('brio/shop/web-1', 'sh', '-c', count), 'x\nx')
        # Answers, too: of another command, or changed.
        stale = carrier.answers[first]
        carrier.change = lambda answer: stale
        desk.refused('what came as the answer of', 'exec', 'brio/shop/web-1', '--', 'true')
        carrier.change = lambda answer: answer[:-1] + bytes([answer[-1] ^ 1])
        desk.refused('what came as the answer of', 'exec', 'brio/shop/web-1', '--', 'true')
        carrier.change = None
        equal(desk.exec('brio/shop/web-1', 'echo', 'well'), 'well')
        # Nor are plain words to be had by lies about where an instance is, whose keys there are, and which grid this is.
        for lie, why in (
                (lambda told: {**told, 'pairs': [{**row, 'host': 'h9'} for row in told['pairs']]}, 'where this desk has not taken'),
                (lambda told: {**told, 'pairs': []}, 'or where brio has no keys yet'),
                (lambda told: {**told, 'pairs': [{**row, 'taken': ''} for row in told['pairs']]}, None),
                (lambda told: {**told, 'grid': '0123456789abcdef'}, 'says that it is another grid')):
            carrier.lie = lie
            if why:
                desk.refused(why, 'exec', 'brio/shop/web-1', '--', 'echo', 'unheard')
            else:
                equal(desk.exec('brio/shop/web-1', 'echo', 'unheard'), 'unheard')
        carrier.lie = None
        assert b'unheard' not in b''.join(carrier.words)


@tap.case('the landlord shuts a tenant out, and cannot speak for it; keys are rotated')
def shut_out(grid):
    token = start(grid, 'cord')
    with Desk(grid, token) as desk, Desk(grid, grid.token) as landlord:
        desk.do('key', 'take', 'cord/shop')
        host = grid.instance('cord/shop/web-1')['host']
        landlord.refused('no console key', 'key', 'rotate', '--party', 'cord', host, '--yes')
        landlord.do('key', 'take', host)
        desk.refused('asks before it does', 'key', 'rotate', 'cord/shop')
        desk.do('key', 'rotate', 'cord/shop', '--yes')
        equal(desk.exec('cord/shop/web-1', 'echo', 'rotated'), 'rotated')
        landlord.refused('this desk has not taken', 'key', 'rotate', 'cord/shop', '--yes', lines=2)
        landlord.do('key', 'rotate', '--party', 'cord', host, '--yes')
        desk.refused('sealed to a pair that cord does not have', 'exec', 'cord/shop/web-1', '--', 'true')
        wait_until('the controller knows', lambda: any(row['host'] == host and not row['taken'] for row in rows(grid, 'cord')))
        desk.do('key', 'take', 'cord/shop')
        equal(desk.exec('cord/shop/web-1', 'echo', 'back'), 'back')
        # What ran is not the landlord's to look into: neither plainly, nor with the tenant's keys taken by itself.
        landlord.do('key', 'take', next(row['host'] for row in rows(grid, 'cord') if row['host'] != host))
        landlord.do('key', 'rotate', '--party', 'cord', 'cord/shop', '--yes')
        wait_until('the controller knows', lambda: not any(row['taken'] for row in rows(grid, 'cord')))
        landlord.refused('before cord was shut out there', 'exec', 'cord/shop/web-1', '--', 'true')
        landlord.refused('before cord was shut out there', 'logs', 'cord/shop/web-1')
        landlord.do('key', 'take', 'cord/shop')
        landlord.refused('obeys only consoles that cord had then', 'exec', 'cord/shop/web-1', '--', 'true')
        landlord.do('key', 'rotate', '--party', 'cord', 'cord/shop', '--yes')
        desk.do('key', 'take', 'cord/shop')
        equal(desk.exec('cord/shop/web-1', 'echo', 'ours'), 'ours')
        landlord.do('key', 'rotate', host, '--yes')
        told = [event['what'] for event in grid.events(host)]
        for what in 'keys of cord taken', 'keys of cord rotated', 'keys of cord made anew', 'keys of landlord taken':
            assert what in told, f'{what}: {told}'


@tap.case('several desks serve one party: one that is obeyed admits another, by an invitation that nobody else reads or makes')
def several(grid):
    token = start(grid, 'fall')
    with Desk(grid, token) as desk, Desk(grid, token) as second, Desk(grid, token) as thief, \
            tempfile.TemporaryDirectory() as papers:
        key, paper = os.path.join(papers, 'second.json'), os.path.join(papers, 'invitation')
        pathlib.Path(key).write_text(second.do('key', 'show', '--console', '-o', 'json'), encoding='utf-8')
        console = json.loads(pathlib.Path(key).read_text(encoding='utf-8'))['console']
        desk.refused('no console key', 'key', 'admit', key, '--on', 'fall/shop', '--invitation', paper)
        desk.do('key', 'take', 'fall/shop')
        own = desk.do('key', 'show', '--console', '-o', 'name').strip()
        second.refused('has taken its keys on h', 'exec', 'fall/shop/web-1', '--', 'true')
        second.refused('ask there for croft key admit', 'key', 'take', 'fall/shop', lines=2)
        desk.refused('needs --invitation', 'key', 'admit', key, '--on', 'fall/shop')
        desk.refused('is no file, and no key', 'key', 'admit', console, '--on', 'fall/shop', '--invitation', paper)
        told = desk.do('key', 'admit', key, '--on', 'fall/shop', '--invitation', paper)
        equal(told.count(f'fall obeys console {console}, too'), 2, told)
        # The invitation is for that desk alone, whole, and from whom it should be.
        text = pathlib.Path(paper).read_text(encoding='utf-8')
        thief.do('key', 'show', '--console')
        thief.refused('for another desk', 'key', 'accept', paper, '--from', own)
        second.refused('it is not from console', 'key', 'accept', paper, '--from', console)
        second.refused('--from takes a console', 'key', 'accept', paper, '--from', own[:-1])
        for bad, why in ((text[:-3], 'cut, or damaged'), (text[:-3] + ('00' if text[-3:-1] != '00' else '01') + '\n', 'damaged'),
                         (text[:60] + '\n', 'damaged'), ('', 'is no invitation'), (text.replace('1', '2', 1), 'is no invitation')):
            wrong = os.path.join(papers, 'wrong')
            pathlib.Path(wrong).write_text(bad, encoding='utf-8')
            second.refused(why, 'key', 'accept', wrong, '--from', own)
        for row in json.loads(desk.do('key', 'show', 'fall/shop', '-o', 'json')):
            for half in 'seal', 'sign', 'fingerprint':
                assert row[half] and row[half] not in text
        # It takes the place of nothing before it is known to be true: accepted, both are obeyed, and each sees both.
        equal(second.do('key', 'accept', paper, '--from', own).count('this desk commands for fall'), 2)
        for somebody in desk, second:
            equal(somebody.exec('fall/shop/web-1', 'echo', 'both'), 'both')
            shown = json.loads(somebody.do('key', 'show', 'fall/shop', '--desks', '-o', 'json'))
            equal(sorted({row['console'] for row in shown}), sorted([own, console]))
            equal([row['here'] for row in shown].count(True), 2)
        # New pairs are one desk's until it invites the others again; then an old invitation is worth nothing.
        assert '1 other desk' in second.do('key', 'rotate', 'fall/shop', '--yes')
        desk.refused('sealed to a pair that fall does not have', 'exec', 'fall/shop/web-1', '--', 'true')
        again = os.path.join(papers, 'again')
        pathlib.Path(again).write_text(desk.do('key', 'show', '--console', '-o', 'json'), encoding='utf-8')
        second.do('key', 'admit', again, '--on', 'fall/shop', '--invitation', os.path.join(papers, 'back'))
        desk.do('key', 'accept', os.path.join(papers, 'back'), '--from', console)
        second.refused('sealed to a pair', 'key', 'accept', paper, '--from', own, lines=2)
        for somebody in desk, second:
            equal(somebody.exec('fall/shop/web-1', 'echo', 'again'), 'again')
        desk.refused('does not dismiss itself', 'key', 'dismiss', own, '--on', 'fall/shop', lines=2)
        desk.do('key', 'dismiss', console, '--on', 'fall/shop')
        second.refused('another took its keys, or dismissed it', 'exec', 'fall/shop/web-1', '--', 'true')
        equal(desk.exec('fall/shop/web-1', 'echo', 'alone'), 'alone')


@tap.case('who looks at a host by another way takes the pair that is there, and no other that a controller tells')
def pins(grid):
    token = start(grid, 'glen')
    hosts = [row['host'] for row in rows(grid, 'glen')]
    with Wire(grid) as carrier, Desk(grid, token, carrier.address) as desk, tempfile.TemporaryDirectory() as papers:
        files, told = [], {}
        for host in hosts:
            files.append(os.path.join(papers, host))
            text = desk.do('key', 'show', '--agent-state', os.path.join(grid.state, 'hosts', host), '-o', 'json')
            pathlib.Path(files[-1]).write_text(text, encoding='utf-8')
            told[host] = next(row['fingerprint'] for row in json.loads(text) if row['party'] == 'glen')
        equal(told, {row['host']: row['fingerprint'] for row in rows(grid, 'glen')}, 'what the hosts have')
        assert told[hosts[0]] in desk.do('key', 'show', '--agent-state', os.path.join(grid.state, 'hosts', hosts[0]))
        desk.refused('is no agent', 'key', 'show', '--agent-state', papers)
        equal(sorted(os.listdir(papers)), sorted(hosts), 'nothing is made by looking')
        # A controller that tells another pair: this one's is real, and of the other host.
        carrier.lie = lambda answer: {**answer, 'pairs': [{**row, **{half: answer['pairs'][0][half] for half in ('seal', 'sign', 'fingerprint')}}
                                                         for row in answer['pairs']]}
        pinned = [f'--pins={path}' for path in files]
        result = desk.cli('key', 'take', 'glen/shop', *pinned)
        equal((result.returncode, len(result.stderr.splitlines())), (1, 1), result)
        assert 'with another fingerprint than' in result.stderr and files[1] in result.stderr, result
        carrier.lie = None
        desk.do('key', 'show')
        desk.refused('takes HOST=HEX', 'key', 'take', 'glen/shop', '--fingerprint', told[hosts[1]])
        desk.refused('was given', 'key', 'take', 'glen/shop', '--fingerprint', f'h9={told[hosts[1]]}')
        desk.refused('than --fingerprint says', 'key', 'take', 'glen/shop', '--fingerprint', f'{hosts[1]}={told[hosts[0]]}')
        equal([bool(row['taken']) for row in rows(grid, 'glen')].count(True), 1, 'refused were not taken')
        desk.do('key', 'take', 'glen/shop', '--fingerprint', f'{hosts[1]}={told[hosts[1]]}')
        equal(desk.exec('glen/shop/web-1', 'echo', 'taken'), 'taken')
        shown = json.loads(desk.do('key', 'show', '--agent-state', os.path.join(grid.state, 'hosts', hosts[0]), '-o', 'json'))
        equal([row['fingerprint'] for row in shown if row['party'] == 'glen'], [''], 'of its own pair nobody is told')


@tap.case('key files that others may read, or of another kind, are refused in one line')
def files(grid):
    token = start(grid, 'dune')
    with Desk(grid, token) as desk:
        desk.do('key', 'take', 'dune/shop')
        console = desk.keys / 'console'
        good = console.read_bytes()
        for path in desk.keys.rglob('*'):
            equal(path.stat().st_mode & 0o77, 0, path)
        console.chmod(0o644)
        desk.refused('chmod 600', 'exec', 'dune/shop/web-1', '--', 'true')
        console.chmod(0o600)
        for bad in b'', b'-----BEGIN OPENSSH PRIVATE KEY-----\n', good[:-20], good.replace(b'key 1', b'key 2'), b'\0' * 5000:
            console.write_bytes(bad)
            desk.refused('console', 'exec', 'dune/shop/web-1', '--', 'true')
        console.unlink()
        console.mkdir()
        desk.refused('is no file', 'exec', 'dune/shop/web-1', '--', 'true')
        console.rmdir()
        console.write_bytes(good)
        console.chmod(0o600)
        equal(desk.exec('dune/shop/web-1', 'echo', 'good'), 'good')


def private_halves(grid, host):
    """Of all pairs of the host, out of its vault with its own secret: root on the host can do that, as the README says."""
    sodium = ctypes.CDLL(ctypes.util.find_library('sodium') or 'libsodium.so.23')
    directory = pathlib.Path(grid.state, 'hosts', host, 'vault')
    secret, vault = (directory / 'vault.host').read_bytes(), (directory / 'vault').read_bytes()
    head, nonce, sealed = vault[:16], vault[16:40], vault[40:]
    plain = ctypes.create_string_buffer(len(sealed))
    equal(sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(plain, None, None, sealed, ctypes.c_ulonglong(len(sealed)), head,
                                                            ctypes.c_ulonglong(len(head)), nonce, secret), 0, 'the vault opens')
    found = {'secret of the host': secret}
    for at in range(0, len(sealed) - 16, ENTRY):
        entry = plain.raw[at:at + ENTRY]
        name = entry[:NAME].rstrip(b'\0').decode()
        if name.startswith('='):
            found[f'secret of {name[1:]}'] = entry[NAME:NAME + 32]
        else:
            found[f'{name}, sealing'] = entry[NAME:NAME + 32]
            found[f'{name}, signing'] = entry[NAME + 32:NAME + 64]
    return found


def in_memory(pid, needles):
    """Which of the needles stand in the memory of the process."""
    found = set()
    with contextlib.suppress(OSError):
        maps = pathlib.Path(f'/proc/{pid}/maps').read_text().splitlines()
        with open(f'/proc/{pid}/mem', 'rb', buffering=0) as memory:
            for line in maps:
                fields = line.split()
                first, last = (int(part, 16) for part in fields[0].split('-'))
                if 'r' not in fields[1] or last - first > MAP_MAX or fields[-1] in ('[vvar]', '[vsyscall]'):
                    continue
                with contextlib.suppress(OSError):
                    memory.seek(first)
                    data = memory.read(last - first)
                    found |= {name for name, needle in needles.items() if needle in data}
    return found


def in_files(root, needles, besides=()):
    found = set()
    for path in pathlib.Path(root).rglob('*'):
        if path.is_file() and not path.is_symlink() and path.name not in besides:
            data = path.read_bytes()
            found |= {(str(path), name) for name, needle in needles.items() if needle in data}
    return found


@tap.case('private halves and what was said are in the memory of the agent alone; in no log, store, state, other process or swap')
def search(grid):
    token = start(grid, 'echt')
    said = {'plain': f'plain-{uuid.uuid4().hex}'.encode(), 'sealed': f'sealed-{uuid.uuid4().hex}'.encode()}
    host = grid.instance('echt/shop/web-1')['host']
    agent, controller = agent_pid(grid, host), grid.controller_pid()
    grid.exec('echt/shop/web-1', 'echo', said['plain'].decode())
    # The search finds what is there: the controller has read this one.
    equal(in_memory(controller, {'plain': said['plain']}), {'plain'}, 'the controller knows plain words')
    with Desk(grid, token) as desk:
        desk.do('key', 'take', 'echt/shop')
        equal(desk.exec('echt/shop/web-1', 'echo', said['sealed'].decode()), said['sealed'].decode())
        halves = private_halves(grid, host)
        assert {'echt, sealing', 'landlord, signing'} <= set(halves), sorted(halves)
        equal(in_memory(agent, halves), set(halves), 'the agent has them')
        secrets = {**halves, 'sealed words': said['sealed']}
        seed = (desk.keys / 'console').read_text().split()[-1]
        secrets.update({'console': bytes.fromhex(seed), 'console as text': seed.encode()})
        others = [pid for pid in pids_below(grid.info()['pid']) if pid != agent]
        assert controller in others and len(others) > 8
        for pid in others:
            equal(in_memory(pid, secrets), set(), f'process {pid} ({command_of(pid)}) knows')
        assert not in_memory(agent, {name: secrets[name] for name in ('console', 'console as text')})
        equal(in_files(grid.state, secrets, ('vault.host',)), set(), 'files that tell')
        flags = [line for line in pathlib.Path(f'/proc/{agent}/smaps').read_text().splitlines() if line.startswith('VmFlags')]
        # Sanitizers answer mlock themselves, and lock nothing.
        wanted = {'dd', 'wf'} | (set() if b'__asan_init' in pathlib.Path(grid.croft).read_bytes() else {'lo'})
        assert any(wanted <= set(line.split()) for line in flags), 'no locked memory that is not dumped'
        limits = pathlib.Path(f'/proc/{agent}/limits').read_text()
        equal([line.split()[4] for line in limits.splitlines() if line.startswith('Max core file size')], ['0'])
        for line in pathlib.Path('/proc/swaps').read_text().splitlines()[1:]:
            with open(line.split()[0], 'rb', buffering=0) as swap, contextlib.suppress(OSError):
                before = b''
                while data := swap.read(1 << 24):
                    for name, needle in halves.items():
                        assert needle not in before[-64:] + data, f'{name} is in swap'
                    before = data
        # Pairs that were replaced are nowhere at all.
        desk.do('key', 'rotate', 'echt/shop', '--yes')
        old = {name: half for name, half in halves.items() if name.startswith('echt,')}
        equal(in_memory(agent, old), set(), 'the agent has forgotten')
        equal(in_files(grid.state, old), set(), 'files')


if __name__ == '__main__':
    needs_root()
    sys.exit(tap.run(Grid(sys.argv[1], hosts=3, racks=3)))
