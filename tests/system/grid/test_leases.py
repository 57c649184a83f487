#!/usr/bin/python3
"""System test: the four tiers of tenancy.md, and leases that end. usage: test_leases.py CROFT

The owner of the computers (landlord) leases them to who runs the hardware (ho), who leases on to who runs the software (so),
who leases back to the business as user. Each does exactly what is theirs; the owner severs.
"""

import datetime
import json
import os
import pathlib
import pty
import subprocess
import sys

from grid import Grid, Load, Tap, answers, equal, needs_root, wait_until

tap = Tap()


def token(grid, party, console=None, by=None):
    made = grid.do('token', 'create', f'{party}-{console or "all"}', '--party', party, *(['--console', console] if console else []),
                   token=by)
    return made.strip()


def four_tiers(grid):
    """Everybody's desk."""
    for name in ('x0', 'x1', 'x2', 'user', 'so', 'ho'):  # of the case before, from below
        grid.api('DELETE', f'/v1/parties/{name}')
    grid.apply('{kind: Party, name: ho}\n---\n{kind: Party, name: so, parent: ho}\n---\n{kind: Party, name: user, parent: so}\n')
    grid.do('lease', 'grant', '--to', 'ho', '--from', 'landlord', '--name', 'hardware', '--cpus', '8', '--memory', '16Gi',
            '--rights', 'hardware,software,develop,lease,read')
    desks = {'owner': grid.token, 'ho': token(grid, 'ho', 'hardware')}
    grid.do('lease', 'grant', '--to', 'so', '--name', 'software', '--cpus', '4', '--rights', 'software,develop,lease,read',
            token=desks['ho'])
    desks['so'] = token(grid, 'so', 'software')
    grid.do('lease', 'grant', '--to', 'user', '--name', 'use', '--rights', 'develop,read', token=desks['so'])
    desks['user'] = token(grid, 'user', 'development')
    return desks


def shop(grid, address, **changes):
    """Without its party, which is there."""
    return grid.farm('shop', address, party='user', web={'env': {'GREETING': 'secret'}, **changes}).split('\n')[1]


def done(grid, who, *arguments, stdin=None):
    """What happens when one of them does it: 'done', 'denied', 'not there' or how it failed."""
    result = grid.cli(*arguments, token=who, stdin=stdin)
    if result.returncode == 0:
        return 'done'
    if 'takes the right' in result.stderr or 'has not that itself' in result.stderr or 'nothing else of it' in result.stderr:
        return 'denied'
    return 'not there' if result.returncode == 3 else result.stderr.strip()


@tap.case('four tiers: each does exactly what is theirs')
def tiers(grid):
    desks = four_tiers(grid)
    grid.import_image('hello:2', 'two')
    address = grid.publish()
    changed = shop(grid, address, count=3)
    version = shop(grid, address, count=2, image='hello:2')
    wanted = {  # what is done: by the owner, ho, so, the user
        'apply farm': ('done', 'denied', 'done', 'denied'),
        'drain': ('done', 'done', 'denied', 'denied'),
        'activate': ('done', 'done', 'denied', 'denied'),
        'see hosts': (4, 4, 0, 0),
        'see farms': (1, 1, 1, 1),
        'see inside': (True, False, True, True),
        'exec': ('done', 'denied', 'done', 'denied'),
        'logs': ('done', 'denied', 'done', 'denied'),
        'scale': ('done', 'denied', 'done', 'denied'),
        'change farm': ('done', 'denied', 'done', 'denied'),
        'name a version': ('done', 'denied', 'done', 'done'),
        'a party below so': ('done', 'done', 'done', 'denied'),
        'a token for so': ('done', 'denied', 'done', 'denied'),
    }
    found = {what: [] for what in wanted}
    for who, desk in desks.items():
        found['apply farm'].append(done(grid, desk, 'apply', '-f', '-', stdin=shop(grid, address, count=1 if who == 'user' else 2)))
    grid.wait_ready('user/shop')
    one = [item['name'] for item in grid.instances('user/shop', 'web')][0]
    for number, (who, desk) in enumerate(desks.items()):
        listed = json.loads(grid.do('get', 'farms', '-o', 'json', token=desk))
        found['see farms'].append(len(listed))
        found['see inside'].append('secret' in grid.api('GET', '/v1/farms/user/shop', token=desk).text)
        hosts = grid.cli('get', 'hosts', '-o', 'json', token=desk)
        found['see hosts'].append(len(json.loads(hosts.stdout)))
        found['drain'].append(done(grid, desk, 'drain', 'h4'))
        found['activate'].append(done(grid, desk, 'activate', 'h4'))
        found['exec'].append(done(grid, desk, 'exec', one, '--', 'true'))
        found['logs'].append(done(grid, desk, 'logs', one))
        found['scale'].append(done(grid, desk, 'scale', 'user/shop', 'web', '1' if number == 3 else '2'))
        found['change farm'].append(done(grid, desk, 'apply', '-f', '-', stdin=changed))
        if who in ('owner', 'so'):
            grid.do('scale', 'user/shop', 'web', '2')
        found['a party below so'].append(done(grid, desk, 'apply', '-f', '-', stdin=f'{{kind: Party, name: x{number}, parent: so}}'))
        found['a token for so'].append(done(grid, desk, 'token', 'create', f'extra{number}', '--party', 'so', '--console', 'software'))
    for desk in desks.values():
        found['name a version'].append(done(grid, desk, 'apply', '-f', '-', stdin=version))
        grid.apply(shop(grid, address, count=2))
    for what, answer in wanted.items():
        equal(tuple(found[what]), answer, what)
    who = {event['who']: event.get('right') for event in grid.events('user/shop')}
    equal((who.get('so/so-software'), who.get('user/user-development')), ('software', 'develop'), 'the log says by which right')
    assert any(event['what'] == 'denied' and event['who'] == 'user/user-development' for event in grid.events('user')), 'refusals, too'
    listed = grid.do('events', token=desks['so'])
    assert 'so/so-software by software' in listed, listed


@tap.case('nobody gives more than he has, in any measure')
def shrink(grid):
    desks = four_tiers(grid)
    soon = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=2)).strftime('%Y-%m-%d')
    later = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=9)).strftime('%Y-%m-%d')
    grid.do('lease', 'grant', '--to', 'ho', '--from', 'landlord', '--name', 'hardware', '--cpus', '8', '--until', soon, '--rights',
            'hardware,software,develop,lease,read')
    for arguments, part in (
            (['--rights', 'software', '--cpus', '9'], 'capacity.cpus: party ho cannot give 9 cpus: it holds 8'),
            (['--rights', 'software', '--until', later], f'until: party ho cannot give it until {later}'),
            (['--rights', 'software', '--until', '2020-01-01'], 'is past'),
            (['--rights', 'software,fly'], 'expected hardware, software, develop, lease or read')):
        result = grid.cli('lease', 'grant', '--to', 'so', '--name', 'more', *arguments, token=desks['ho'])
        assert result.returncode == 1 and part in result.stderr, result
    result = grid.cli('lease', 'grant', '--to', 'user', '--name', 'more', '--rights', 'hardware', token=desks['so'])
    assert result.returncode == 1 and 'party so cannot give hardware: it holds software, develop, lease, read' in result.stderr, result
    # So many cores as the lease gives, for all below it.
    result = grid.cli('apply', '-f', '-', stdin=shop(grid, grid.publish(), count=9, size={'cpus': 0.5, 'memory': '32Mi', 'disk': '16Mi'}))
    assert result.returncode == 1 and 'party so would use 5 cpus, its leases give 4' in result.stderr, result


def left_of(grid, party):
    """What hosts hold that is named after something of the party's farms: in their state, and where instances are."""
    places = [pathlib.Path(grid.state)] + [pathlib.Path(f'/proc/{host["pid"]}/root/run') for host in grid.get('hosts')]
    return [str(path) for place in places for path in place.rglob('*') if f'{party}' in path.name and 'shop' in path.name]


@tap.case('the owner severs: what ran is gone and wiped, and nobody else notices')
def severs(grid):
    four_tiers(grid)
    mine, other = grid.publish(), grid.publish()
    grid.apply(shop(grid, mine, count=2), wait=True)
    grid.apply(grid.farm('other', other, party='beta'), wait=True)
    wait_until('both serve', lambda: answers(mine) and answers(other))
    assert left_of(grid, 'user'), 'files of the instances are found while they run'
    before = grid.instances('beta/other')
    documents = {item['name']: item['document_version'] for item in grid.get('hosts')}
    held = {item['host'] for item in grid.instances('user/shop')}
    foretold = json.loads(grid.do('whatif', '--end', 'lease/software', '-o', 'json'))
    ran = grid.instances('user/shop')
    equal((foretold['ended_leases'], foretold['instances']['removed'], foretold['moves'], foretold['lost']),
          (['software'], len(ran), [], []), 'what is foretold')
    equal([(farm['name'], farm['state_after']) for farm in foretold['farms']], [('user/shop', 'stopped')], 'farms')
    assert foretold['freed']['cpus'] > 0 and foretold['freed']['memory_bytes'] > 0, foretold['freed']
    with Load(other) as load:
        grid.do('lease', 'end', 'software', '--reason', 'the contract is over', '--yes')
        wait_until('all is gone', lambda: not grid.instances('user/shop'))
        grid.wait_farm('user/shop', 'stopped')
        load.lost_nothing()
    farm = grid.get('farms', 'user/shop')
    equal(farm['reason'], 'repossessed: lease software of party so from ho ended: by landlord: the contract is over')
    equal(farm['endpoints'], [], 'published')
    assert answers(mine) is None, 'nothing answers there any more'
    equal(left_of(grid, 'user'), [], 'of the wiped instances')
    after = grid.instances('beta/other')
    equal(after, before, 'the other party')
    untouched = {item['name'] for item in grid.get('hosts')} - held - {item['host'] for item in after}
    for item in grid.get('hosts'):
        if item['name'] in untouched:
            equal(item['document_version'], documents[item['name']], f'the document of {item["name"]}')
    refused = grid.cli('apply', '-f', '-', stdin=grid.farm('new', party='user').split('\n')[1])
    assert refused.returncode == 1 and 'party user may run nothing' in refused.stderr, refused
    explained = grid.do('explain', 'user/shop')
    assert 'repossessed' in explained and 'the contract is over' in explained, explained
    # The way back: another lease.
    grid.do('lease', 'grant', '--to', 'so', '--rights', 'software,develop,lease,read')
    grid.wait_ready('user/shop')
    wait_until('it serves again', lambda: answers(grid.get('farms', 'user/shop')['endpoints'][0]['address']))
    listed = grid.do('lease', 'list')
    assert 'ended' in listed and 'by landlord: the contract is over' in listed, listed


@tap.case('a lease ends by its date, while the controller is dead')
def date(grid):
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=12)
    grid.apply('{kind: Party, name: guest}\n')
    grid.do('lease', 'grant', '--to', 'guest', '--rights', 'software,read', '--until', until.strftime('%Y-%m-%dT%H:%M:%SZ'))
    grid.apply(grid.farm('shop', party='guest').split('\n')[1], wait=True)
    os.kill(grid.controller_pid(), 9)
    wait_until('the controller is back', lambda: grid.cli('get', 'farms').returncode == 0)
    grid.wait_farm('guest/shop', 'stopped')
    equal(grid.get('leases', 'guest')['state'], 'ended')
    assert 'its time was over at' in grid.get('leases', 'guest')['reason']


@tap.case('on a terminal, ending asks and says what is lost')
def asks(grid):
    grid.apply('{kind: Party, name: guest}\n')
    grid.do('lease', 'grant', '--to', 'guest', '--rights', 'software,read')
    grid.apply(grid.farm('shop', party='guest').split('\n')[1], wait=True)
    for word, state in (('no', 'active'), ('guest', 'ended')):
        main, terminal = pty.openpty()
        process = subprocess.Popen([grid.croft, 'lease', 'end', 'guest'], stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, env=dict(os.environ, CROFT_SERVER=f'http://{grid.address}', CROFT_TOKEN=grid.token))
        os.write(main, f'{word}\n'.encode())
        _, told = process.communicate(timeout=30)
        os.close(main)
        os.close(terminal)
        assert 'stopped and wiped: 2 instances' in told and 'type its name' in told, told
        equal(process.returncode, 0 if state == 'ended' else 1, told)
        equal(grid.get('leases', 'guest')['state'], state)


if __name__ == '__main__':
    needs_root()
    sys.exit(tap.run(Grid(sys.argv[1], hosts=4, racks=2)))
