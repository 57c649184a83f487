"""Rows of the planner: how fast and how well it decides, beside Ganeti's htools and Pacemaker's scheduler."""

import contextlib
import json
import pathlib
import re
import subprocess
import tempfile
import time

from clusters import Cluster, Racks
from figures import Figure
from grid import CROFT, Failure

SIZE = {'memory': 4096, 'disk': 40960, 'cpus': 2}  # MiB: what more of is asked for


def timed(command, **more):
    """What the whole process printed, and its seconds."""
    begin = time.perf_counter()
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, **more)
    took = time.perf_counter() - begin
    if done.returncode != 0:
        raise Failure(f'{" ".join(map(str, command[:3]))}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}')
    return done.stdout, took


def asked(*words):
    output, took = timed([CROFT, *words, '-o', 'json'])
    return json.loads(output), took


def shape(quick):
    return ['--hosts', 10000 if quick else 100000, '--instances', 100000 if quick else 1000000, '--zones', 3, '--racks', 40,
            '--seed', 7]


@contextlib.contextmanager
def imported(cluster):
    """The cluster's file, croft's file of it, and the seconds that croft took to make it."""
    with tempfile.TemporaryDirectory(prefix='croft-bench-') as directory:
        text, grid = pathlib.Path(directory, 'cluster.text'), pathlib.Path(directory, 'grid.ndjson')
        text.write_text(cluster.ganeti())
        output, took = timed([CROFT, 'import', 'ganeti', text])
        grid.write_text(output)
        yield text, grid, took


def row_place(quick):
    """placements a second, one placement, and how densely, in a grid made by lot"""
    figures = {}
    for _ in range(1 if quick else 3):
        answer, _ = asked('bench', 'place', *shape(quick))
        if answer['placed'] < answer['wanted']:
            figures['note'] = [f'place: {answer["wanted"] - answer["placed"]} of {answer["wanted"]} found no room.']
        for key, value in answer.items():
            figures.setdefault(key, []).append(float(value))
    placement_us = [1e6 / value for value in figures['placements_per_s']]
    return [Figure('a placement, all at once', 'µs', placement_us, median_max=10),
            Figure('one placement by itself, 99th percentile', 'µs', figures['one_us_p99'], median_max=50),
            Figure('- its median', 'µs', figures['one_us_p50']),
            Figure('hosts used', 'hosts', figures['hosts_used'], 'LP lower bound', figures['hosts_least'], ratio_max=1.01),
            Figure('most memory', 'MiB', [value / 2 ** 20 for value in figures['peak_bytes']])], figures.get('note', [])


def row_lost_rack(quick):
    """a rack lost in a grid that is loaded: until all it ran has a new place"""
    runs = [asked('bench', 'lost-rack', *shape(quick))[0] for _ in range(1 if quick else 3)]
    last = runs[-1]
    return [Figure('a rack lost, to the decision', 's', [run['seconds_to_answer'] for run in runs], median_max=1)], [
        f'lost-rack: {last["failed_hosts"]} hosts with {last["lost"]} of {last["instances"]} instances; '
        f'{last["without_place"]} find no place.']


def row_share(quick):
    """hosts shared between farms that call for more, offer, or are content: one decision"""
    runs = [asked('bench', 'share', '--farms', 100 if quick else 1000, '--hosts', 1000 if quick else 10000)[0]
            for _ in range(1 if quick else 3)]
    last = runs[-1]
    return [Figure(f'{last["farms"]:,} farms share {last["hosts"]:,} hosts, a decision', 'ms', [run['ms_p50'] for run in runs],
                   median_max=10),
            Figure('- the slowest of 51', 'ms', [run['ms_max'] for run in runs])], [
        f'share: {last["instances"]:,} instances; {last["got"]:,} more for farms that call for them, {last["given"]:,} fewer for others, '
        f'{last["lacks"]:,} lacking.']


def filter_text(name, rules):
    """A filter document of so many rules that all differ."""
    lines = [f'{{action: allow, direction: in, from: 10.{n // 250}.{n % 250}.0/24, protocol: tcp, port: {1000 + n}}}' for n in range(rules)]
    return f'kind: Filter\nname: {name}\nparty: landlord\non: all\nrules:\n' + ''.join(f'  - {line}\n' for line in lines)


def row_filter(quick):
    """one filter of a thousand rules judged to be inside another or not, beside the reading of both"""
    runs = [asked('bench', 'filter', '--rules', 1000, '--foreign', 100000, '--seed', 7 + n)[0] for n in range(1 if quick else 3)]
    with tempfile.TemporaryDirectory(prefix='croft-bench-') as directory:
        outer, inner = pathlib.Path(directory, 'outer.yaml'), pathlib.Path(directory, 'inner.yaml')
        for path in (outer, inner):
            path.write_text(filter_text(path.stem, 1000))
        whole = [1000 * timed([CROFT, 'filter', 'check', '--outer', outer, '--inner', inner])[1] for _ in range(3 if quick else 10)]
    slowest = max(runs[-1]['cases'], key=lambda case: case['ms_p50'])
    return [Figure('1,000 rules against 1,000: inside or not', 'ms',
                   [case['ms_p50'] for run in runs for case in run['cases']]),
            Figure('- the slowest pair of 150', 'ms', [run['ms_max'] for run in runs], median_max=100),
            Figure('- croft filter check, with both files read', 'ms', whole, median_max=100),
            Figure('one filter admitted, none of others', 'µs', [run['admission']['alone_us_p50'] for run in runs]),
            Figure('one filter admitted, 100,000 of others', 'µs', [run['admission']['us_p50'] for run in runs],
                   'none of others', [run['admission']['alone_us_p50'] for run in runs], ratio_max=1.5)], [
        f'filter: the slowest kind of pairs is "{slowest["name"]}".']


def row_load(quick):
    """a grid read from NDJSON"""
    with tempfile.TemporaryDirectory(prefix='croft-bench-') as directory:
        path = pathlib.Path(directory, 'grid.ndjson')
        with path.open('w') as file:
            subprocess.run([CROFT, 'bench', 'grid', *map(str, shape(quick))], stdout=file, check=True)
        size = path.stat().st_size
        runs = [asked('bench', 'load', '--grid', path)[0] for _ in range(3)]
    return [Figure(f'{runs[0]["instances"]:,} instances read from a file', 's', [run['seconds'] for run in runs], median_max=5),
            Figure('- most memory', 'MiB', [run['peak_bytes'] / 2 ** 20 for run in runs], median_max=1024)], [
        f'load: the file has {size / 2 ** 20:.0f} MiB.']


def hspace(text, template, options):
    """How many more hspace places, and its seconds for it: it always makes two passes over the cluster, tiered and standard.
    Both get the same size, so half of its time is one."""
    size = f'{SIZE["disk"]}m,{SIZE["memory"]}m,{SIZE["cpus"]}'
    output, took = timed(['hspace', '-t', text, '--disk-template', template, '--machine-readable', '--standard-alloc', size,
                          '--tiered-alloc', size, *options])
    found = dict(line.split('=', 1) for line in output.splitlines() if '=' in line)
    return int(float(found['HTS_ALLOC_INSTANCES'].strip('"\''))), took / 2


# Ganeti's kind of disk, its options, what croft is to survive, what both look after, nodes and groups: as many as hspace
# answers for in about a minute.
FITS = [('drbd', [], 'host', 'second nodes kept free', 60, 3),
        ('plain', [], 'host', 'one node may be lost', 24, 1),
        ('plain', ['--no-capacity-checks'], 'none', 'nothing kept free', 100, 4)]


def row_fit(quick):
    """how many more fit: croft fit and hspace on the same cluster"""
    figures, notes = [], []
    for template, options, survive, what, nodes, groups in FITS:
        if quick:
            nodes, groups = 20, 1
        with imported(Cluster(nodes, groups, 10, template)) as (text, grid, import_s):
            theirs, their_s = hspace(text, template, options)
            runs = [asked('fit', '--grid', grid, '--size', f'cpus={SIZE["cpus"]},memory={SIZE["memory"]}Mi,disk={SIZE["disk"]}Mi',
                          '--survive', survive) for _ in range(5)]
        figures += [Figure(f'instances that fit on {nodes} nodes, {template}, {what}', '', [runs[0][0]['count']], 'hspace', [theirs],
                           ratio_min=1),
                    Figure('- time, import included', 's', [import_s + took for _, took in runs], 'hspace', [their_s],
                           ratio_max=0.01)]
        notes.append(f'fit, {template}, {what}: croft with --survive {survive}, limited by {runs[0][0]["limited_by"]}; hspace with '
                     f'{" ".join(options) or "its own checks"}.')
    return figures, notes + ['fit: with drbd hspace also takes disk for the second copy of each new instance, and keeps its memory '
                             'free on that node; croft keeps room on any hosts of the pool and has no second copies.']


def hbal_score(text):
    output, _ = timed(['hbal', '-t', text, '-G', 'group-000', '-l', '0'])
    return float(re.search(r'Initial score: ([0-9.]+)', output).group(1))


def row_balance(quick):
    """moves that make hosts alike: croft balance and hbal, both judged by hbal's score"""
    nodes = 20 if quick else 40
    cluster = Cluster(nodes, 1, 10, 'rbd')
    with imported(cluster) as (text, grid, import_s):
        before = hbal_score(text)
        output, their_s = timed(['hbal', '-t', text, '-G', 'group-000'])
        their_moves = int(re.search(r'Solution length=(\d+)', output).group(1))
        their_score = float(re.search(r'improved from [0-9.]+ to ([0-9.]+)', output).group(1))
        runs = [asked('balance', '--grid', grid) for _ in range(5)]
        moves = runs[0][0]['moves']
        for move in moves:
            cluster.move(move['instance'].split('/')[1], move['to'])
        text.write_text(cluster.ganeti())
        score = hbal_score(text)
    return [Figure(f'score by hbal\'s measure, {nodes} nodes, disks on the network', '', [score], 'hbal', [their_score], ratio_max=1),
            Figure('- moves', 'moves', [len(moves)], 'hbal', [their_moves], ratio_max=1),
            Figure('- time, import included', 's', [import_s + took for _, took in runs], 'hbal', [their_s], ratio_max=0.01)], [
        f'balance: the score was {before:.3f} before. Instances whose disk every node reaches: hbal\'s only move is then croft\'s.']


def row_lost_host(quick):
    """one host lost: croft whatif and Pacemaker's scheduler on the same grid"""
    hosts, instances = (20, 200) if quick else (32, 1000)
    racks = Racks(hosts, instances, 4)
    with tempfile.TemporaryDirectory(prefix='croft-bench-') as directory:
        grid, cib = pathlib.Path(directory, 'grid.ndjson'), pathlib.Path(directory, 'cib.xml')
        grid.write_text('\n'.join(racks.ndjson()) + '\n')
        cib.write_text(racks.cib())
        runs = [asked('whatif', '--grid', grid, '--fail', 'host/n0003') for _ in range(5)]
        output, their_s = timed(['crm_simulate', '-x', cib, '-R', '--node-fail', 'n0003'],
                                env={'CIB_shadow_dir': directory, 'PATH': '/usr/sbin:/usr/bin:/sbin:/bin'})
    if len(racks.instances) < instances:
        raise Failure(f'only {len(racks.instances)} of {instances} instances have room')
    theirs = len(re.findall(r'^ *\* (?:Recover|Move|Start|Restart|Stop) ', output, re.MULTILINE))
    ours = runs[0][0]['instances']
    figures = [Figure(f'one of {hosts} hosts lost, {instances:,} instances, whole process', 's', [took for _, took in runs],
                      'crm_simulate', [their_s], ratio_max=0.001)]
    if 'seconds_to_answer' in runs[0][0]:
        figures.append(Figure('- the question alone', 's', [answer['seconds_to_answer'] for answer, _ in runs], 'crm_simulate',
                              [their_s], ratio_max=0.001))
    return figures, [
        f'lost-host: croft moves {ours["moved"]}, {ours["lost"]} lost; crm_simulate acts on {theirs} resources.']


def row_sim(quick):
    """the simulation: seconds of one core for an hour of 20 hosts"""
    seeds, hours = (3, 0.2) if quick else (12, 1)
    figures = []
    for faults in ('none', 'all'):
        seconds = []
        for seed in range(1, seeds + 1):
            run, took = asked('sim', '--seed', seed, '--hours', hours, '--hosts', 20, '--faults', faults)
            if run['violations']:
                raise Failure(f'sim: seed {seed} with faults {faults}: {run["violations"][0]}')
            seconds.append(took / hours)
        figures.append(Figure(f'an hour of 20 hosts, faults: {faults}', 's', seconds, median_max=1))
    return figures, ['sim: whole processes, one seed each.']
