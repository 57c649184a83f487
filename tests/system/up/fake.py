#!/usr/bin/python3
"""Plays `croft controller` and `croft agent` for the test of `croft up`: just enough to be started, found and asked.

The agent writes down what it sees in its state directory (facts.json), answers on its listening addresses, and says
hello to the controller over the management network as long as it lives.
"""

import http.server
import json
import os
import pathlib
import secrets
import socket
import sys
import threading
import time


def options_of(argv):
    assert len(argv) % 2 == 0, argv
    return {argv[i]: argv[i + 1] for i in range(0, len(argv), 2)}


def write(path, text, mode=0o600):
    new = f'{path}.new'
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), 'w') as file:
        file.write(text)
    os.rename(new, path)


def address_of(text):
    host, port = text.rsplit(':', 1)
    return host, int(port)


def listener(address):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address)
    sock.listen(64)
    return sock


def controller(options):
    state = options['--state']
    if os.path.exists(f'{state}/fail-at-once'):
        sys.exit(3)
    for name in ('landlord.token', 'join.token'):
        if not os.path.exists(f'{state}/{name}'):
            write(f'{state}/{name}', secrets.token_hex(16) + '\n')
    token = pathlib.Path(state, 'landlord.token').read_text().strip()
    write(f'{state}/facts.json', json.dumps({'pid': os.getpid(), 'options': options, 'power': options['--power']}))
    connected = {}  # name -> (socket, what the agent said)

    def hear(sock):
        text = sock.makefile()
        said = json.loads(text.readline())
        if said['token'] == pathlib.Path(state, 'join.token').read_text().strip():
            connected[said['name']] = (sock, said)
            text.readline()  # returns when the agent is gone
            if connected.get(said['name'], (None,))[0] is sock:
                del connected[said['name']]
        sock.close()

    def accept(sock):
        while True:
            threading.Thread(target=hear, args=[sock.accept()[0]], daemon=True).start()

    for address in options['--agents'].split(','):
        threading.Thread(target=accept, args=[listener(address_of(address))], daemon=True).start()

    class Api(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def do_GET(self):
            good = self.headers['Authorization'] == f'Bearer {token}'
            hosts = [{'kind': 'Host', 'name': name, 'status': dict(said, state='up', token=None)}
                     for name, (_, said) in sorted(connected.items())]
            body = json.dumps(hosts if good else {'controller_pid': os.getpid()}).encode()
            self.send_response(200 if good else 401)
            self.send_header('Content-Length', str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Api, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=int(options['--listen-fd']))
    server.socket.setblocking(True)
    server.serve_forever()


def whoami(path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        return [int(word) for word in sock.makefile().readline().split()]


def answer_forever(sock, text):
    while True:
        with sock.accept()[0] as peer:
            peer.sendall(text.encode())


def agent(options):
    name, state = options['--name'], options['--state']
    if os.path.exists(f'{state}/fail-at-once'):
        sys.exit(5)
    for address in options['--listen'].split(','):
        sock = listener(address_of(address))
        threading.Thread(target=answer_forever, args=[sock, name], daemon=True).start()
    pid, agent_pid = whoami(options['--whoami'])
    facts = {
        'name': name, 'pid': pid, 'agent_pid': agent_pid, 'own_pid': os.getpid(), 'options': options,
        'hostname': socket.gethostname(), 'run_files': os.listdir(options['--run']),
        'processes': sorted(int(entry) for entry in os.listdir('/proc') if entry.isdigit()),
        'publish_net': os.stat('/proc/self/fd/' + options['--publish-net-fd']).st_ino,
        'descriptors': sorted(os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')
                              if os.path.exists(f'/proc/self/fd/{fd}')),
    }
    write(f'{state}/facts.json', json.dumps(facts))
    # An orphan that outlives its parent: the host's first process has to reap it.
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.wait()
    joins = [url.removeprefix('https://') for url in options['--join'].split(',')]
    token = pathlib.Path(options['--token-file']).read_text().strip()
    while True:
        for address in joins:
            try:
                with socket.create_connection(address_of(address), timeout=2) as sock:
                    sock.settimeout(None)
                    sock.sendall(json.dumps(dict(facts, token=token)).encode() + b'\n')
                    sock.recv(1)
            except OSError:
                pass
            time.sleep(0.05)  # between attempts only


if __name__ == '__main__':
    {'controller': controller, 'agent': agent}[sys.argv[1]](options_of(sys.argv[2:]))
