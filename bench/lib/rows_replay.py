"""Rows of sizing by load: croft's policy on a week of demand, beside what others would do."""

import os
import pathlib

from figures import Figure
from rows_plan import asked

TRACE = os.environ.get('CROFT_REPLAY_TRACE', '')
FARMS = pathlib.Path(__file__).resolve().parents[2] / 'examples/week/farms.yaml'


def replay(policy, *more):
    answer, took = asked('replay', '--trace', TRACE, '--farms', FARMS, '--hosts', 100, '--policy', policy, *more)
    return answer['total'], took


def bad(total):
    return total['late_requests'] + total['refused_requests']


def row_replay(quick):
    """a week of three tenants: hours, late and refused requests by policy (CROFT_REPLAY_TRACE names the trace)"""
    if not TRACE:
        return [], ['replay: left out: say in CROFT_REPLAY_TRACE where a trace of the farms of examples/week is']
    (croft, took), (target, _), (static, _), (oracle, _) = map(replay, ('croft', 'target', 'static', 'oracle'))
    as_late, _ = replay('oracle', '--late', bad(croft))
    hours = 'server_hours'
    return [
        Figure('late and refused in violation minutes', 'requests', [croft['violation_requests']], 'target',
               [target['violation_requests']], ratio_max=0.1),
        Figure('- late and refused, all', 'requests', [bad(croft)], 'target', [bad(target)], ratio_max=0.1),
        Figure('- violation minutes', '', [croft['violation_minutes']], 'target', [target['violation_minutes']], ratio_max=0.1),
        Figure('server hours', 'h', [croft[hours]], 'target', [target[hours]], ratio_max=1),
        Figure('server hours', 'h', [croft[hours]], 'static', [static[hours]], ratio_max=0.4),
        Figure('server hours', 'h', [croft[hours]], 'oracle, as many late', [as_late[hours]], ratio_max=1.15),
        Figure('- of the oracle as the targets say', 'h', [croft[hours]], 'oracle', [oracle[hours]]),
        Figure('- time of the replay', 's', [took]),
    ], [f'replay: the oracle as many late has {bad(as_late):,} late or refused, croft {bad(croft):,}.']
