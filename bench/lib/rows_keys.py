"""Sealed commands against plain ones."""

import ctypes
import http.client
import json
import os
import pathlib
import shutil
import struct
import subprocess
import time

from figures import Figure
from grid import CROFT, Failure, Grid, farm, party, run, wait_until

USAGE = 2  # what the guest ends with at once when it is not told what to do


def row_sealed(quick):
    """a command in an instance and its log, sealed from a tenant's desk, against the same in plain words; whole processes, in turns"""
    runs = 30 if quick else 200
    desk = f'/tmp/bench-{os.getpid()}-desk'
    with Grid('sealed', 1) as grid:
        try:
            grid.apply(party('acme'), party('brio'), farm('shop', 'acme', 1), farm('shop', 'brio', 1))
            for name in 'acme', 'brio':
                grid.farm_ready(f'{name}/shop', 'web', 1)
            wait_until('keys of acme', lambda: [row for row in grid.api.ask('GET', 'pairs')['pairs'] if row['party'] == 'acme'])
            timed(grid, desk, 'key', 'take', 'acme/shop')
            figures = []
            for what, words, rest in (
                    ('a command: croft exec', 'exec', ('--', '/bin/guest')),
                    ('one message: croft logs', 'logs', ())):
                sealed, plain = [], []
                for i in range(runs + 3):  # the first ones warm up
                    sealed += [timed(grid, desk, words, 'acme/shop/web-1', *rest)][:i // 3]
                    plain += [timed(grid, desk + '-none', words, 'brio/shop/web-1', *rest)][:i // 3]
                figures.append(Figure(what, 'ms', sealed, 'the same in plain words', plain, ratio_max=1.5))
            figures.append(bare(grid, desk, runs))
            return figures, ['Of a desk with a console key the question on which host an instance is is part of it.']
        finally:
            shutil.rmtree(desk, ignore_errors=True)


class Sealer:
    """A desk's sealing of a question for a log (src/model/sealed.h), in this process."""

    def __init__(self, grid, desk):
        self.sodium = ctypes.CDLL('libsodium.so.23')
        if self.sodium.sodium_init() < 0:
            raise Failure('libsodium does not start')
        keys = pathlib.Path(desk, 'croft/keys')
        seed, derived = bytes.fromhex((keys / 'console').read_text().split()[-1]), ctypes.create_string_buffer(32)
        self.key, self.secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
        self.sodium.crypto_kdf_derive_from_key(derived, 32, ctypes.c_uint64(2), b'console1', seed)
        self.sodium.crypto_sign_seed_keypair(self.key, self.secret, derived)
        shown = json.loads(run(CROFT, 'key', 'show', 'acme/shop', '-o', 'json', '--state', grid.state,
                               env={**os.environ, 'XDG_CONFIG_HOME': desk}))
        self.to, self.head = bytes.fromhex(shown[0]['seal']), b'croftC\1\0' + self.text('h1') + self.text('acme')
        self.head += bytes.fromhex(shown[0]['fingerprint'])
        self.counter = int(time.time() * 1e6) + 10 ** 7
        self.answer_to, self.answer_key = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32)
        self.sodium.crypto_box_keypair(self.answer_to, self.answer_key)  # one a process, as src/cli/desk.c

    @staticmethod
    def text(words):
        return struct.pack('>H', len(words)) + words.encode() + b'\0'

    def seal(self):
        self.counter += 1
        part = (struct.pack('>QQ', self.counter, int(time.time() * 1000) + 60000) + self.key.raw + self.answer_to.raw +
                self.text('GET') + self.text('/agent/log?instance=acme/shop/web-1&after=0') + bytes(4))
        said, signature = b'croft sealed command v1\0' + self.head + part, ctypes.create_string_buffer(64)
        self.sodium.crypto_sign_detached(signature, None, said, ctypes.c_ulonglong(len(said)), self.secret)
        plain = signature.raw + part
        box = ctypes.create_string_buffer(len(plain) + 48)
        self.sodium.crypto_box_seal(box, plain, ctypes.c_ulonglong(len(plain)), self.to)
        return self.head + box.raw

    def open(self, answer):
        plain = ctypes.create_string_buffer(len(answer))
        if self.sodium.crypto_box_seal_open(plain, answer[8:], ctypes.c_ulonglong(len(answer) - 8), self.answer_to, self.answer_key):
            raise Failure('an answer that does not open')


def bare(grid, desk, runs):
    """One message and its answer over one connection that is kept: what is left when no process starts."""
    sealer, connection = Sealer(grid, desk), http.client.HTTPConnection('127.0.0.1', grid.port, timeout=30)

    def ask(method, path, body=None):
        connection.request(method, path, body, grid.api.headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise Failure(f'{path}: {answer.status} {text[:200]!r}')
        return text

    def sealed():
        sealer.open(ask('POST', '/v1/sealed/h1/acme', sealer.seal()))

    took = {True: [], False: []}
    for _ in range(runs + 10):
        for is_sealed in took:
            begin = time.perf_counter()
            if is_sealed:
                sealed()
            else:
                ask('GET', '/v1/instances/brio/shop/web-1/log?after=0')
            took[is_sealed].append((time.perf_counter() - begin) * 1000)
            time.sleep(0.003)  # below the rate that one party may have
    return Figure('- the message alone, over a kept connection', 'ms', took[True][10:], 'the same in plain words', took[False][10:])


def timed(grid, home, *words):
    """Milliseconds of a whole process."""
    at = words.index('--') if '--' in words else len(words)
    command = [CROFT, *words[:at], '--server', f'http://127.0.0.1:{grid.port}', '--state', grid.state, *words[at:]]
    begin = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30,
                          env={**os.environ, 'XDG_CONFIG_HOME': home}, check=False)
    took = time.perf_counter() - begin
    if done.returncode not in (0, USAGE):
        raise Failure(f'{" ".join(map(str, command))}: {done.returncode} {done.stderr.decode()[-300:]}')
    return took * 1000
