#!/usr/bin/python3
"""System test: whose secret a host encrypts with, and when it is gone: the key service of a tenant, one that hangs, lies or is
killed; the end of a lease; rotations. usage: test_custody.py CROFT"""

import ctypes
import ctypes.util
import hashlib
import hmac
import json
import os
import pathlib
import pty
import signal
import subprocess
import sys
import uuid

from grid import Grid, Tap, command_of, equal, kill, needs_root, pids_below, wait_until
from test_keys import Desk, Wire, agent_pid, in_files, in_memory, private_halves, rows

tap = Tap()
WAITS = 'waits for the key service of'


class Service:
    """`croft key serve` at a desk, and what it says."""

    def __init__(self, desk, *arguments):
        environment = dict(os.environ, CROFT_SERVER=desk.server, CROFT_TOKEN=desk.token, XDG_CONFIG_HOME=desk.home)
        self.log = pathlib.Path(desk.home, f'serve-{uuid.uuid4().hex[:6]}.log')
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen([desk.grid.croft, 'key', 'serve', *arguments], env=environment, stdout=log,
                                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait(timeout=30)

    def said(self):
        return self.log.read_text(errors='replace')

    def wait(self, words, times=1):
        wait_until(f'the service to say {words!r}', lambda: self.said().count(words) >= times)


def shop(grid, party, **tier):
    sleeps = {'command': ['/bin/sleep', '100000'], 'health': {'exec': ['true'], 'every': '1s'}, 'spread': 'host', **tier}
    return grid.farm('shop', party=party, web=sleeps)


def token(grid, party):
    return json.loads(grid.do('token', 'create', f't{uuid.uuid4().hex[:8]}', '--party', party, '-o', 'json'))['token']


def waiting(grid, party):
    return sorted(row['host'] for row in rows(grid, party) if row['waits'])


def reasons(grid, farm):
    return [instance['reason'] for instance in grid.instances(farm)]


def begin(grid, party, **tier):
    """A farm that waits for a service."""
    grid.apply(shop(grid, party, **tier) + f'\n---\n{{kind: Key, name: {party}, custody: tenant}}\n')
    wait_until('all hosts wait', lambda: len(waiting(grid, party)) == len(grid.instances(f'{party}/shop')) > 0)
    return token(grid, party)


def disk_keys_of(grid, host, party):
    found = list(pathlib.Path(grid.state, 'hosts', host).rglob(f'disk-keys/{party}'))
    return found[0] if found else None


@tap.case('the farm does not start without its key service; that decides, releases, and is needed again after a restart')
def serve(grid):
    secret = begin(grid, 'acme', count=2)
    wait_until('the reason', lambda: all(reason.startswith(f'{WAITS} acme to release its secret to h') and 'croft key serve acme' in reason
                                         for reason in reasons(grid, 'acme/shop')))
    shown = grid.get('keys', 'acme')
    equal((shown['custody'], shown['waiting']), ('tenant', 2))
    assert 'croft key serve acme' in shown['reason'], shown
    with Desk(grid, secret) as desk:
        desk.refused('no console key', 'key', 'serve', 'acme', '--once')
        first, second = waiting(grid, 'acme')
        with Service(desk, 'acme', '--take', '--only', first) as service:
            service.wait(f"{first}: released acme's secret to it")
            service.wait(f"{second}: acme's secret not released: it is none of --only")
            wait_until('one runs', lambda: [i['state'] for i in grid.instances('acme/shop')].count('running') == 1)
            equal(waiting(grid, 'acme'), [second])
        result = desk.cli('key', 'serve', '--once')  # a tenant need not say who it is
        equal(result.returncode, 1)
        assert f"{second}: acme's secret not released: this desk has not taken acme's keys there" in result.stdout, result
        with Service(desk, 'acme', '--take') as service:
            service.wait(f"{second}: released acme's secret to it")
            grid.wait_ready('acme/shop')
            assert not [reason for reason in reasons(grid, 'acme/shop') if WAITS in reason], 'what runs waits for nobody'
            before = [(i['name'], i['host'], i['restarts'], grid.instance_pids(i['name'])) for i in grid.instances('acme/shop')]
            # Another agent has forgotten it; what runs goes on, and it is released again.
            old = agent_pid(grid, first)
            kill(old)
            service.wait(f"{first}: released acme's secret to it")
            wait_until('another agent has it', lambda: agent_pid(grid, first) != old and grid.host(first)['state'] == 'up'
                       and not waiting(grid, 'acme'))
            equal([(i['name'], i['host'], i['restarts'], grid.instance_pids(i['name'])) for i in grid.instances('acme/shop')], before)
            equal(len(service.said().splitlines()), len(set(service.said().splitlines())), 'each decision once')
            # Killed, and back: who came meanwhile waits.
            service.end(signal.SIGKILL)
            grid.do('scale', 'acme/shop', 'web', '3')
            wait_until('the third waits', lambda: len(waiting(grid, 'acme')) == 1)
            third = waiting(grid, 'acme')[0]
        with Service(desk, 'acme', '--take') as service:
            service.wait(f"{third}: released acme's secret to it")
            grid.wait_ready('acme/shop')


@tap.case('a service that hangs: the farm waits and says for whom; it comes back')
def hangs(grid):
    secret = begin(grid, 'brio', count=1)
    with Desk(grid, secret) as desk:
        with Service(desk, 'brio', '--only', 'h9') as service:  # no desk yet: it ends
            equal(service.process.wait(timeout=30), 1)
        desk.do('key', 'take', 'brio/shop')
        with Service(desk, 'brio', '--only', 'h9') as service:
            service.wait('not released: it is none of --only')
            service.process.send_signal(signal.SIGSTOP)
            assert all(reason.startswith(f'{WAITS} brio') for reason in reasons(grid, 'brio/shop'))
            before = [(i['host'], i['restarts']) for i in grid.instances('brio/shop')]
            grid.apply(shop(grid, 'cord', count=1), wait=True)  # nobody else waits
            equal([(i['host'], i['restarts']) for i in grid.instances('brio/shop')], before, 'it stays where it is')
        # A server that is away is waited for, and told once.
        with Wire(grid) as carrier:
            desk.server = carrier.address
            desk.do('key', 'show', 'brio/shop')
            carrier.away = True
            with Service(desk, 'brio') as service:
                service.wait('trying again')
                assert all(reason.startswith(f'{WAITS} brio') for reason in reasons(grid, 'brio/shop'))
                carrier.away = False
                service.wait("released brio's secret")
                grid.wait_ready('brio/shop')
                equal(service.said().count('trying again'), 1, service.said())


@tap.case('a service that lies: another secret is refused in one line, and nothing is changed')
def lies(grid):
    secret = begin(grid, 'dune', count=1)
    with Desk(grid, secret) as desk:
        desk.do('key', 'take', 'dune/shop')
        desk.do('key', 'serve', 'dune', '--once')
        grid.wait_ready('dune/shop')
        host = grid.instance('dune/shop/web-1')['host']
        path, = desk.keys.rglob('dune.secret')
        equal(path.stat().st_mode & 0o777, 0o600)
        good, found = path.read_bytes(), disk_keys_of(grid, host, 'dune').read_bytes()
        old = agent_pid(grid, host)
        kill(old)
        wait_until('it waits again', lambda: agent_pid(grid, host) != old and waiting(grid, 'dune') == [host])
        path.unlink()  # another one is made
        result = desk.cli('key', 'serve', 'dune', '--once')
        equal(result.returncode, 1)
        assert f'another secret of dune than the one with which {host} encrypts: nothing was changed' in result.stdout, result
        equal(len(result.stdout.strip().splitlines()), 1)
        equal(disk_keys_of(grid, host, 'dune').read_bytes(), found)
        equal(waiting(grid, 'dune'), [host])
        for bad, why in (b'', 'is not what croft wrote'), (good[:-20], 'is damaged'), (good.replace(b'secret 1', b'secret 2'), 'is not what croft wrote'):
            path.write_bytes(bad)
            result = desk.cli('key', 'serve', 'dune', '--once')
            assert result.returncode == 1 and why in result.stdout and len(result.stdout.strip().splitlines()) == 1, result
        path.write_bytes(good)
        path.chmod(0o644)
        assert 'chmod 600' in desk.cli('key', 'serve', 'dune', '--once').stdout
        path.chmod(0o600)
        desk.do('key', 'serve', 'dune', '--once')
        wait_until('it has it', lambda: not waiting(grid, 'dune'))
        # Half-written: closed, and said.
        disk_keys_of(grid, host, 'dune').write_bytes(found[:len(found) // 2])
        kill(agent_pid(grid, host))
        wait_until('it waits again', lambda: waiting(grid, 'dune') == [host])
        result = desk.cli('key', 'serve', 'dune', '--once')
        assert result.returncode == 1 and f'disk-keys/dune on {host} is damaged' in result.stdout, result
        equal(disk_keys_of(grid, host, 'dune').read_bytes(), found[:len(found) // 2])
        desk.do('key', 'rotate', 'dune/shop', '--yes')
        desk.do('key', 'serve', 'dune', '--once')
        wait_until('it has it', lambda: not waiting(grid, 'dune'))


@tap.case('the secret is in the memory of agents and at the desk; in no store, state, log or other process; after the lease nowhere')
def search(grid):
    secret = begin(grid, 'echt', count=1)
    grid.do('lease', 'grant', '--to', 'echt', '--name', 'echt', '--rights', 'software,read')
    with Desk(grid, secret) as desk:
        desk.do('key', 'take', 'echt/shop')
        desk.do('key', 'serve', 'echt', '--once')
        grid.wait_ready('echt/shop')
        host = grid.instance('echt/shop/web-1')['host']
        path, = desk.keys.rglob('echt.secret')
        text = path.read_text().split()[-1]
        needles = {'secret': bytes.fromhex(text), 'as text': text.encode()}
        equal(in_memory(agent_pid(grid, host), needles), {'secret'}, 'the agent has it')
        others = [pid for pid in pids_below(grid.info()['pid']) if pid != agent_pid(grid, host)]
        assert grid.controller_pid() in others and len(others) > 8
        for pid in others:
            equal(in_memory(pid, needles), set(), f'process {pid} ({command_of(pid)}) knows')
        equal(in_files(grid.state, needles), set(), 'files that tell')
        grid.apply(shop(grid, 'fern', count=1), wait=True)
        # The end of the lease: at once, and nobody else notices.
        pairs = {name: half for name, half in private_halves(grid, host).items() if name.startswith('echt,')}
        assert pairs
        grid.do('lease', 'end', 'echt', '--reason', 'not paid', '--yes')
        wait_until('nothing is left', lambda: not rows(grid, 'echt'), timeout_s=60)
        equal(in_memory(agent_pid(grid, host), {**needles, **pairs}), set(), 'the agent has forgotten')
        equal([name for name in private_halves(grid, host) if 'echt' in name], [])
        equal(disk_keys_of(grid, host, 'echt'), None)
        equal(grid.get('farms', 'fern/shop')['state'], 'ready')


def derived(secrets, names):
    """The disk key of a line of parties, as RFC 5869 has it, with Python's own HMAC."""
    def hmac_sha256(key, data):
        return hmac.new(key, data, hashlib.sha256).digest()
    drawn = hmac_sha256(bytes(32), b''.join(len(secret).to_bytes(4, 'big') + secret for secret in secrets))
    return hmac_sha256(drawn, b'croft disk key 1\0' + b''.join(name.encode() + b'\0' for name in names) + b'\1')


def unwrapped(key, item, slots):
    sodium = ctypes.CDLL(ctypes.util.find_library('sodium') or 'libsodium.so.23')
    box, about = bytes.fromhex(item['box']), b''.join(text.encode() + b'\0' for text in (item['name'], *slots))
    plain = ctypes.create_string_buffer(len(box))
    equal(sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(plain, None, None, box[24:], ctypes.c_ulonglong(len(box) - 24), about,
                                                            ctypes.c_ulonglong(len(about)), box[:24], key), 0, 'the box opens')
    return plain.raw[:64]


@tap.case('secrets that hosts make, disk keys and what these wrap are in no file in the clear, and in no other process')
def search_hosts(grid):
    grid.apply(shop(grid, 'hero', count=1, command=['/bin/sh', '-c', 'echo said; exec sleep 100000']), wait=True)
    host = grid.instance('hero/shop/web-1')['host']
    kill(grid.instance_pids('hero/shop/web-1')[0])  # the end of its log is kept
    wait_until('something is stored', lambda: [row['stored'] for row in rows(grid, 'hero')] == [1])
    kept = json.loads(disk_keys_of(grid, host, 'hero').read_text())
    equal(kept['slots'], ['landlord', 'hero'])
    halves = private_halves(grid, host)
    secrets = {name: halves[f'secret of {name}'] for name in kept['slots']}
    key = derived(list(secrets.values()), kept['slots'])
    needles = {**secrets, 'disk key': key, 'item': unwrapped(key, kept['items'][0], kept['slots'])}
    agent = agent_pid(grid, host)
    equal(in_memory(agent, secrets), set(secrets), 'the agent has them')
    equal(in_memory(agent, {'disk key': key}), set(), 'it is forgotten when it was used')
    for pid in pids_below(grid.info()['pid']):
        if pid != agent:
            equal(in_memory(pid, needles), set(), f'process {pid} ({command_of(pid)}) knows')
    equal(in_files(grid.state, needles), set(), 'files that tell')
    with Desk(grid, token(grid, 'hero')) as desk:
        said, code = ask(desk, 'key', 'take', 'hero/shop')
        assert f'now there is some on {host}' in said and 'nothing was taken' in said and code == 1, said
        equal([row['stored'] for row in rows(grid, 'hero')], [1])
        desk.do('key', 'take', 'hero/shop')  # where nobody can answer it is only said
        wait_until('nothing is stored', lambda: [row['stored'] for row in rows(grid, 'hero')] == [0])
        old = {name: needles[name] for name in ('hero', 'disk key', 'item')}
        equal(in_memory(agent, old), set(), 'the agent has forgotten')
        assert private_halves(grid, host).get('secret of hero') != old['hero']


def ask(desk, *arguments, answer='n\n'):
    """On a terminal. What it said, and how it ended."""
    environment = dict(os.environ, CROFT_SERVER=desk.server, CROFT_TOKEN=desk.token, XDG_CONFIG_HOME=desk.home)
    parent, child = pty.openpty()
    with subprocess.Popen([desk.grid.croft, *arguments], stdin=child, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment) as process:
        os.close(child)
        os.write(parent, answer.encode())
        said = process.communicate(timeout=60)[0].decode()
    os.close(parent)
    return said, process.returncode


@tap.case('a rotation says what will be lost, and the service has to release again')
def rotation(grid):
    secret = begin(grid, 'gale', count=1)
    with Desk(grid, secret) as desk, Desk(grid, grid.token) as landlord:
        with Service(desk, 'gale', '--take'):
            grid.wait_ready('gale/shop')
        host = grid.instance('gale/shop/web-1')['host']
        said, code = ask(desk, 'key', 'rotate', 'gale/shop')
        assert "So is gale's secret there: what is stored for it" in said and 'is lost to everybody' in said, said
        assert code == 1 and 'nothing was rotated' in said, said
        equal(waiting(grid, 'gale'), [])
        said, code = ask(desk, 'key', 'rotate', 'gale/shop', answer='y\n')
        equal(code, 0, said)
        wait_until('it waits again', lambda: waiting(grid, 'gale') == [host])
        equal(grid.instance('gale/shop/web-1')['state'], 'running', 'what runs goes on')
        desk.do('key', 'serve', 'gale', '--once')
        wait_until('it has it', lambda: not waiting(grid, 'gale'))
        landlord.do('key', 'take', host)
        said, code = ask(landlord, 'key', 'rotate', host)
        assert "So is the host's secret: what is stored there for any party" in said, said
        landlord.do('key', 'rotate', '--party', 'gale', host, '--yes')
        wait_until('it waits again', lambda: waiting(grid, 'gale') == [host])


if __name__ == '__main__':
    needs_root()
    sys.exit(tap.run(Grid(sys.argv[1], hosts=4, racks=4)))
