"""Row 10: the network between instances, against the same devices without rules."""

import subprocess

from figures import Figure
from grid import GUEST, SERVE_PORT, Failure, Grid, farm, party, run

MTU, UNDERLAY_MTU = 1450, 1600  # as farms and `croft up` have them


class Plain:
    """Two hosts by hand: instance - veth - bridge - vxlan - veth - bridge - and back, and no filter anywhere.

    h0 has two instances, h1 one. Namespaces have no name; they end with the processes that hold them."""

    def __enter__(self):
        self.holders = {}
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for holder in self.holders.values():
            holder.kill()
            holder.wait()

    def _build(self):
        self._space('switch')
        self._ip('switch', 'link add under0 type bridge forward_delay 0')
        self._ip('switch', f'link set under0 mtu {UNDERLAY_MTU} up')
        for host in (0, 1):
            self._space(f'h{host}')
            self._cable(f'h{host}', 'eth2', 'switch', f'cable{host}', 'under0', UNDERLAY_MTU)
            self._ip(f'h{host}', f'addr add 10.92.0.{host + 1}/16 dev eth2')
            self._space(f'farm{host}')
            self._ip(f'h{host}', f'link add vx0 type vxlan id 7 local 10.92.0.{host + 1} remote 10.92.0.{2 - host} '
                                 f'dstport 4789 dev eth2')
            self._ip(f'h{host}', f'link set vx0 netns {self.holders[f"farm{host}"].pid}')
            self._ip(f'farm{host}', 'link add br0 type bridge forward_delay 0')
            self._ip(f'farm{host}', f'link set vx0 mtu {MTU} master br0 up')
            self._ip(f'farm{host}', f'link set br0 mtu {MTU} up')
            self._enter(f'farm{host}', 'sh', '-c', 'for f in /proc/sys/net/bridge/bridge-nf-call-*; do '
                                                   '[ -e "$f" ] && echo 0 >"$f"; done; true')
        for number, host in enumerate((0, 0, 1)):
            self._space(f'i{number}')
            self._cable(f'i{number}', 'eth0', f'farm{host}', f'port{number}', 'br0', MTU)
            self._ip(f'i{number}', f'addr add 10.0.0.{number + 2}/22 dev eth0')
            self.holders[f'server{number}'] = subprocess.Popen(
                self._words(f'i{number}', GUEST, 'serve', str(SERVE_PORT)), stderr=subprocess.DEVNULL)

    def _space(self, name):
        self.holders[name] = subprocess.Popen(['unshare', '--net', 'sh', '-c', 'echo; exec sleep infinity'],
                                              stdout=subprocess.PIPE)
        self.holders[name].stdout.readline()
        self._ip(name, 'link set lo up')

    def _cable(self, space, name, bridge_space, port, bridge, mtu):
        self._ip(bridge_space, f'link add {port} mtu {mtu} type veth peer name {name} mtu {mtu} netns '
                               f'{self.holders[space].pid}')
        self._ip(bridge_space, f'link set {port} master {bridge} up')
        self._ip(space, f'link set {name} up')

    def _words(self, space, *command):
        return ['nsenter', f'--net=/proc/{self.holders[space].pid}/ns/net', *map(str, command)]

    def _enter(self, space, *command):
        return run(*self._words(space, *command))

    def _ip(self, space, words):
        self._enter(space, 'ip', *words.split())

    def ask(self, pair, *words):
        """The guest's answer from one instance to another."""
        verb, *rest = words
        return self._enter(f'i{pair[0]}', GUEST, verb, f'10.0.0.{pair[1] + 2}', *rest)


class Croft:
    """The same three instances as a farm that lets its tier talk to itself."""

    def __init__(self, grid):
        self.grid = grid
        ports = f'{SERVE_PORT}-{SERVE_PORT + 2}/tcp'
        grid.apply(party('acme'), farm('shop', 'acme', 3, tier={
            'spread': 'host', 'size': {'cpus': 2, 'memory': '64Mi', 'disk': '16Mi'}},
            allow=[{'from': 'web', 'to': 'web', 'port': ports}]))
        by_host = {}
        for item in grid.farm_ready('acme/shop', 'web', 3):
            by_host.setdefault(item['host'], []).append(item)
        pairs = sorted(by_host.values(), key=len, reverse=True)
        if [len(pair) for pair in pairs] != [2, 1]:
            raise Failure(f'not two and one: {by_host}')
        self.instances = pairs[0] + pairs[1]

    def ask(self, pair, *words):
        verb, *rest = words
        return self.grid.exec(self.instances[pair[0]]['name'], '/bin/guest', verb,
                              self.instances[pair[1]]['address'], *rest)


def row_net(quick):
    """10: throughput and round trip between instances, on one host and across two"""
    runs, seconds, pings = (3, '1', '2000') if quick else (9, '2', '10000')
    figures = []
    with Grid('net', 2) as grid, Plain() as plain:
        croft = Croft(grid)
        for where, pair in (('on one host', (0, 1)), ('across two hosts', (0, 2))):
            rates, plain_rates, trips, plain_trips, slowest, plain_slowest = [], [], [], [], [], []
            for _ in range(runs):
                for net, rate, trip, slow in ((croft, rates, trips, slowest),
                                              (plain, plain_rates, plain_trips, plain_slowest)):
                    rate.append(float(net.ask(pair, 'stream', str(SERVE_PORT + 1), seconds)) / 1e9)
                    middle, late = net.ask(pair, 'ping', str(SERVE_PORT + 2), pings).split()
                    trip.append(float(middle))
                    slow.append(float(late))
            limit = 'same devices, no rules'
            figures += [Figure(f'TCP {where}', 'Gbit/s', rates, limit, plain_rates),
                        Figure(f'round trip {where}', 'µs', trips, limit, plain_trips),
                        Figure(f'- its 99th percentile', 'µs', slowest, limit, plain_slowest)]
    return figures, []
