#!/usr/bin/python3
"""System test: the API as programs use it. usage: test_api.py CROFT"""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.parse

from grid import Grid, Tap, equal, needs_root, wait_until

tap = Tap()


def party(name, **more):
    return json.dumps({'kind': 'Party', 'name': name, **more})


@tap.case('of two who change the same revision one gets 412')
def if_match(grid):
    grid.apply(grid.farm('shop', web={'count': 1}))
    answer = grid.api('GET', '/v1/farms/acme/shop')
    tag = answer.headers['ETag']
    assert re.fullmatch(r'"\d+"', tag), tag
    results, start = [], threading.Barrier(2)

    def put(count):
        document = json.loads(grid.farm('shop', web={'count': count}).split('\n')[1])
        start.wait()
        results.append(grid.api('PUT', '/v1/farms/acme/shop', document, headers={'If-Match': tag}))
    threads = [threading.Thread(target=put, args=(count,)) for count in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(sorted(result.status for result in results), [200, 412], [result.text for result in results])
    loser = [result for result in results if result.status == 412][0]
    equal(loser.headers['Content-Type'], 'application/problem+json')
    equal(loser.json['status'], 412)
    assert loser.json['detail'], loser.text
    equal(grid.api('PUT', '/v1/parties/acme', party('acme'), headers={'If-None-Match': '*'}).status, 412, 'it is there already')
    equal(grid.api('DELETE', '/v1/farms/acme/shop', headers={'If-Match': tag}).status, 412, 'an old revision')
    equal(grid.api('DELETE', '/v1/farms/acme/shop', headers={'If-Match': grid.api('GET', '/v1/farms/acme/shop').headers['ETag']}).status,
          200)


@tap.case('a repeat with the same Idempotency-Key changes nothing and gets the same answer')
def idempotency(grid):
    key = {'Idempotency-Key': f'key-{grid.address}'}
    first = grid.api('POST', '/v1/apply', party('acme'), headers=key)
    equal(first.status, 200)
    equal([result['result'] for result in first.json['results']], ['created'])
    again = grid.api('POST', '/v1/apply', party('acme'), headers=key)
    equal((again.status, again.body), (first.status, first.body), 'the repeat')
    other = grid.api('POST', '/v1/apply', party('brio'), headers=key)
    assert other.status in (400, 409, 422), other.text
    equal(grid.get('parties', 'brio'), None)
    equal([result['result'] for result in grid.api('POST', '/v1/apply', party('acme')).json['results']], ['unchanged'])


BAD = (
    # text, what the one line says
    ('kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\ntires: []\n', r'bad\.yaml:5:1: .*tires.*tiers'),
    ('kind: Party\nname: Acme\n', r'bad\.yaml:2:7: name: '),
    ('kind: Party\nname: acme\nquota: {cpus: lots}\n', r'bad\.yaml:3:15: quota\.cpus: '),
    ('kind: Party\nname: acme\n---\nkind: Farm\nname: shop\nparty: nobody\nsubnet: 10.0.0.0/24\n', r'bad\.yaml:6:8: party: .*nobody'),
    ('kind: Party\nname: acme\nname: acme\n', r'bad\.yaml:3:1: '),
    ('kind: Party\nname: acme\n---\nkind: Party\nname: acme\n', r'bad\.yaml:\d+:\d+: .*acme'),
    ('kind: [Party\n', r'bad\.yaml:\d+:\d+: '),
    ('{"kind": "Party", "name": "acme", "parent": 7}', r'bad\.yaml:1:\d+: parent: '),
    ('kind: Wagon\nname: w\n', r'bad\.yaml:1:7: kind: .*Wagon'),
    ('kind: Farm\nname: shop\nparty: landlord\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: "hello:1", count: {committed: 3, max: 2}}]\n',
     r'bad\.yaml:5:\d+: tiers\[0\]\.count\.max: '),
    ('kind: Farm\nname: shop\nparty: landlord\nsubnet: 10.0.0.0/24\nbalance: [{name: www, port: 80, to: "web:8080"}]\n',
     r'bad\.yaml:5:\d+: balance\[0\]\.to: .*web'),
    ('kind: Farm\nname: shop\nparty: landlord\nsubnet: 10.0.0.0/40\n', r'bad\.yaml:4:9: subnet: '),
)


@tap.case('a bad document is refused with one line: file, line, column, field; nothing of the file is applied')
def bad_documents(grid):
    path = os.path.join(grid.state, 'bad.yaml')
    for text, wanted in BAD:
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        result = grid.cli('apply', '-f', path)
        equal(result.returncode, 1, f'{text!r}: {result}')
        equal(result.stdout, '', text)
        equal(len(result.stderr.strip().split('\n')), 1, f'lines for {text!r}: {result.stderr}')
        assert re.search(wanted, result.stderr), f'{text!r}: {result.stderr}'
    equal([item['name'] for item in grid.get('parties') if item['name'] != 'landlord'], [], 'parties')
    equal(grid.get('farms'), [], 'farms')
    answer = grid.api('POST', '/v1/apply', BAD[1][0], headers={'Croft-File': 'x.yaml'})
    assert answer.status in (400, 422), answer.text
    equal(answer.headers['Content-Type'], 'application/problem+json')
    equal({key: answer.json[key] for key in ('file', 'line', 'column', 'field')}, {'file': 'x.yaml', 'line': 2, 'column': 7, 'field': 'name'})
    os.unlink(path)
    # A dry run checks all and changes nothing; a diff says what would happen.
    assert 'party acme created' in grid.do('apply', '--dry-run', '-f', '-', stdin=grid.farm('shop'))
    equal(grid.get('farms'), [])
    text = grid.do('diff', '-f', '-', stdin=grid.farm('shop'))
    assert re.search(r'^ +- +create +acme/shop/web-1 +h[0-9]+ +tier web wants [0-9]+; h[0-9]+ has room', text, re.MULTILINE), text
    equal(grid.get('farms'), [])


@tap.case('a token sees and changes what is its party\'s, and nothing else')
def tokens(grid):
    for name in 'acme', 'brio':
        grid.apply(grid.farm('shop', party=name, web={'count': 1}), wait=True)
    made = grid.api('POST', '/v1/tokens', {'party': 'acme', 'name': 'ci'})
    equal(made.status, 201, made.text)
    token = made.json['token']
    listed = grid.api('GET', '/v1/tokens')
    assert listed.status == 200 and made.json['id'] in [each['id'] for each in listed.json] and token not in listed.text, listed.text

    def ask(method, path, body=None):
        return grid.api(method, path, body, token=token)
    equal(grid.api('GET', '/v1/farms', token='').status, 401)
    equal(grid.api('GET', '/v1/farms', token='wrong').status, 401)
    equal([item['name'] for item in ask('GET', '/v1/parties').json], ['acme'], 'parties')
    for kind in 'farms', 'instances':
        names = [(item.get('status') or item)['name'] for item in ask('GET', f'/v1/{kind}').json]
        assert names and all(name.startswith('acme/') for name in names), f'{kind}: {names}'
    equal(ask('GET', '/v1/hosts').json, [], 'hosts')
    other = grid.instances('brio/shop', 'web')[0]['name']
    for method, path, body in (
            ('GET', '/v1/farms/brio/shop', None), ('DELETE', '/v1/farms/brio/shop', None), ('GET', f'/v1/instances/{other}', None),
            ('POST', '/v1/farms/brio/shop/scale', {'tier': 'web', 'count': 2}), ('GET', f'/v1/instances/{other}/log', None),
            ('POST', f'/v1/instances/{other}/exec', {'command': ['/bin/true'], 'tty': False, 'env': []}),
            ('POST', f'/v1/instances/{other}/move', {'host': 'h2'}), ('GET', f'/v1/explain/{other}', None),
            ('GET', '/v1/farms/brio/none', None), ('GET', '/v1/hosts/h1', None)):
        answer = ask(method, path, body)
        equal(answer.status, 404, f'{method} {path}: {answer.text}')
    for method, path, body in (
            ('POST', '/v1/apply', party('acme', quota={'cpus': 100})), ('POST', '/v1/apply', party('cova')),
            ('POST', '/v1/apply', grid.farm('more', party='brio').split('\n')[1]), ('POST', '/v1/tokens', {'party': 'brio', 'name': 'x'}),
            ('POST', '/v1/hosts/h1/drain', None), ('POST', '/v1/hosts/h1/power', {'order': 'off'}),
            ('PUT', '/v1/parties/acme', party('acme')), ('DELETE', '/v1/hosts/h1', None), ('DELETE', '/v1/parties/brio', None)):
        answer = ask(method, path, body)
        assert answer.status in (403, 404), f'{method} {path}: {answer.status} {answer.text}'
    # What it was denied it hears of in its own words.
    events = [event for event in ask('GET', '/v1/events?since=3600').json if event['what'] != 'denied']
    for text in json.dumps(events), ask('GET', '/v1/top').text, ask('GET', '/v1/export').text:
        assert 'brio' not in text, text[:600]
    equal(ask('POST', '/v1/farms/acme/shop/scale', {'tier': 'web', 'count': 2}).status, 200)
    wait_until('two run', lambda: len(grid.instances('acme/shop', 'web')) == 2)
    assert any(event['who'] == 'acme/ci' for event in grid.events('acme/shop')), 'the audit log names the token'
    equal(grid.api('DELETE', f'/v1/tokens/{made.json["id"]}').status, 200)
    equal(ask('GET', '/v1/farms').status, 401, 'a deleted token')


@tap.case('every path of openapi.json answers, and what answers is in it')
def openapi(grid):
    grid.apply('kind: SLA\nname: gold\nlevels: {committed: {rate: 0.02 EUR}}\n---\nkind: ScalingRules\nname: plain\n'
               'terms: [{of: need, name: keep, shape: [-10, 0, 10]}, {of: priority, name: any, shape: [0, 0, 1, 1]}]\n'
               'rules: [if priority is any then keep]\n')
    grid.apply(grid.farm('shop', web={'count': 1}, sla='gold'), wait=True)
    grid.apply('kind: Filter\nname: inner\nparty: acme\non: acme/shop\nrules: [{action: allow}]\n')
    grid.apply('{kind: Lease, name: acme, to: acme, rights: [software]}\n')
    grid.apply('{kind: Contact, name: ops, party: acme, webhook: "https://hooks.example/x"}\n')
    grid.apply('{kind: Key, name: acme}\n')
    answer = grid.api('GET', '/v1/openapi.json', token='')
    equal(answer.status, 200)
    about = answer.json
    assert about['openapi'].startswith('3.1'), about['openapi']
    values = {'/v1/hosts': 'h1', '/v1/parties': 'acme', '/v1/pools': 'general', '/v1/farms': 'acme/shop', '/v1/images': 'landlord/hello:1',
              '/v1/instances': 'acme/shop/web-1', '/v1/explain': 'acme/shop', '/v1/blobs': grid.api('GET', '/v1/images/landlord/hello:1').json['layers'][0],
              '/v1/slas': 'gold', '/v1/scaling-rules': 'plain', '/v1/tokens': 'none',
              '/v1/filters': 'acme/inner', '/v1/leases': 'acme', '/v1/contacts': 'acme/ops', '/v1/keys': 'acme', '/v1/sealed': 'h1/acme'}
    for path, methods in about['paths'].items():
        begin = '/'.join(path.split('/')[:3])
        parts = iter(values.get(begin, '').split('/'))
        real = re.sub(r'\{session\}', 'none', path)
        if path.startswith('/v1/explain'):
            real = '/v1/explain/acme/shop'
        if path == '/v1/judge':
            real += '?on=acme/shop&packet=' + urllib.parse.quote('in tcp 10.0.0.9:40000 > 10.0.0.4:22')
        real = re.sub(r'\{\w+\}', lambda _: next(parts), real)
        for method in methods:
            if method == 'parameters':
                continue
            if method == 'get':
                answer = grid.api('GET', real, timeout=60)
                missing = '{session}' in path
                assert (answer.status == 404) if missing else answer.status == 200, f'GET {real}: {answer.status} {answer.text[:300]}'
            else:
                # An empty request is refused for what it lacks, not because nobody knows the path.
                if method in ('delete',) or path.endswith(('/drain', '/activate', '/finish')):
                    continue
                answer = grid.api(method.upper(), real, b'')
                assert answer.status != 405 and (answer.status != 404 or '{session}' in path or 'see /v1/openapi.json' not in answer.text), \
                    f'{method} {real}: {answer.status} {answer.text[:300]}'
    equal(grid.api('DELETE', '/v1/filters/acme/inner').status, 200)
    for path in '/v1/hosts', '/v1/apply', '/v1/farms/{party}/{name}/scale', '/v1/version', '/v1/openapi.json':
        assert path in about['paths'], f'{path} is not described'
    equal(grid.api('GET', '/v1/nothing').status, 404)
    for path in '/healthz', '/readyz':
        equal((grid.api('GET', path, token='').status, grid.api('GET', path, token='').text), (200, 'ok\n'), path)
    answer = grid.api('GET', '/metrics', token='')
    assert answer.status == 200 and 'croft_' in answer.text, answer.text[:300]
    equal(grid.api('GET', '/metrics', token='', headers={'X-Forwarded-For': '192.0.2.1'}).status, 401, 'through a proxy')
    for line in answer.text.splitlines():
        assert line.startswith('#') or re.fullmatch(r'[a-z_:]+(\{[^}]*\})? [-+0-9.eE]+', line), line


@tap.case('lists come in pages, in natural order; a watch tells every change')
def lists(grid):
    import http.client
    for i in range(12):
        grid.apply(party(f'p{i}'))
    names, after = [], ''
    for _ in range(10):
        answer = grid.api('GET', f'/v1/parties?limit=5&after={after}')
        names += [item['name'] for item in answer.json]
        after = answer.headers.get('Croft-Next')
        if not after:
            break
    equal([name for name in names if name != 'landlord'], [f'p{i}' for i in range(12)], 'pages')
    connection = http.client.HTTPConnection(grid.address, timeout=30)
    connection.request('GET', '/v1/parties?watch=0', headers={'Authorization': f'Bearer {grid.token}'})
    stream = connection.getresponse()
    assert stream.headers['Content-Type'].startswith('text/event-stream'), stream.headers

    def event():
        found = {}
        while True:
            line = stream.readline().decode().rstrip('\n')
            if not line and found:
                return found
            if line and not line.startswith(':'):
                name, _, value = line.partition(': ')
                found[name] = value
    first = [json.loads(event()['data'])['name'] for _ in range(12)]
    assert set(first) <= {'landlord', *(f'p{i}' for i in range(12))}, first
    grid.apply(party('later'))
    seen = []
    while 'later' not in seen:
        told = event()
        seen.append(json.loads(told['data'])['name'])
    equal(told['event'], 'put')
    assert int(told['id']) > 0
    grid.do('delete', 'party', 'later')
    while told['event'] != 'delete':
        told = event()
    assert 'later' in told['data'], told
    connection.close()


@tap.case('commands end with the codes of the contract')
def exit_codes(grid):
    grid.apply(grid.farm('shop', web={'count': 1}), wait=True)
    equal(grid.cli('get', 'farm', 'acme/none').returncode, 3)
    equal(grid.cli('scale', 'acme/shop', 'none', '2').returncode, 3)
    equal(grid.cli('scale', 'acme/shop', 'web', 'many').returncode, 2)
    equal(grid.cli('frobnicate').returncode, 2)
    nobody = subprocess.run([grid.croft, 'get', 'farms', '--server', 'http://127.0.0.1:1', '--token', 'x'], check=False,
                            capture_output=True, text=True)
    equal((nobody.returncode, nobody.stderr.count('\n')), (5, 1), f'{nobody}')
    result = grid.cli('apply', '-f', '-', '--wait=1s', stdin=grid.farm('big', web={'count': 1, 'size': {'cpus': 64}}))
    equal(result.returncode, 6, f'{result}')
    for kind in 'hosts', 'farms', 'instances', 'parties', 'images', 'pools':
        flat = json.loads(grid.do('get', kind, '-o', 'json'))
        assert isinstance(flat, list) and flat and all('name' in item for item in flat), f'{kind}: {flat}'
    host = json.loads(grid.do('get', 'hosts', '-o', 'json'))[0]
    for key in 'name zone pool state capacity used instances agent_version since pid agent_pid'.split():
        assert key in host, f'{key} of a host: {host}'
    instance = json.loads(grid.do('get', 'instances', '-o', 'json'))[0]
    for key in 'name farm tier host zone address driver image state health since restarts reason warm'.split():
        assert key in instance, f'{key} of an instance: {instance}'
    pool = json.loads(grid.do('get', 'pool', 'general', '-o', 'json'))[0]
    for key in 'name survive hosts capacity used kept'.split():
        assert key in pool, f'{key} of a pool: {pool}'
    event = json.loads(grid.do('events', '-o', 'json'))[0]
    for key in 'time revision kind name what reason'.split():
        assert key in event, f'{key} of an event: {event}'


@tap.case('a service level that the grid could not keep is refused with the numbers')
def service_levels(grid):
    path = os.path.join(grid.state, 'shop.json')
    rates = {level: {'rate': '0.02 EUR'} for level in ('committed', 'guaranteed')}
    hosts = sorted(host['capacity']['cpus'] for host in grid.get('hosts'))
    left = sum(hosts[:-1])  # each of the three racks has one host
    many = int(left) + 1
    grid.apply(json.dumps({'kind': 'SLA', 'name': 'gold', 'levels': rates}))

    def shop(count, **more):
        with open(path, 'w', encoding='utf-8') as file:
            file.write(grid.farm('shop', web={'count': count, 'size': {'cpus': 1, 'memory': '16Mi'}}, sla='gold', **more))
        return grid.cli('apply', '-f', path, *(['--dry-run'] if count == 1 else []))
    try:
        result = shop(1)
        equal((result.returncode, result.stderr), (0, ''), result)
        result = shop(many)
        equal((result.returncode, result.stdout, result.stderr.count('\n')), (1, '', 1), result)
        assert re.match(rf'{re.escape(path)}:2:\d+: tiers: with the largest zone \(.*: 1 host\) lost, what is committed to all would need '
                        rf'{many} cpus of {left:g}: {many - left:g} cpus? too many; lower committed, or ask the landlord', result.stderr), result
        with open(path, encoding='utf-8') as file:
            answer = grid.api('POST', '/v1/apply', file.read(), headers={'Croft-File': 'x.json'})
        equal((answer.status, answer.json['field'], answer.json['line']), (409, 'tiers', 2), answer.text)
        equal(grid.get('farms'), [])
        result = shop({'committed': 2, 'guaranteed': 2, 'max': 3})
        assert result.returncode == 1 and 'gold does not offer the level extended: make max 2, as guaranteed' in result.stderr, result
        many = int(sum(hosts)) + 1
        result = shop({'committed': 2, 'guaranteed': many, 'max': many})
        assert result.returncode == 1 and 'what is guaranteed to all beyond what is committed would need' in result.stderr, result
        equal(shop({'committed': 2, 'guaranteed': 3, 'max': 3}).returncode, 0)
        grid.wait_ready('acme/shop')
        farm = json.loads(grid.do('get', 'farms', '-o', 'json'))[0]
        equal((farm['sla'], farm['level']), ('gold', 'committed'))
        tier = next(tier for tier in farm['tiers'] if tier['name'] == 'web')
        equal({key: tier[key] for key in ('committed', 'guaranteed', 'max', 'wanted', 'running', 'level')},
              {'committed': 2, 'guaranteed': 3, 'max': 3, 'wanted': 2, 'running': 2, 'level': 'committed'})
        result = grid.cli('apply', '-f', '-', stdin=json.dumps({'kind': 'SLA', 'name': 'gold', 'levels': {'committed': rates['committed']}}))
        assert result.returncode == 1 and 'farm acme/shop has the level guaranteed in tier web: change the farm first' in result.stderr, result
        assert 'committed' in grid.do('get', 'farms')
    finally:
        grid.cli('delete', 'farm', 'acme/shop')
        wait_until('the end of the farm', lambda: grid.get('farms') == [])
        grid.do('delete', 'sla', 'gold')
        os.unlink(path)


@tap.case('the command line does what scripts of other programs are used to')
def command_line(grid):
    paths = [os.path.join(grid.state, name) for name in ('one.yaml', 'two.yaml')]
    with open(paths[0], 'w', encoding='utf-8') as file:
        file.write('kind: Party\nname: one\n')
    with open(paths[1], 'w', encoding='utf-8-sig') as file:  # begins with a byte order mark
        file.write('kind: Party\nname: two\n')
    equal(grid.do('apply', '--dry-run', '-f', paths[0], '-f', paths[1]), 'party one created\nparty two created\n')
    with open(paths[1], 'a', encoding='utf-8') as file:
        file.write('name: two\n')
    result = grid.cli('apply', '-f', paths[0], '-f', paths[1])
    equal((result.returncode, result.stderr), (1, f'{paths[1]}:3:1: name: the key "name" is given twice, first 1 line above\n'))
    for path in paths:
        os.unlink(path)
    result = grid.cli('apply', '--dry-run', '-f', '-', stdin='#' * (17 << 20))
    assert result.returncode == 1 and '16 MiB' in result.stderr and result.stderr.count('\n') == 1, result
    grid.apply(grid.farm('shop', web={'count': 1}), wait=True)
    for words, code, wanted in (
            (('scale', 'acme/shop', 'web', '300'), 1, r'croft: subnet: has room for'),
            (('scale', 'acme/shop', 'web', '10001'), 1, r'croft: a tier has 0 to 10000'),
            (('image', 'import', 'Hello:2', '/etc/init.d'), 1, r'croft: name: expected an image'),
            (('delete', 'instance', 'acme/shop/web-1'), 2, r'croft: /v1/instances/acme/shop/web-1 takes GET, HEAD'),
            (('exec', '-e', 'A', 'acme/shop/web-1', '--', 'true'), 2, r'croft: exec: --env takes NAME=VALUE'),
            (('explain', 'acme/shop/none-1'), 3, r'croft: nothing is known of')):
        result = grid.cli(*words)
        equal(result.returncode, code, result)
        assert re.match(wanted, result.stderr) and result.stderr.count('\n') == 1, result
    for words, code, wanted in (
            (('/none',), 127, '/none: not found'), (('none', 'x'), 127, 'none: not found'), (('/etc/version',), 126, '/etc/version: '),
            (('/etc',), 126, '/etc: '), (('sh', '-c', 'echo executable file; exit 255'), 255, 'executable file')):
        for tty in (), ('-t',):
            result = grid.cli('exec', *tty, 'acme/shop/web-1', '--', *words)
            text = result.stdout + result.stderr
            equal(result.returncode, code, result)
            assert text.startswith(wanted) and text.count('\n') == 1, result
    for _ in range(5):  # the end of the input may come before the command's terminal is there
        result = grid.cli('exec', '-t', 'acme/shop/web-1', '--', 'cat', stdin='word\n')
        equal(result.returncode, 0, result)
        assert 'word' in result.stdout and '^@' not in result.stdout, result


@tap.case('an import that is killed leaves no copy of the image')
def import_killed(grid):
    with tempfile.TemporaryDirectory() as directory, socket.create_server(('127.0.0.1', 0)) as silent:
        (pathlib.Path(directory) / 'root').mkdir()
        (pathlib.Path(directory) / 'root/data').write_bytes(b'x' * 100_000)
        temporary = pathlib.Path(directory) / 'tmp'
        temporary.mkdir()
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            with subprocess.Popen([grid.croft, '--server', f'http://127.0.0.1:{silent.getsockname()[1]}', 'image', 'import', 'big:1',
                                   f'{directory}/root'], env=dict(os.environ, TMPDIR=str(temporary), CROFT_TOKEN='x'),
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as command:
                connection, _ = silent.accept()  # it has taken the image apart, and asks for its first layer
                assert list(temporary.iterdir()), 'where is the copy?'
                command.send_signal(number)
            wait_until('it is gone', lambda: not list(temporary.iterdir()))
            connection.close()


def is_sanitized(pid):
    """What is freed stays for a while: how much memory is used says nothing."""
    with open(f'/proc/{pid}/maps', encoding='ascii') as file:
        return 'libasan' in file.read()


def memory_peak(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith('VmHWM:'))


@tap.case('logs and the story of an instance can be read')
def logs(grid):
    grid.apply(grid.farm('shop', web={'count': 1, 'command': ['/bin/sh', '-c', 'echo to-out; echo to-err >&2; exec sleep 1000'],
                                      'health': {'exec': ['/bin/true']}}), wait=True)
    text = wait_until('its output', lambda: grid.api('GET', '/v1/instances/acme/shop/web-1/log?after=-1').text)
    wait_until('all of it', lambda: 'to-err' in grid.api('GET', '/v1/instances/acme/shop/web-1/log?after=-1').text)
    assert 'to-out' in text or 'to-err' in text, text
    assert 'to-out' in grid.do('logs', 'acme/shop/web-1')
    assert 'to-out' in grid.do('console', 'acme/shop/web-1')
    result = grid.cli('exec', 'acme/shop/web-1', '--', '/bin/sh', '-c', 'echo hello; exit 5')
    equal((result.returncode, result.stdout), (5, 'hello\n'), f'{result}')
    # What feeds a command that reads late has to wait: the agent keeps none of it.
    host = next(item['host'] for item in grid.get('instances') if item['name'] == 'acme/shop/web-1')
    agent = next(item['agent_pid'] for item in grid.get('hosts') if item['name'] == host)
    before = memory_peak(agent)
    result = grid.cli('exec', 'acme/shop/web-1', '--', '/bin/sh', '-c', 'sleep 1; wc -c', stdin='x' * 24_000_000)
    equal((result.returncode, result.stdout.strip()), (0, '24000000'), f'{result}')
    assert is_sanitized(agent) or memory_peak(agent) - before < 12_000_000, (before, memory_peak(agent))
    text = grid.do('explain', 'acme/shop/web-1')
    assert 'tier web wants 1' in text, text
    text = grid.do('describe', 'farm', 'acme/shop')
    assert 'web' in text, text
    kinds = {json.loads(line)['kind'] for line in grid.do('export').splitlines()}
    assert {'Host', 'Party', 'Farm', 'Image', 'Instance'} <= kinds, kinds
    with subprocess.Popen([grid.croft, 'console', '--follow', 'acme/shop/web-1'], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, env=dict(os.environ, CROFT_SERVER=f'http://{grid.address}', CROFT_TOKEN=grid.token)) as console:
        equal([console.stdout.readline() for _ in range(2)], ['to-out\n', 'to-err\n'])
        grid.do('delete', 'farm', 'acme/shop')
        equal((console.wait(timeout=60), console.stderr.read()), (0, 'acme/shop/web-1 has ended\n'), 'it ends with the instance')


if __name__ == '__main__':
    needs_root()
    sys.exit(tap.run(Grid(sys.argv[1], hosts=3, racks=3)))
