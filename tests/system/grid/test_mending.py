#!/usr/bin/python3
"""System test: what fails again and again is restarted, reloaded, replaced, and somebody is told of it. usage: test_mending.py CROFT"""

import contextlib
import http.server
import json
import os
import signal
import socket
import sys
import threading

from grid import Grid, Tap, equal, needs_root, wait_until

tap = Tap()
POLICY = [{'do': 'restart', 'within': '20s', 'times': 3}, {'do': 'reload', 'within': '20s'},
          {'do': 'replace', 'within': '40s'}, {'do': 'notify', 'to': 'ops'}]


class Mail:
    """An SMTP server that takes all mail (RFC 5321)."""

    def __init__(self):
        self.door = socket.create_server(('127.0.0.1', 0))
        self.mails, self.refuse = [], False
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
        mail = {'to': []}
        with peer, peer.makefile('rb') as lines, contextlib.suppress(OSError):
            say('220 sink')
            for line in lines:
                word = line[:4].upper()
                if self.refuse:
                    say('451 not now')
                    return
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
    """A web server that takes all messages."""

    def __init__(self):
        self.messages, self.refuse = [], False
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers['Content-Length']))
                self.send_response(503 if hook.refuse else 204)
                self.end_headers()
                if not hook.refuse:
                    hook.messages.append(json.loads(body))

            def log_message(self, *words):  # pylint: disable=arguments-differ
                pass
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f'http://127.0.0.1:{self.server.server_port}/hook'


MAIL, HOOK = Mail(), Hook()


def contact(**more):
    return {'kind': 'Contact', 'name': 'ops', 'party': 'landlord', 'mail': ['ops@example.com', 'boss@example.com'],
            'smtp': MAIL.url, 'from': 'croft@example.com', 'webhook': HOOK.url, 'group': '1s', **more}


def shop(grid, name='shop', policy=None, **tier):
    farm = grid.farm(name)
    web = next(one for one in farm['tiers'] if one['name'] == 'web')
    web['on_failure'] = POLICY if policy is None else policy
    web.update(tier)
    return farm


def steps(grid, instance):
    """What was begun, in order: "restart", "reload", …"""
    found = []
    for event in grid.events(instance):
        reason = event['reason']
        if reason.startswith('step ') and event['what'] != 'noted' and not event['what'].startswith('placed') or \
                reason.startswith('step ') and 'reload' in reason:
            found.append(reason.split(': ')[0])
    return found


def lines():
    return [(line['subject'], line['state']) for message in HOOK.messages for line in message['lines']]


@tap.case('killed again and again: restarted, reloaded, replaced, and one message by each way')
def escalates(grid):
    grid.apply(contact(command=['sh', '-c', 'cat >> /tmp/croft-told.$PPID']) if False else contact(), wait=False)
    grid.apply(shop(grid), wait=True)
    name = 'acme/shop/web-1'
    first = grid.get('instances', name)

    def fail():
        before = grid.get('instances', name)

        def gone_on():
            now = grid.get('instances', name)
            return (now['restarts'], now['incarnation']) != (before['restarts'], before['incarnation']) and \
                now['state'] == 'running'
        kill(grid, name)
        wait_until('it runs again', gone_on)
        return grid.get('instances', name)

    for _ in range(3):
        now = fail()
        equal(now['incarnation'], first['incarnation'], 'incarnation after a restart')
    now = fail()
    equal((now['incarnation'], now['host']), (first['incarnation'] + 1, first['host']), 'reloaded in its place')
    equal(HOOK.messages, [], 'nobody is told yet')
    now = fail()
    equal(now['incarnation'], first['incarnation'] + 2)
    assert now['host'] != first['host'], 'it is not replaced'
    fail()
    wait_until('a message', lambda: HOOK.messages and MAIL.mails)
    equal(lines(), [(name, 'failed')])
    equal(MAIL.mails[0]['to'], ['ops@example.com', 'boss@example.com'])
    assert f'Subject: croft: {name} failed\r\n' in MAIL.mails[0]['text'], MAIL.mails[0]['text']
    equal(steps(grid, name), ['step 1 of on_failure, restart', 'step 2 of on_failure, reload',
                              'step 3 of on_failure, replace', 'step 4 of on_failure, notify ops'])


@tap.case('what was told and heals is told as healed')
def heals(grid):
    wait_until('a second message', lambda: len(HOOK.messages) > 1 and len(MAIL.mails) > 1)
    equal(lines(), [('acme/shop/web-1', 'failed'), ('acme/shop/web-1', 'healed')])
    assert len({message['id'] for message in HOOK.messages}) == 2, HOOK.messages


def kill(grid, name):
    """The instance's first process ends, as if it had crashed."""
    grid.kill_instance(name)


if __name__ == '__main__':
    needs_root()
    sys.exit(tap.run(Grid(sys.argv[1], hosts=3, racks=3)))
