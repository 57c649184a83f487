#!/usr/bin/python3
"""System test: what fails again and again is restarted, reloaded, replaced, and somebody is told of it. usage: test_mending.py CROFT"""

import base64
import contextlib
import ctypes
import http.server
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

from grid import Grid, Tap, equal, kill, needs_root, wait_until

tap = Tap()
POLICY = [{'do': 'restart', 'within': '20s', 'times': 3}, {'do': 'reload', 'within': '20s'},
          {'do': 'replace', 'within': '40s'}, {'do': 'notify', 'to': 'ops'}]


class Mail:
    """An SMTP server that takes all mail (RFC 5321); with a certificate over TLS (RFC 3207), by login (RFC 4954)."""

    def __init__(self, door, tls=None):
        self.door, self.tls = door, tls
        self.mails, self.refuse, self.logins = [], False, []
        threading.Thread(target=self.serve, daemon=True).start()

    @property
    def url(self):
        return f'smtp://127.0.0.1:{self.door.getsockname()[1]}'

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.door.accept()
                threading.Thread(target=self.talk, args=(peer,), daemon=True).start()

    def talk(self, peer):
        def say(text):
            peer.sendall(text.encode() + b'\r\n')
        mail, secure = {'to': []}, False
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.suppress(OSError))
            stack.enter_context(peer)
            lines = stack.enter_context(peer.makefile('rb'))
            say('220 sink')
            while True:
                line = lines.readline()
                if not line:
                    return
                word = line[:4].upper()
                if self.refuse:
                    say('451 not now')
                    return
                if word == b'EHLO':
                    say('250-sink')
                    say('250-STARTTLS' if self.tls and not secure else '250-8BITMIME')
                    say('250 AUTH PLAIN')
                    continue
                if word == b'STAR' and self.tls:
                    say('220 go on')
                    peer = stack.enter_context(self.tls.wrap_socket(peer, server_side=True))
                    lines, secure = stack.enter_context(peer.makefile('rb')), True
                    continue
                if word == b'AUTH':
                    text = line.split()[2] if len(line.split()) > 2 else None
                    if text is None:
                        say('334 ')
                        text = lines.readline()
                    self.logins.append((secure, *base64.b64decode(text).decode().split('\0')[1:]))
                    say('235 welcome')
                    continue
                if word == b'RCPT':
                    mail['to'].append(line.decode().split('<')[1].split('>')[0])
                if word != b'DATA':
                    say('221 bye' if word == b'QUIT' else '250 fine')
                    continue
                say('354 go on')
                text = []
                for part in lines:
                    if part == b'.\r\n':
                        break
                    text.append(part.decode())
                mail['text'] = ''.join(text)
                self.mails.append(mail)
                say('250 taken')


class Hook:
    """A web server that takes all messages, or sends them on elsewhere."""

    def __init__(self, door, elsewhere=None):
        self.messages, self.refuse, self.asked = [], False, 0
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers['Content-Length']))
                hook.asked += 1
                self.send_response(307 if elsewhere else 503 if hook.refuse else 204)
                if elsewhere:
                    self.send_header('Location', elsewhere)
                self.end_headers()
                if not hook.refuse and not elsewhere:
                    hook.messages.append(json.loads(body))

            def log_message(self, *words):  # pylint: disable=arguments-differ
                pass
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler, bind_and_activate=False)
        self.server.socket.close()
        self.server.socket, self.server.server_port = door, door.getsockname()[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f'http://{self.server.socket.getsockname()[0]}:{self.server.server_port}/hook'


MAIL = HOOK = TLS = HARDWARE = None
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def certificate(directory, name):
    """A server's certificate for 127.0.0.1 that is its own authority: what a server shows, and the file."""
    key, file = f'{directory}/{name}.key', f'{directory}/{name}.pem'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
                    '-subj', f'/CN={name}', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', file],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return context, file


def door_of_controller(grid, address='127.0.0.1'):
    """A listening socket on the loopback of the controller's machine."""
    own, there = os.open('/proc/self/ns/net', os.O_RDONLY), os.open(f'/proc/{grid.controller_pid()}/ns/net', os.O_RDONLY)
    try:
        assert libc.setns(there, CLONE_NEWNET) == 0, 'setns'
        door = socket.create_server((address, 0))
        assert libc.setns(own, CLONE_NEWNET) == 0, 'setns back'
        return door
    finally:
        os.close(own)
        os.close(there)


def contact(grid, party='landlord', **more):
    """Makes the contact anew, and the two who get its messages empty and willing."""
    global MAIL, HOOK  # pylint: disable=global-statement
    if not MAIL:
        MAIL, HOOK = Mail(door_of_controller(grid)), Hook(door_of_controller(grid))
    document = {'kind': 'Contact', 'name': 'ops', 'party': party, 'mail': ['ops@example.com', 'boss@example.com'],
                'smtp': MAIL.url, 'from': 'croft@example.com', 'webhook': HOOK.url, 'group': '1s', **more}
    grid.apply('{kind: Party, name: acme}\n---\n' + json.dumps(document))
    MAIL.refuse = HOOK.refuse = False
    MAIL.mails.clear()
    HOOK.messages.clear()


def lines():
    return [(line['subject'], line['state']) for message in HOOK.messages for line in message['lines']]


def fail(grid, name):
    """Kills the instance's program; what it is when it runs and is well again."""
    before = grid.instance(name)
    wait_until('it has a process', lambda: grid.instance_pids(name))
    kill(grid.instance_pids(name)[0])

    def again():
        now = grid.instance(name)
        return (now['restarts'], now['incarnation']) != (before['restarts'], before['incarnation']) and now['health'] == 'good'
    wait_until('it runs again', again)
    return grid.instance(name)


def steps(grid, name):
    """What was begun, in order. That an instance is stopped and then placed elsewhere is one step."""
    found = []
    for event in sorted(grid.events(name), key=lambda event: event['time']):
        step = event['reason'].split(':')[0]
        if step.startswith('step ') and step not in found:
            found.append(step)
    return found


@tap.case('killed again and again: restarted, reloaded, replaced, one message by each way; and one when it healed')
def escalates(grid):
    contact(grid)
    grid.apply(grid.farm('shop', web={'count': 1, 'on_failure': POLICY}), wait=True)
    name = 'acme/shop/web-1'
    first = grid.instance(name)
    for _ in range(3):
        now = fail(grid, name)
        equal((now['incarnation'], now['host']), (first['incarnation'], first['host']), 'restarted')
    now = fail(grid, name)
    equal((now['incarnation'], now['host']), (first['incarnation'] + 1, first['host']), 'reloaded')
    equal(HOOK.messages, [], 'nobody is told yet')
    now = fail(grid, name)
    equal(now['incarnation'], first['incarnation'] + 2, 'replaced')
    assert now['host'] != first['host'], f'it is on {now["host"]} as before'
    fail(grid, name)
    wait_until('a message by each way', lambda: HOOK.messages and MAIL.mails)
    equal(lines(), [(name, 'failed')])
    equal(MAIL.mails[0]['to'], ['ops@example.com', 'boss@example.com'])
    assert f'Subject: croft: {name} failed\r\n' in MAIL.mails[0]['text'], MAIL.mails[0]['text']
    equal(steps(grid, name), ['step 1 of on_failure, restart', 'step 2 of on_failure, reload',
                              'step 3 of on_failure, replace', 'step 4 of on_failure, notify ops'])
    wait_until('it is told as healed', lambda: len(HOOK.messages) > 1 and len(MAIL.mails) > 1)
    equal(lines(), [(name, 'failed'), (name, 'healed')])
    equal(len({message['id'] for message in HOOK.messages}), 2, 'identities')
    equal([event['what'] for event in grid.events('landlord/ops') if event['what'].startswith('told')], ['told'] * 4)
    equal(grid.get('contacts', 'landlord/ops')['sent'], 2)


@tap.case('what heals while it is grouped is not told; many failures are one message')
def quiet(grid):
    contact(grid, group='14s')
    policy = [{'do': 'notify', 'to': 'ops'}, {'do': 'restart', 'times': 9}]
    grid.apply(grid.farm('shop', web={'count': 3, 'on_failure': policy}), wait=True)
    fail(grid, 'acme/shop/web-1')
    wait_until('it is to be told', lambda: grid.get('contacts', 'landlord/ops')['waiting'] == 1)
    wait_until('it is well', lambda: grid.get('contacts', 'landlord/ops')['waiting'] == 0)
    equal((HOOK.messages, MAIL.mails), ([], []), 'messages')
    contact(grid, group='3s')
    names = [f'acme/shop/web-{n}' for n in (1, 2, 3)]
    for name in names:
        kill(grid.instance_pids(name)[0])
    wait_until('a message', lambda: HOOK.messages)
    equal(sorted(lines()), [(name, 'failed') for name in names], 'in one message')
    equal(len(HOOK.messages), 1)


@tap.case('a controller that is killed while nobody takes a message: its successor sends the same one, once')
def survives(grid):
    contact(grid)
    policy = [{'do': 'notify', 'to': 'ops'}, {'do': 'restart', 'times': 9}]
    grid.apply(grid.farm('shop', web={'count': 1, 'on_failure': policy}), wait=True)
    MAIL.refuse = HOOK.refuse = True
    kill(grid.instance_pids('acme/shop/web-1')[0])

    def refused():
        return [event for event in grid.events('landlord/ops') if event['what'] == 'not told yet']
    wait_until('both are refused', lambda: len(refused()) >= 2)
    assert '503' in ' '.join(event['reason'] for event in refused()), refused()
    old = grid.controller_pid()
    kill(old)
    HOOK.refuse = False
    wait_until('the webhook took it', lambda: HOOK.messages)
    MAIL.refuse = False
    wait_until('the mail is taken', lambda: MAIL.mails)
    assert f"message {HOOK.messages[0]['id']}" in MAIL.mails[0]['text'], (HOOK.messages, MAIL.mails)
    wait_until('it is told as healed', lambda: len(HOOK.messages) > 1 and len(MAIL.mails) > 1)
    equal(lines(), [('acme/shop/web-1', 'failed'), ('acme/shop/web-1', 'healed')], 'each once')
    equal(len(MAIL.mails), 2)


@tap.case('a command is told as nobody; a tenant reaches nothing on the controller\'s machine and has no command')
def commands(grid):
    policy = [{'do': 'notify', 'to': 'ops'}, {'do': 'restart', 'times': 9}]
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o777)
        contact(grid, command=['sh', '-c', f'(id -u; cat) > {directory}/new && mv {directory}/new {directory}/told'])
        grid.apply(grid.farm('shop', web={'count': 1, 'on_failure': policy}), wait=True)
        kill(grid.instance_pids('acme/shop/web-1')[0])
        told = pathlib.Path(directory, 'told')
        wait_until('the command was told', told.exists)
        user, text = told.read_text().split('\n', 1)
        equal((user, json.loads(text)['lines'][0]['subject']), ('65534', 'acme/shop/web-1'))
    contact(grid, party='acme')
    kill(grid.instance_pids('acme/shop/web-1')[0])
    wait_until('the tenant\'s own contact is refused', lambda: "only the landlord's contacts" in grid.get('contacts', 'acme/ops')['reason'])
    equal(HOOK.messages, [])
    refused = grid.cli('apply', '-f', '-', stdin='{kind: Contact, name: page, party: acme, command: [sh]}')
    assert refused.returncode != 0 and 'only the landlord has one' in refused.stderr, refused
    refused = grid.cli('delete', 'contact', 'acme/ops')
    assert refused.returncode != 0 and 'tells contact acme/ops' in refused.stderr, refused


@tap.case('a tenant reaches the address that the landlord allows, nothing beside it, and is not sent on from there')
def reaches(grid):
    policy = [{'do': 'notify', 'to': 'ops'}, {'do': 'restart', 'times': 9}]
    grid.apply('{kind: Party, name: acme}')
    allowed, hidden = Hook(door_of_controller(grid, '127.0.0.2')), Hook(door_of_controller(grid))
    sends_on = Hook(door_of_controller(grid, '127.0.0.2'), elsewhere=hidden.url)
    document = {'kind': 'Contact', 'name': 'ops', 'party': 'acme', 'group': '0s'}
    grid.apply(json.dumps({**document, 'webhook': allowed.url}))
    grid.apply(grid.farm('shop', web={'count': 1, 'on_failure': policy}), wait=True)
    kill(grid.instance_pids('acme/shop/web-1')[0])
    wait_until('the allowed one is told', lambda: len(allowed.messages) == 2)
    grid.apply(json.dumps({**document, 'webhook': sends_on.url}))
    kill(grid.instance_pids('acme/shop/web-1')[0])
    wait_until('it is asked, and its word is no answer', lambda: sends_on.asked and '307' in grid.get('contacts', 'acme/ops')['reason'])
    for url in (hidden.url, 'http://169.254.169.254/latest/meta-data', 'http://10.90.0.1:7070/agent/join',
                f'http://[::ffff:127.0.0.1]:{hidden.server.server_port}/hook'):
        address = url.split('/')[2].rsplit(':', 1)[0].strip('[]')
        grid.apply(json.dumps({**document, 'webhook': url}))
        wait_until(f'{url} is refused', lambda: f'{address} is private' in grid.get('contacts', 'acme/ops')['reason'])
    equal((hidden.asked, hidden.messages), (0, []))


@tap.case('a login: over TLS that was verified, with the password of the file, or not at all')
def logs_in(grid):
    trusted, strange = (Mail(door_of_controller(grid), certificate(grid.state, name)[0]) if name == 'strange' else
                        Mail(door_of_controller(grid), TLS) for name in ('trusted', 'strange'))
    bare = Mail(door_of_controller(grid))
    secrets = pathlib.Path(grid.state, 'controller/secrets/landlord')
    secrets.mkdir(parents=True)
    login = {'login': 'croft@example.com', 'secret': 'mail', 'webhook': '', 'group': '0s'}
    policy = [{'do': 'notify', 'to': 'ops'}, {'do': 'restart', 'times': 99}]

    def reason(text):
        wait_until(text, lambda: text in grid.get('contacts', 'landlord/ops')['reason'])
    contact(grid, **login, smtp=bare.url)
    grid.apply(grid.farm('shop', web={'count': 1, 'on_failure': policy}), wait=True)
    kill(grid.instance_pids('acme/shop/web-1')[0])
    reason('there is no secret landlord/mail: put the password into')
    secrets.joinpath('mail').write_text('open sesame\n')
    secrets.joinpath('mail').chmod(0o644)
    contact(grid, **login, smtp=bare.url)
    reason('others may read or change it')
    secrets.joinpath('mail').chmod(0o600)
    contact(grid, **login, smtp=bare.url)
    reason('STARTTLS')
    contact(grid, **login, smtp=strange.url)
    reason('certificate')
    contact(grid, **login, smtp=trusted.url)
    wait_until('it is told', lambda: trusted.mails)
    equal(set(trusted.logins), {(True, 'croft@example.com', 'open sesame')})
    equal((bare.logins, bare.mails, strange.logins, strange.mails), ([], [], [], []))
    assert 'open sesame' not in grid.do('export') + grid.do('events') + grid.do('get', 'contacts', '-o', 'json'), 'it is told'
    for file in pathlib.Path(grid.state).rglob('*'):
        if file.is_file() and file != secrets / 'mail' and file.stat().st_size < 1 << 24:
            assert b'open sesame' not in file.read_bytes(), file
    refused = grid.cli('apply', '-f', '-', stdin=json.dumps({'kind': 'Contact', 'name': 'x', 'party': 'acme', 'mail': 'a@b.c',
                                                           'smtp': 'smtp://b.c', 'login': 'a', 'secret': 'Open Sesame'}))
    assert refused.returncode != 0 and 'does not belong into a document' in refused.stderr, refused


@tap.case('a host that is down is told to the contact of its pool, and that it is up again')
def host(grid):
    contact(grid, group='0s')
    grid.apply('{kind: Pool, name: general, on_failure: [{do: notify, to: ops}]}')
    kill(grid.host('h3')['pid'])
    wait_until('it is told', lambda: HOOK.messages)
    equal(lines(), [('host/h3', 'failed')])
    wait_until('it is fenced', lambda: any(event['what'] == 'fenced' for event in grid.events('h3')))
    grid.do('power', 'h3', 'on')
    wait_until('it is told as up again', lambda: len(HOOK.messages) > 1)
    equal(lines(), [('host/h3', 'failed'), ('host/h3', 'healed')])
    refused = grid.cli('delete', 'contact', 'landlord/ops')
    assert refused.returncode != 0 and 'pool general tells contact landlord/ops' in refused.stderr, refused


def sensor(host, path, text):
    """What a host's sensor says, as a file of its /sys."""
    file = pathlib.Path(HARDWARE, host, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'{text}\n')


@tap.case('a host whose memory goes bad is told of, emptied by its pool\'s policy, and active again by a person\'s word only')
def hardware(grid):
    contact(grid, group='0s')
    grid.apply('{kind: Pool, name: general, on_hardware: [{do: notify, to: ops}, {do: drain, on: memory-errors, after: 1s}]}')
    grid.apply(grid.farm('shop', web={'count': 2}), wait=True)
    bad = grid.instance('acme/shop/web-1')['host']
    equal([host['findings'] for host in grid.get('hosts')], [[], [], []])
    if not shutil.which('smartctl'):
        wait_until('it is said what is not looked at', lambda: 'smartctl is not installed' in grid.host(bad)['hardware'])
    sensor(bad, 'devices/system/edac/mc/mc0/ce_count', 112)
    wait_until('it is told', lambda: (f'host/{bad}/memory-errors/mc0', 'failed') in lines())
    wait_until('it is emptied', lambda: grid.host(bad)['state'] == 'draining')
    reason = f"memory mc0 of {bad}: 12 corrected errors within an hour, limit 10: drained by the policy of pool general"
    equal(grid.host(bad)['reason'], reason)
    wait_until('nothing is there', lambda: grid.host(bad)['instances'] == 0)
    wait_until('it runs elsewhere', lambda: grid.get('farms', 'acme/shop')['state'] == 'ready')
    assert reason in grid.do('describe', 'host', bad) and reason in grid.do('explain', bad), 'nobody is told why'
    assert f'croft_host_finding{{host="{bad}",kind="memory-errors",what="mc0"}} 12' in grid.api('GET', '/metrics').text
    grid.do('activate', bad)
    wait_until('it is up', lambda: grid.host(bad)['state'] == 'up')
    equal(grid.host(bad)['findings'][0]['accepted'], True)
    refused = grid.cli('delete', 'contact', 'landlord/ops')
    assert refused.returncode != 0 and 'change its on_hardware first' in refused.stderr, refused


if __name__ == '__main__':
    needs_root()
    with tempfile.TemporaryDirectory() as made:
        TLS, authority = certificate(made, 'trusted')
        HARDWARE = f'{made}/hardware'
        for number in (1, 2, 3):
            sensor(f'h{number}', 'devices/system/edac/mc/mc0/ce_count', 100)
            sensor(f'h{number}', 'devices/system/edac/mc/mc0/ue_count', 0)
            sensor(f'h{number}', 'block/sda/device/model', 'made up')
        sys.exit(tap.run(Grid(sys.argv[1], hosts=3, racks=3, more=('--contacts-reach', '127.0.0.2', '--authorities', authority, '--hardware', HARDWARE))))
