#!/usr/bin/python3
"""System test: a controller's API over https, by a certificate in files. Needs no root. usage: test_https.py CROFT"""

import contextlib
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

from grid import comment, equal, free_ports, wait_until


def certificate(directory, name):
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
                    '-keyout', f'{directory}/{name}.key', '-out', f'{directory}/{name}.crt', '-subj', f'/CN={name}',
                    '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'], check=True, capture_output=True)


def croft(program, *arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)


def controller(program, directory, ports, *arguments):
    return [program, 'controller', '--state', f'{directory}/state', '--listen', f'127.0.0.1:{ports[0]}',
            '--agents', f'127.0.0.1:{ports[1]}', *arguments]


@contextlib.contextmanager
def running(program, directory, ports, *arguments):
    process = subprocess.Popen(controller(program, directory, ports, *arguments), stderr=subprocess.PIPE, text=True)
    try:
        wait_until('the controller answers', lambda: process.poll() is not None or answers(ports[0]))
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        comment(process.communicate(timeout=60)[1])


def answers(port):
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(f'http://127.0.0.1:{port}/healthz', timeout=10).status == 200
    return False


def test(program, directory):
    ports = [port for port, _ in zip(free_ports(), range(3))]
    own, other = f'{directory}/own', f'{directory}/other'
    certificate(directory, 'own')
    certificate(directory, 'other')
    server = ['--server', f'https://localhost:{ports[2]}']
    https = ['--tls-listen', f'127.0.0.1:{ports[2]}', '--tls-certificate', f'{own}.crt', '--tls-key', f'{own}.key']
    with running(program, directory, ports, *https):
        token = pathlib.Path(directory, 'state/landlord.token').read_text().strip()
        good = croft(program, 'get', 'hosts', *server, '--token', token, '--ca', f'{own}.crt', '-o', 'json')
        equal((good.returncode, good.stderr, json.loads(good.stdout)), (0, '', []), 'with the authority')
        for arguments in ([], ['--ca', f'{other}.crt']):
            bad = croft(program, 'get', 'hosts', *server, '--token', token, *arguments)
            equal((bad.returncode, bad.stdout), (5, ''), f'with {arguments}')
            assert 'certificate' in bad.stderr and '--ca' in bad.stderr, bad.stderr
        bad = croft(program, 'get', 'hosts', *server, '--ca', f'{own}.crt')
        assert bad.returncode and 'token' in bad.stderr, bad
        # And no older version of TLS, whatever the caller offers.
        old = ssl.create_default_context(cafile=f'{own}.crt')
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        try:
            urllib.request.urlopen(f'https://localhost:{ports[2]}/healthz', context=old, timeout=10)
            raise AssertionError('TLS 1.2 was spoken')
        except (urllib.error.URLError, OSError) as error:
            assert 'ssl' in str(error).lower(), error
    for arguments, words in (([*https[:4], '--tls-key', f'{other}.key'], 'cannot use the certificate'),
                             ([*https[:4], '--tls-key', f'{own}.gone'], 'No such file'),
                             (https[:4], 'all three of --tls-listen')):
        bad = croft(*controller(program, directory, ports, *arguments))
        assert bad.returncode and words in bad.stderr and len(bad.stderr.splitlines()) == 1, bad


def main():
    print('1..1', flush=True)
    with tempfile.TemporaryDirectory(prefix='croft-https-') as directory:
        test(os.path.abspath(sys.argv[1]), directory)
    print('ok 1 - https: who is believed, who is told what', flush=True)


main()
