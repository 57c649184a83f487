#!/usr/bin/python3
"""The questions of planning as people and scripts ask them: clusters made by lot come in through `croft import ganeti`, and
every answer has the fields that others rely on, of the right kinds. usage: test_planning.py CROFT BENCH_LIB"""

import http.server
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import threading
import unittest

CROFT, BENCH = sys.argv[1:3]
sys.path.insert(0, BENCH)
sys.dont_write_bytecode = True
from clusters import Cluster  # noqa: E402  pylint: disable=wrong-import-position

NODES, GROUPS, PER_NODE = 120, 3, 8


def croft(*words, stdin=None, code=0):
    done = subprocess.run([CROFT, *words], input=stdin, capture_output=True, text=True, timeout=100)
    assert done.returncode == code, f'{words}: exit {done.returncode}: {done.stderr}'
    return done


def ask(*words, stdin=None):
    return json.loads(croft(*words, '-o', 'json', stdin=stdin).stdout)


def host(number, cpus, memory='64Gi'):
    return {'kind': 'Host', 'name': f'h{number}', 'zone': f'east/r{number}',
            'capacity': {'cpus': cpus, 'memory': memory, 'disk': '100Gi'}}


def on(number, name, cpus, **more):
    return {'kind': 'Instance', 'name': name, 'host': f'h{number}', 'size': {'cpus': cpus, 'memory': '1Gi'}, **more}


def lines(*documents):
    return ''.join(json.dumps(document) + '\n' for document in documents)


def without_time(answer):
    return {name: value for name, value in answer.items() if name != 'seconds_to_answer'}


class Planning(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.text = Cluster(NODES, GROUPS, PER_NODE, 'plain').ganeti()
        cls.data = pathlib.Path(cls.directory.name, 'cluster.data')
        cls.data.write_text(cls.text)
        cls.grid = croft('import', 'ganeti', str(cls.data)).stdout
        cls.lines = cls.grid.splitlines()

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def has(self, answer, kinds):
        for name, kind in kinds.items():
            self.assertIn(name, answer)
            self.assertIsInstance(answer[name], kind, name)
            self.assertFalse(kind is int and isinstance(answer[name], bool), name)

    def test_import(self):
        kinds = [json.loads(line)['kind'] for line in self.lines]
        self.assertEqual(kinds.count('Host'), NODES)
        self.assertEqual(kinds.count('Instance'), self.text.count('|running|'))

    def test_whatif(self):
        hosts = [json.loads(line)['name'] for line in self.lines if '"kind":"Host",' in line]
        answer = ask('whatif', '--grid', '-', '--fail', f'host/{hosts[0]}', f'host/{hosts[1]}', 'zone/ganeti/group-001',
                     stdin=self.grid)
        self.has(answer, {'failed_hosts': list, 'instances': dict, 'moves': list, 'lost': list, 'farms': list,
                          'survives': dict, 'seconds_to_recover': (int, float)})
        self.has(answer['instances'], dict.fromkeys(('total', 'kept', 'moved', 'yielded', 'lost'), int))
        self.has(answer['survives'], dict.fromkeys(('host', 'rack', 'site'), int))
        self.assertEqual(len(answer['failed_hosts']), 2 + NODES // GROUPS)
        count = answer['instances']
        self.assertEqual((len(answer['moves']), len(answer['lost'])), (count['moved'], count['lost']))
        self.assertEqual(count['total'], count['kept'] + count['moved'] + count['lost'])  # nobody yields: all rank alike
        self.assertGreater(count['moved'], 0)
        self.assertGreater(count['lost'], 0)
        for move in answer['moves']:
            self.has(move, {'instance': str, 'from': str, 'to': str, 'step': int})
            self.assertIn(move['from'], answer['failed_hosts'])
            self.assertNotIn(move['to'], answer['failed_hosts'])
            self.assertIn(move['step'], (1, 2))
        for lost in answer['lost']:
            self.has(lost, {'instance': str, 'reason': str})
            self.assertTrue(lost['reason'])
        for farm in answer['farms']:
            self.has(farm, {'name': str, 'state_before': str, 'state_after': str})

    def test_fit(self):
        counts = {}
        for survive in ('none', 'host', 'rack', 'site'):
            answer = ask('fit', '--grid', '-', '--size', 'cpus=1,memory=2Gi,disk=10Gi', '--survive', survive, stdin=self.grid)
            self.has(answer, {'count': int, 'limited_by': str})
            counts[survive] = answer['count']
        self.assertGreater(counts['none'], counts['host'])
        self.assertGreater(counts['host'], 0)
        self.assertEqual((counts['rack'], counts['site']), (0, 0))  # each group is the only rack of its class

    def test_balance(self):
        answer = ask('balance', '--grid', '-', stdin=self.grid)
        self.has(answer, {'score_before': float, 'score_after': float, 'moves': list, 'score_is': str})
        self.assertLess(answer['score_after'], answer['score_before'] / 4)
        self.assertTrue(answer['moves'])
        for move in answer['moves']:
            self.has(move, {'instance': str, 'from': str, 'to': str})

    def test_what_stays(self):
        """Only what serves and can move is moved to even hosts out: no balancer, and nothing that waits at the door."""
        size = {'cpus': 1, 'memory': '1Gi'}
        web = {'name': 'web', 'image': 'hello:1', 'count': 1, 'warm': 1, 'size': size}
        large = {'name': 'large', 'image': 'hello:1', 'count': 1, 'size': {'cpus': 6, 'memory': '1Gi'}}
        farm = {'kind': 'Farm', 'name': 'shop', 'party': 'acme', 'subnet': '10.0.0.0/24', 'tiers': [web, large],
                'balance': [{'name': 'www', 'mode': 'http', 'port': 80, 'to': 'web:8080', 'publish': '127.0.0.1:8080'}]}
        grid = (host(1, 16), host(2, 5), on(1, 'acme/shop/large-1', 6))  # what is large has no room on h2
        self.assertEqual(ask('balance', '--grid', '-', stdin=lines(*grid, farm))['moves'], [])
        waits = {'kind': 'Instance', 'name': 'acme/shop/web-2', 'wanted': 'warm', 'host': 'h1'}
        self.assertEqual(ask('balance', '--grid', '-', stdin=lines(*grid, farm, waits))['moves'], [])
        balancer = {'kind': 'Instance', 'name': 'acme/shop/balance-1', 'host': 'h1'}
        self.assertEqual(ask('balance', '--grid', '-', stdin=lines(*grid, farm, balancer))['moves'], [])
        serves = {'kind': 'Instance', 'name': 'acme/shop/web-1', 'host': 'h1'}
        moves = ask('balance', '--grid', '-', stdin=lines(*grid, farm, serves))['moves']
        self.assertEqual([(move['instance'], move['to']) for move in moves], [('acme/shop/web-1', 'h2')])

    def test_survives_one(self):
        """What is said of one further loss is what comes of each."""
        small = [on(2 + n // 3, f'a/small/x-{n + 1}', 1) for n in range(6)]
        grids = {
            'room for it': (True, [host(1, 4), host(2, 4), host(3, 4), on(1, 'a/b/c-1', 2), *small[:4]]),
            # Its own host has room for one more of the size, which is no help when that host is lost.
            'no room but there': (False, [host(1, 4.2), host(2, 4), host(3, 4), on(1, 'a/b/c-1', 2), *small]),
            'a little too large': (False, [host(1, 1.9), host(2, 2), host(3, 2), on(1, 'a/b/c-1', 1.9), on(2, 'a/d/e-1', 0.11),
                                           on(3, 'a/f/g-1', 0.11)]),
        }
        for name, (survived, documents) in grids.items():
            grid = lines(*documents)
            answer = ask('whatif', '--grid', '-', '--fail', 'instance/a/b/c-1', stdin=grid)  # which is started again
            losses = [ask('whatif', '--grid', '-', '--fail', f'host/h{n}', stdin=grid)['instances']['lost'] for n in (1, 2, 3)]
            self.assertEqual((answer['survives']['host'] > 0, any(losses)), (survived, not survived), name)

    def test_move_that_fails(self):
        """A grid in which a move ends elsewhere: it is told at once, and no other move follows."""
        documents = lines(host(1, 16), host(2, 16), host(3, 16), *(on(1, f'a/b/c-{n}', 1) for n in range(1, 7)))
        asked = []

        class Grid(http.server.BaseHTTPRequestHandler):
            def answer(self, text):
                self.send_response(200)
                self.send_header('Content-Length', str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def do_GET(self):  # pylint: disable=invalid-name
                if self.path.startswith('/v1/export'):
                    return self.answer(documents)
                place = {'host': 'h3', 'incarnation': 2} if asked else {'host': 'h1', 'incarnation': 1}
                return self.answer(json.dumps({'kind': 'Instance', 'state': 'running', 'health': 'good', **place}))

            def do_POST(self):  # pylint: disable=invalid-name
                asked.append((self.path, self.rfile.read(int(self.headers['Content-Length']))))
                self.answer('{}')

            def log_message(self, *_):
                pass

        with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Grid) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            done = croft('balance', '--server', f'http://127.0.0.1:{server.server_port}', '--token', 'x', code=1)
            server.shutdown()
        self.assertEqual(len(asked), 1)
        self.assertRegex(done.stderr, r'\Acroft: after 0 of [0-9]+ moves: a/b/c-[1-6] went to h3 and not to h2: the grid changed')

    def test_any_order(self):
        """The same lines in another order are the same question: every byte of the answer is the same."""
        lot = random.Random(3)
        fail = json.loads(next(line for line in self.lines if '"kind":"Host"' in line))['name']
        for words in (('whatif', '--fail', f'host/{fail}'), ('fit', '--size', 'cpus=1,memory=3Gi', '--survive', 'host'),
                      ('balance', '--moves', '40')):
            first = without_time(ask(*words, '--grid', '-', stdin=self.grid))
            for _ in range(3):
                lines = self.lines[:]
                lot.shuffle(lines)
                again = without_time(ask(*words, '--grid', '-', stdin='\n'.join(lines) + '\n'))
                self.assertEqual(json.dumps(first), json.dumps(again), words)

    def test_odd_cluster(self):
        """What a cluster contradicts itself in and can be read all the same is a warning; the grid is there."""
        odd = self.data.with_suffix('.odd')
        odd.write_text('g|u|preferred||\n\nn1|4096|512|4096|10000|4000|4|M|u|1\n\ni1|1024|1|4|running|Y|n1||plain||1\n\n\n')
        done = subprocess.run([CROFT, 'import', 'ganeti', str(odd)], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout.count('"kind":"Host"')), (0, 1))
        self.assertRegex(done.stderr, r'\Awarning: [^\n]+\.odd:3:13: free_mem: 4096 MiB [^\n]+\n\Z')

    def test_damage(self):
        """Wherever the text ends, or whatever character is another one, there is a grid, or one line with the place."""
        lot, refused = random.Random(5), 0
        for number in range(80):
            at = lot.randrange(len(self.text) - 1)
            text = self.text[:at] + ('' if number % 2 else lot.choice('|\n?x9\0') + self.text[at + 1:])
            self.data.with_suffix('.bad').write_text(text)
            done = subprocess.run([CROFT, 'import', 'ganeti', str(self.data.with_suffix('.bad'))], capture_output=True, text=True)
            if done.returncode == 0:
                continue
            refused += 1
            self.assertEqual((done.returncode, done.stdout), (1, ''), f'{number} at {at}')
            self.assertRegex(done.stderr, rf'\A{re.escape(str(self.data.with_suffix(".bad")))}:[0-9]+:[0-9]+: [^\n]+\n\Z')
        self.assertGreater(refused, 40)

    def test_sim(self):
        words = ('sim', '--seed', '4', '--hours', '0.05', '--hosts', '4', '--farms', '2')
        answer = ask(*words)
        self.has(answer, {'seed': int, 'steps': int, 'virtual_hours': float, 'faults': dict, 'checks': int, 'violations': list,
                          'hash': str})
        self.assertEqual((answer['seed'], answer['violations']), (4, []))
        self.assertEqual(answer, ask(*words))
        several = ask('sim', '--seeds', '3..5', *words[3:])
        self.assertEqual(sorted(run['seed'] for run in several), [3, 4, 5])
        self.assertIn(answer, several)

    def test_bench_place(self):
        answer = ask('bench', 'place', '--hosts', '100', '--instances', '1000', '--zones', '3', '--racks', '4', '--seed', '7')
        self.has(answer, {'placed': int, 'seconds': float, 'placements_per_s': (int, float), 'peak_bytes': int,
                          'packing': float})
        self.assertEqual(answer['placed'], 1000)
        self.assertGreaterEqual(answer['packing'], 1)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
