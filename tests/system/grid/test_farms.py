#!/usr/bin/python3
"""System test: farms come, serve, grow, roll, move and go. usage: test_farms.py CROFT"""

import re
import sys
import tarfile

from grid import Grid, Load, Tap, answers, equal, make_layer, needs_root, wait_until

tap = Tap()


def running(grid, farm, tier='web'):
    return [item for item in grid.instances(farm, tier) if item['state'] == 'running' and not item['warm']]


def reached(address, count):
    """Who answers so many requests, each over a connection of its own."""
    return {(answers(address) or 'nobody').split(' ')[0] for _ in range(count)}


def zones(items):
    return {item['zone'] for item in items}


@tap.case('a farm comes up behind its balancer, spread over racks')
def serves(grid):
    address = grid.publish()
    lines = grid.apply(grid.farm('shop', address, web={'env': {'GREETING': 'hello'}}), wait=True).split('\n')
    assert 'party acme created' in lines and 'farm acme/shop created' in lines, lines
    equal(reached(address, 2), {'web-1', 'web-2'}, 'who is reached as soon as the farm is ready')
    equal(grid.get('farms', 'acme/shop')['state'], 'ready')
    web = grid.instances('acme/shop', 'web')
    equal(len(web), 2)
    equal(len(zones(web)), 2, 'racks of the web tier')
    equal({tier['name']: (tier['wanted'], tier['running']) for tier in grid.get('farms', 'acme/shop')['tiers']}['web'], (2, 2))
    equal(grid.get('farms', 'acme/shop')['endpoints'], [{'name': 'www', 'address': address}], 'endpoints')
    seen = {answers(address) for _ in range(20)}
    equal({text.strip() for text in seen if text}, {'web-1 one hello', 'web-2 one hello'}, 'who answers')
    assert 'farm acme/shop unchanged' in grid.apply(grid.farm('shop', address, web={'env': {'GREETING': 'hello'}}))
    grid.no_twins()


@tap.case('instances and tiers have names inside their farm')
def names(grid):
    grid.apply(grid.farm('shop', grid.publish()), wait=True)
    addresses = {item['name'].split('/')[-1]: item['address'] for item in grid.instances('acme/shop')}
    for host in 'web-1', 'web-2', 'balance-1':
        status, text = grid.exec('acme/shop/web-1', '/bin/nslookup', host)
        assert status == 0 and f'Address: {addresses[host]}' in text, f'{host}: {text}'
    status, text = grid.exec('acme/shop/web-2', '/bin/nslookup', 'web')
    assert status == 0 and all(f'Address: {addresses[name]}' in text for name in ('web-1', 'web-2')), text
    status, _ = grid.exec('acme/shop/web-1', '/bin/nslookup', 'nobody')
    assert status != 0
    equal(grid.shell('acme/shop/web-1', 'hostname; exit 7'), (7, 'web-1\n'), 'exec')


@tap.case('tenants with the same subnet see their own farm only')
def tenants(grid):
    addresses = {}
    for party in 'acme', 'brio', 'cova':
        addresses[party] = grid.publish()
        grid.apply(grid.farm('shop', addresses[party], party=party, web={'env': {'GREETING': party}}))
    for party in addresses:
        grid.wait_ready(f'{party}/shop')
    inside = {party: {item['address'] for item in grid.instances(f'{party}/shop')} for party in addresses}
    assert inside['acme'] & inside['brio'] & inside['cova'], f'addresses should overlap: {inside}'
    for party, address in addresses.items():
        seen = {(answers(address) or 'none').split()[-1] for _ in range(10)}
        equal(seen, {party}, f'who answers at {party}')
        web = {item['name']: item['address'] for item in grid.instances(f'{party}/shop', 'web')}
        # web-1 asks its sister of the same farm by address: only the balancer is let in, nobody else.
        status, text = grid.shell(f'{party}/shop/web-1', f'wget -q -O - http://{web[f"{party}/shop/web-1"]}:8080/cgi-bin/who 2>&1')
        assert status == 0, text
        equal((status, text.split()[-1]), (0, party), 'asking itself')


@tap.case('scaling up and down under load loses no request')
def scale(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address), wait=True)
    with Load(address) as load:
        grid.do('scale', 'acme/shop', 'web', '5')
        wait_until('five run', lambda: len(running(grid, 'acme/shop')) == 5)
        grid.wait_ready('acme/shop')
        wait_until('all five answer', lambda: len(load.seen) >= 5)
        grid.do('scale', 'acme/shop', 'web', '2')
        wait_until('two are left', lambda: len(grid.instances('acme/shop', 'web')) == 2)
        grid.wait_ready('acme/shop')
        grid.do('scale', 'acme/shop', 'web', '4')
        wait_until('four run', lambda: len(running(grid, 'acme/shop')) == 4)
        load.lost_nothing()
    assert max(int(item['name'].rsplit('-', 1)[1]) for item in grid.instances('acme/shop', 'web')) == 7, 'numbers are not reused'


@tap.case('ready means that each member is reached, after each change')
def ready(grid):
    address = grid.publish()
    for count in 1, 6, 2, 5, 3, 9, 4:
        grid.apply(grid.farm('shop', address, web={'count': count}), wait=True)
        names = {item['name'].rsplit('/', 1)[1] for item in running(grid, 'acme/shop')}
        equal(len(names), count)
        equal(reached(address, count), names, f'members reached of {count}')


@tap.case('warm instances wait at the door and are let in on demand')
def warm(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address, web={'count': {'committed': 2, 'max': 4}, 'warm': 2}), wait=True)

    def at_the_door():
        return sorted(item['name'] for item in grid.instances('acme/shop', 'web') if item['warm'])
    wait_until('two are warm', lambda: len(at_the_door()) == 2)
    wait_until('they are held', lambda: all(item['state'] == 'running' and item['health'] == 'good'
                                            for item in grid.instances('acme/shop', 'web')))
    waiting = at_the_door()
    seen = {(answers(address) or '').split(' ')[0] for _ in range(20)}
    equal(seen & {name.rsplit('/', 1)[1] for name in waiting}, set(), 'who is warm and answers')
    before = {name: grid.instance(name)['incarnation'] for name in waiting}
    with Load(address) as load:
        grid.do('scale', 'acme/shop', 'web', '3')
        wait_until('one was let in', lambda: len([name for name in waiting if not (grid.instance(name) or {'warm': 1})['warm']]) == 1)
        let_in = [name for name in waiting if not grid.instance(name)['warm']][0]
        equal(grid.instance(let_in)['incarnation'], before[let_in], 'it is the same one')
        wait_until('it answers', lambda: any(text.startswith(let_in.rsplit('/', 1)[1] + ' ') for text in load.seen))
        wait_until('another one is warm', lambda: len(at_the_door()) == 2)
        load.lost_nothing()


@tap.case('a drained host is left, an active one taken again, without a lost request')
def drain(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address, web={'count': 4, 'spread': 'host'}), wait=True)
    balancer = grid.instances('acme/shop', 'balance')[0]['host']
    web = [item['host'] for item in grid.instances('acme/shop', 'web') if item['host'] != balancer]
    with Load(address) as load:
        grid.do('drain', web[0])
        wait_until('nothing is on it', lambda: not [item for item in grid.get('instances') if item['host'] == web[0]])
        wait_until('it says so', lambda: grid.host(web[0])['state'] == 'draining')
        grid.wait_ready('acme/shop')
        equal(len(running(grid, 'acme/shop')), 4)
        grid.do('activate', web[0])
        wait_until('it is up', lambda: grid.host(web[0])['state'] == 'up')
        load.lost_nothing()
    grid.no_twins()


@tap.case('move puts an instance where it is told, and says no where it cannot')
def move(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address), wait=True)
    free = sorted({host['name'] for host in grid.get('hosts')} - {item['host'] for item in grid.instances('acme/shop')})
    with Load(address) as load:
        grid.do('move', 'acme/shop/web-1', free[0])
        wait_until('it runs there', lambda: (grid.instance('acme/shop/web-1') or {}).get('host') == free[0] and
                   grid.instance('acme/shop/web-1')['health'] == 'good')
        grid.wait_ready('acme/shop')
        grid.no_twins()
        load.lost_nothing()
    result = grid.cli('move', 'acme/shop/web-1', 'h99')
    assert result.returncode == 3 and 'h99' in result.stderr, result
    result = grid.cli('move', 'acme/shop/web-1', free[0])
    assert result.returncode == 1 and 'already' in result.stderr, result


@tap.case('a host is switched off and on again by order; its instances run elsewhere meanwhile')
def power(grid):
    grid.apply(grid.farm('shop', grid.publish(), web={'count': 3}), wait=True)
    host = grid.instances('acme/shop', 'web')[0]['host']
    names_before = sorted(item['name'] for item in grid.instances('acme/shop'))
    grid.do('power', host, 'off')
    wait_until('off', lambda: grid.host(host)['state'] == 'off')
    wait_until('all run elsewhere', lambda: all(item['host'] != host and item['state'] == 'running' for item in
                                                grid.instances('acme/shop')))
    grid.wait_ready('acme/shop')
    equal(sorted(item['name'] for item in grid.instances('acme/shop')), names_before, 'same names')
    grid.do('power', host, 'on')
    wait_until('up', lambda: grid.host(host)['state'] == 'up')
    grid.do('power', host, 'cycle')
    wait_until('up again', lambda: grid.host(host)['state'] == 'up')
    grid.wait_ready('acme/shop')
    grid.no_twins()


@tap.case('delete --wait leaves nothing of a farm')
def delete(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address, web={'warm': 1}), wait=True)
    grid.note_processes()
    grid.do('delete', 'farm', 'acme/shop', '--wait')
    equal(grid.get('farms', 'acme/shop'), None)
    equal(grid.instances('acme/shop'), [])
    equal(grid.copies(), {}, 'processes of instances')
    wait_until('no zombie is left', lambda: grid.zombies() == [])
    equal(answers(address), None)
    result = grid.cli('delete', 'farm', 'acme/shop')
    equal(result.returncode, 3, f'{result}')


@tap.case('a stopped farm is stopped, a started one serves again')
def stop(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address), wait=True)
    grid.apply(grid.farm('shop', address, state='stopped'))
    grid.wait_farm('acme/shop', 'stopped')
    equal(grid.copies(), {}, 'processes of instances')
    equal(answers(address), None)
    grid.apply(grid.farm('shop', address))
    grid.wait_ready('acme/shop')
    wait_until('it answers', lambda: answers(address))


@tap.case('a new image rolls out under load without a lost request')
def roll(grid):
    address = grid.publish()
    grid.import_image('roll:1', 'old')
    grid.apply(grid.farm('shop', address, web={'image': 'roll:1', 'count': 3}), wait=True)
    with Load(address) as load:
        grid.import_image('roll:1', 'new')
        wait_until('all are new', lambda: {item['digest'] for item in grid.instances('acme/shop', 'web')} ==
                   {[image for image in grid.get('images') if image['name'] == 'roll:1'][0]['digest']})
        grid.wait_ready('acme/shop')
        load.seen.clear()
        load.lost_nothing()
        equal({text.split()[1] for text in load.seen}, {'new'}, 'what answers')
    equal(len(running(grid, 'acme/shop')), 3)
    grid.no_twins()


@tap.case('a new form that does not work stops at the first instance; the service goes on and can go back')
def bad_roll(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address, web={'count': 3}), wait=True)
    old = {item['name'] for item in grid.instances('acme/shop', 'web')}
    with Load(address) as load:
        grid.apply(grid.farm('shop', address, web={'count': 3, 'command': ['/bin/sh', '-c', 'exit 9']}))
        wait_until('one fails', lambda: any('exited with 9' in item['reason'] for item in grid.instances('acme/shop', 'web')))
        load.more(200)
        wait_until('it has failed again and again', lambda: max(item['restarts'] for item in grid.instances('acme/shop', 'web')) >= 4)
        good = [item['name'] for item in grid.instances('acme/shop', 'web') if item['health'] == 'good']
        assert len(good) >= 2 and set(good) <= old, good
        grid.apply(grid.farm('shop', address, web={'count': 3}))
        wait_until('three are good', lambda: len([item for item in grid.instances('acme/shop', 'web') if item['health'] == 'good']) == 3)
        grid.wait_ready('acme/shop')
        load.lost_nothing()
    grid.no_twins()


@tap.case('images come from directories and tars by the command line too')
def images(grid):
    import os
    path = os.path.join(grid.state, 'layer.tar')
    with open(path, 'wb') as file:
        file.write(make_layer('by-hand'))
    text = grid.do('image', 'import', 'hand:1', path)
    assert 'hand:1' in text, text
    directory = os.path.join(grid.state, 'root')
    with tarfile.open(path) as tar:
        tar.extractall(directory)
    grid.do('apply', '-f', '-', stdin='{kind: Party, name: acme}')
    grid.do('image', 'import', 'own:1', directory, '--party', 'acme')
    command = ['/bin/httpd', '-f', '-p', '8080', '-h', '/www']
    for image in 'hand:1', 'own:1':
        address = grid.publish()
        grid.apply(grid.farm('shop', address, web={'image': image, 'command': command}), wait=True)
        wait_until(f'{image} answers', lambda: (answers(address) or '').split(' ')[1:2] == ['by-hand'])
    # A party's image is its own.
    result = grid.cli('apply', '-f', '-', stdin=grid.farm('shop', party='brio', web={'image': 'own:1', 'command': command}))
    assert result.returncode == 1 and 'own:1' in result.stderr, result
    result = grid.cli('image', 'remove', 'acme/own:1')
    assert result.returncode == 1 and 'acme/shop' in result.stderr, result
    grid.do('delete', 'farm', 'acme/shop', '--wait')
    for image in 'landlord/hand:1', 'acme/own:1':
        grid.do('image', 'remove', image)
    assert not {'hand:1', 'own:1'} & {item['name'].split('/')[-1] for item in grid.get('images')}


@tap.case('many instances come and go')
def many(grid):
    address = grid.publish()
    grid.apply(grid.farm('shop', address, web={'count': 40, 'size': {'cpus': 0.05, 'memory': '16Mi', 'disk': '4Mi'}}), wait=True)
    equal(len(reached(address, 40)), 40, 'members reached as soon as the farm is ready')
    equal(len(running(grid, 'acme/shop')), 40)
    equal(len({item['address'] for item in grid.instances('acme/shop')}), 41, 'addresses')
    with Load(address) as load:
        grid.do('scale', 'acme/shop', 'web', '3')
        wait_until('three are left', lambda: len(grid.instances('acme/shop', 'web')) == 3)
        grid.wait_ready('acme/shop')
        load.lost_nothing()
    grid.no_twins()


@tap.case('many farms come and go at once, and no host leaves up meanwhile')
def many_farms(grid):
    names = [f'many-{number}' for number in range(64)]
    small = {'count': 1, 'size': {'cpus': 0.05, 'memory': '16Mi', 'disk': '4Mi'}}
    before = len(grid.events())
    party = grid.farm('', web=small).split('\n', maxsplit=1)[0]
    grid.apply('\n'.join([party] + [grid.farm(name, web=small).split('\n')[1] for name in names]), wait=True)
    equal({grid.get('farms', f'acme/{name}')['state'] for name in names}, {'ready'}, 'farms')
    for name in names:
        equal(grid.api('DELETE', f'/v1/farms/acme/{name}').status, 200)
    wait_until('all are gone', lambda: not [item for item in grid.get('instances') if item['farm'].startswith('acme/many-')])
    told = [item for item in grid.events()[before:] if item['kind'] == 'host']
    equal([(item['name'], item['what'], item['reason']) for item in told], [], 'what is told of hosts')


@tap.case('an instance that crashes again and again is failed, rests, and says why')
def crash(grid):
    grid.apply(grid.farm('shop', web={'count': 1, 'command': ['/bin/sh', '-c', 'exit 3'], 'health': {'exec': ['/bin/true']}}))

    def item():
        return grid.instances('acme/shop', 'web')[0]
    wait_until('it crashed some times', lambda: item()['restarts'] >= 3)
    wait_until('it is failed', lambda: item()['state'] == 'failed' and 'exited with 3' in item()['reason'])
    # How long it waits before the next try is part of the reason.
    wait_until('it says when it tries again', lambda: re.search(r'try \d+ in [\d.]+ s', item()['reason']))
    grid.wait_farm('acme/shop', 'degraded')
    assert 'exited with 3' in grid.get('farms', 'acme/shop')['reason'], grid.get('farms', 'acme/shop')


@tap.case('what cannot be is refused, or waits and says why with numbers')
def refusals(grid):
    result = grid.cli('apply', '-f', '-', stdin=grid.farm('shop', web={'image': 'helo:1'}))
    assert result.returncode == 1 and 'helo:1' in result.stderr and result.stderr.count('\n') == 1, result
    equal(grid.get('farms', 'acme/shop'), None, 'nothing of a refused file is applied')
    # Too big for any host: it waits, with the numbers.
    grid.apply(grid.farm('big', web={'count': 1, 'size': {'cpus': 64, 'memory': '32Mi', 'disk': '16Mi'}}))
    wait_until('pending', lambda: [item['state'] for item in grid.instances('acme/big')] == ['pending'])
    reason = wait_until('a reason', lambda: grid.instances('acme/big')[0]['reason'])
    assert '64' in reason and 'cpu' in reason.lower(), reason
    grid.wait_farm('acme/big', 'degraded')
    # More than the party may have.
    quota = '{kind: Party, name: small, quota: {cpus: 1, memory: 64Mi, instances: 2}}\n---\n'
    document = grid.farm('shop', party='small', web={'count': 3}).split('\n', 1)[1]
    result = grid.cli('apply', '-f', '-', stdin=quota + document)
    assert result.returncode == 1 and 'quota' in result.stderr and 'small' in result.stderr, result
    equal(grid.get('farms', 'small/shop'), None)


@tap.case('a published address that somebody has already is told as the reason')
def port_taken(grid):
    import socket
    address = grid.publish()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(('127.0.0.1', int(address.split(':')[1])))
        sock.listen()
        grid.apply(grid.farm('shop', address))
        wait_until('the balancer says so', lambda: any(address in item['reason'] for item in
                                                       grid.instances('acme/shop', 'balance')))
        grid.wait_farm('acme/shop', 'degraded')
        assert address in grid.get('farms', 'acme/shop')['reason'], grid.get('farms', 'acme/shop')
    grid.wait_ready('acme/shop', timeout_s=90)  # it tries again by itself, with pauses of up to a minute
    wait_until('it answers', lambda: answers(address))
    # Two farms cannot have one address.
    grid.apply(grid.farm('other', address))
    wait_until('the second says so', lambda: address in (grid.get('farms', 'acme/other')['reason'] or ''))
    equal(grid.get('farms', 'acme/shop')['state'], 'ready')


if __name__ == '__main__':
    needs_root()
    sys.exit(tap.run(Grid(sys.argv[1], hosts=5, racks=3)))
