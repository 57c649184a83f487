#!/usr/bin/python3
"""System test: the way to the internet, and what is told of packets that were not let pass. usage: test_egress.py CROFT"""

import contextlib
import ctypes
import os
import socket
import sys
import threading

from grid import Grid, Tap, equal, needs_root, wait_until

tap = Tap()
libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


@contextlib.contextmanager
def outside_server(grid, port):
    """A server on the other side of the outside network, and who asked it."""
    way = grid.info()['outside']
    callers = []
    own, there = os.open('/proc/self/ns/net', os.O_RDONLY), os.open(way['namespace'], os.O_RDONLY)
    assert libc.setns(there, CLONE_NEWNET) == 0, 'setns'
    door = socket.socket()
    assert libc.setns(own, CLONE_NEWNET) == 0, 'setns back'
    os.close(own)
    os.close(there)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    door.bind((way['address'], port))
    door.listen()

    def serve():
        with contextlib.suppress(OSError):
            while True:
                peer, caller = door.accept()
                callers.append(caller[0])
                peer.recv(4096)
                peer.sendall(b'HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\noutside\n')
                peer.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield way['address'], callers
    finally:
        door.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=5)
        door.close()


def fetch(grid, instance, address, port):
    """What a server says, and whether it said anything."""
    status, text = grid.shell(instance, f'echo "GET / HTTP/1.0" | nc -w 2 {address} {port} 2>&1')
    return status == 0 and 'outside' in text, text


@tap.case('an instance reaches the internet as its farm allows, and no further')
def way_out(grid):
    grid.apply(grid.farm('shop', allow=[{'from': 'web', 'to': 'internet', 'port': '443/tcp'}]), wait=True)
    equal(grid.get('farms', 'acme/shop')['reason'], 'every tier has what it wants')
    hosts = {item['name']: item['host'] for item in grid.instances('acme/shop', 'web')}
    with outside_server(grid, 443) as (address, callers), outside_server(grid, 80) as (_, others):
        for instance, host in hosts.items():
            good, text = fetch(grid, instance, address, 443)
            assert good, f'{instance} on {host}: {text}'
            assert not fetch(grid, instance, address, 80)[0], 'another port'
        equal(sorted(callers), sorted(f'10.93.1.{host[1:]}' for host in hosts.values()), 'who was seen outside')
        equal(others, [])
        # Not even with a rule for everything: the landlord's networks, the hosts, other hosts by the outside.
        grid.apply(grid.farm('shop', allow=[{'from': 'web', 'to': 'internet', 'port': 'all'}]), wait=True)
        instance = sorted(hosts)[0]
        wait_until('the rule is there', lambda: fetch(grid, instance, address, 80)[0])
        for closed in '10.90.0.1', '10.91.0.1', '10.90.1.1', '10.92.1.2', '10.93.1.1', '10.93.1.2':
            good, text = fetch(grid, instance, closed, 7070)
            assert not good and 'timed out' in text, f'{closed}: {text}'


@tap.case('what was not let pass is an event of the instance, once, and a metric')
def denied(grid):
    grid.apply(grid.farm('calm'), wait=True)
    web = {item['name']: item['address'] for item in grid.instances('acme/calm', 'web')}
    assert not fetch(grid, 'acme/calm/web-1', web['acme/calm/web-2'], 8080)[0]

    def told():
        return [event for event in grid.events('acme/calm/web-1') if event['what'] == 'denied']
    wait_until('an event', told)
    fetch(grid, 'acme/calm/web-1', web['acme/calm/web-2'], 8080)
    event = told()[0]
    words = event['reason'].split(' ', 1)
    assert int(words[0]) >= 1 and words[1].endswith("that no rule in the farm's `allow` lets pass (policy)"), event
    equal(event['kind'], 'instance')
    label = 'croft_denied_packets_total{farm="acme/calm",instance="acme/calm/web-1",reason="policy"} '

    def count():
        lines = [line for line in grid.api('GET', '/metrics').text.splitlines() if line.startswith(label)]
        return int(lines[0][len(label):]) if lines else 0
    wait_until('the metric counts on', lambda: count() > int(words[0]))
    equal(len(told()), 1, 'events in a minute')


if __name__ == '__main__':
    needs_root()
    sys.exit(tap.run(Grid(sys.argv[1], hosts=3, racks=3)))
