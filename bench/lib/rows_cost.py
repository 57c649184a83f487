"""Rows 8 and 9: what the long-running parts cost, and how long a listing takes."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time
import unittest.mock

from figures import Figure
from grid import (CROFT, PORT_FIRST, RECORDS, Api, Failure, Grid, cpu_s, farm, fetch, make_root, memory_kib, party, run,
                  wait_until)


QUERY = ("select value from item join history on history.id = item.history_id "
         "where item.key glob 'instance/*' order by item.key")


def row_memory(quick):
    """8: memory and idle CPU of agent and controller"""
    with Grid('memory', 1, capacity='cpus=16,memory=32Gi,disk=400Gi,network=10G') as grid:
        figures = memory_figures(grid, 'no instance')
        grid.apply(party('acme'), farm('shop', 'acme', 20))
        grid.farm_ready('acme/shop', 'web', 20)
        figures += memory_figures(grid, '20 instances')
        pids = {'agent': grid.agents()['h1'], 'controller': grid.controller_pid()}
        time.sleep(2)  # what the start left to do
        seconds = 10 if quick else 20
        before = {name: cpu_s(pid) for name, pid in pids.items()}
        begin = time.monotonic()
        time.sleep(seconds)
        for name, pid in pids.items():
            share = (cpu_s(pid) - before[name]) / (time.monotonic() - begin) * 100
            figures.append(Figure(f'{name}: idle with 20 instances', '% of a core', [share], median_max=0.5))
    return figures, ['Rss counts pages of shared libraries in every process that maps them, Pss divides them, '
                     'Anonymous leaves them out.']


def memory_figures(grid, when):
    figures = []
    for name, pid in (('agent', grid.agents()['h1']), ('controller', grid.controller_pid())):
        rss, pss, anonymous = memory_kib(pid)
        bar = {'median_max': 10} if name == 'agent' else {}
        figures += [Figure(f'{name}, {when}: anonymous', 'MiB', [anonymous / 1024], **bar),
                    Figure(f'{name}, {when}: Pss', 'MiB', [pss / 1024]),
                    Figure(f'{name}, {when}: Rss', 'MiB', [rss / 1024])]
    return figures


def row_measure(quick):
    """what it costs to measure 50 instances, of which 5 are balancers with 100 requests a second each"""
    rounds, with_ms, without_ms = 1 if quick else 3, {'agent': [], 'balancers': []}, {'agent': [], 'balancers': []}
    for _ in range(rounds):
        for words, costs in ({}, with_ms), ({'CROFT_MEASURE': 'no'}, without_ms):
            with unittest.mock.patch.dict(os.environ, words):
                for name, share in measured(10 if quick else 20).items():
                    costs[name].append(share)
    more = [measured - plain for measured, plain in zip(with_ms['agent'], without_ms['agent'])]
    return [Figure('measuring 50 instances, 500 requests a second: agent', '% of a core', more, median_max=1),
            *(Figure(f'- {name} in all', '% of a core', with_ms[name], 'the same, not measured', without_ms[name])
              for name in with_ms)], []


def measured(seconds):
    """Shares of a core, in per cent, that the agent and its balancers used under a steady load."""
    with Grid('measure', 1, capacity='cpus=64,memory=64Gi,disk=400Gi,network=10G') as grid:
        grid.apply(party('acme'), *(farm(f'f{i}', 'acme', 9, grid.publish + i) for i in range(5)))
        for i in range(5):
            grid.farm_ready(f'acme/f{i}', 'web', 9)
            wait_until('the balancer serves', lambda i=i: fetch(grid.publish + i))
        pids = {'agent': [grid.agents()['h1']], 'balancers': balancers(grid)}
        stop = threading.Event()
        callers = [threading.Thread(target=ask_steadily, args=(grid.publish + i, stop)) for i in range(5)]
        for caller in callers:
            caller.start()
        time.sleep(5)  # what the start left to do
        before, begin = {name: sum(map(cpu_s, each)) for name, each in pids.items()}, time.monotonic()
        time.sleep(seconds)
        shares = {name: (sum(map(cpu_s, each)) - before[name]) / (time.monotonic() - begin) * 100
                  for name, each in pids.items()}
        stop.set()
        for caller in callers:
            caller.join()
    return shares


def balancers(grid):
    """HAProxy's processes below the grid's hosts."""
    parents, found = {}, []
    for entry in filter(str.isdigit, os.listdir('/proc')):
        try:
            text = pathlib.Path('/proc', entry, 'stat').read_text()
        except OSError:
            continue
        parents[int(entry)] = int(text[text.rindex(')') + 2:].split()[1])
        if '(haproxy)' in text:
            found.append(int(entry))
    roots = {int(host['pid']) for host in grid.api.items('hosts').values()}

    def below(pid):
        return pid in roots or (pid in parents and below(parents[pid]))
    return [pid for pid in found if below(pid)]


def ask_steadily(port, stop):
    """A hundred requests a second over one connection."""
    connection, due = http.client.HTTPConnection('127.0.0.1', port, timeout=10), time.monotonic()
    while not stop.is_set():
        connection.request('GET', '/')
        connection.getresponse().read()
        due += 0.01
        stop.wait(max(0, due - time.monotonic()))
    connection.close()


def row_get(quick):
    """9: croft get instances of ten thousand instances, as a whole process"""
    runs = 5 if quick else 20
    state, port = f'/tmp/bench-{os.getpid()}-get', PORT_FIRST
    controller = None
    try:
        controller = fill(state, port)
        arguments = ['--server', f'http://127.0.0.1:{port}', '--token', token(state)]
        took_ms = {'table': [], 'json': []}
        limit_ms = []
        for i in range(runs + 1):
            for form, values in took_ms.items():
                values += timed([CROFT, 'get', 'instances', '-o', form, *arguments], 10000)[:i]
            limit_ms += timed(['sqlite3', f'{state}/copy.db', QUERY],
                              10000)[:i]
    finally:
        end(controller)
        shutil.rmtree(state, ignore_errors=True)
    return [Figure(f'get instances of 10,000, {form}', 'ms', values, 'sqlite3 prints the same rows', limit_ms,
                   median_max=100) for form, values in took_ms.items()], []


def row_bill(quick):
    """a year's bill of ten thousand instances, as a whole process; and of instances that were replaced each month"""
    runs, found = 3 if quick else 10, []
    for lives, of in ((1, 'bill of a year of 10,000 instances'), (12, '- each replaced every month: 600,000 rows')):
        state, port = f'/tmp/bench-{os.getpid()}-bill', PORT_FIRST
        controller = None
        try:
            end(start(state, port))
            run(RECORDS, f'{state}/store.db', 'year', 10000, lives)
            controller = start(state, port)
            command = [CROFT, 'bill', '--from', '2025-01', '--to', '2026-01', '--server', f'http://127.0.0.1:{port}',
                       '--token', token(state)]
            took_ms = []
            for i in range(runs + 1):
                begin = time.perf_counter()
                said = run(*command)  # fails when the bill does not prove itself
                took_ms += [(time.perf_counter() - begin) * 1000][:i]
            if ', to the millisecond' not in said or 'acme owes' not in said:
                raise Failure('the bill says nothing')
        finally:
            end(controller)
            shutil.rmtree(state, ignore_errors=True)
        found.append(Figure(of, 'ms', took_ms, median_max=2000))
    return found, []


def fill(state, port):
    """The controller itself places ten thousand; nothing but their state is written by another hand."""
    store = f'{state}/store.db'
    controller = start(state, port)
    end(controller)
    run(RECORDS, store, 'hosts', 100)
    controller = start(state, port)
    api = Api(port, token(state))
    root = make_root(f'{state}/image')
    run(CROFT, 'image', 'import', 'bench:1', root, '--server', f'http://127.0.0.1:{port}', '--token', token(state))
    # At once: hosts that never beat are suspected after some seconds, and get no instance any more.
    api.ask('POST', 'apply', '\n---\n'.join(json.dumps(document) for document in [party('acme')] + [
        farm(f'shop{i}', 'acme', 20) for i in range(500)]))
    try:
        wait_until('10,000 instances have hosts', lambda: sum(
            1 for item in api.items('instances').values() if item['host']) == 10000, limit_s=20)
    finally:
        end(controller)
    run(RECORDS, store, 'running')
    shutil.copy(store, f'{state}/copy.db')
    return start(state, port)


def start(state, port):
    controller = subprocess.Popen([CROFT, 'controller', '--state', state, '--listen', f'127.0.0.1:{port}',
                                  '--agents', f'127.0.0.1:{port + 1}'],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until('the controller answers', lambda: answers(controller, state, port), limit_s=30)
    except Failure:
        end(controller)
        raise
    return controller


def answers(controller, state, port):
    if controller.poll() is not None:
        raise Failure(f'the controller ended with {controller.returncode}')
    try:
        return Api(port, token(state)).ask('GET', 'version')
    except OSError:
        return None


def end(controller):
    if controller and controller.poll() is None:
        controller.send_signal(signal.SIGTERM)
        controller.wait(30)


def token(state):
    with open(f'{state}/landlord.token') as file:
        return file.read().strip()


def timed(command, wanted):
    """[milliseconds] of the whole process, which has to tell of so many instances."""
    begin = time.perf_counter()
    output = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, check=True).stdout
    took_ms = (time.perf_counter() - begin) * 1000
    if output.count(b'acme/shop') < wanted:
        raise Failure(f'{command[1]}: only {output.count(b"acme/shop")} of {wanted} instances')
    return [took_ms]
