#!/usr/bin/python3
"""System test: what a host's disk holds of a tenant, read below its file systems. usage: test_disk.py CROFT

Each host of a grid here has a file system of its own for its state, in a file, and the file is searched: for a word that a
layer of a private image has, one that an instance writes to its scratch space, and one that it says in its log. That the
search finds what is there is shown each time by words of the landlord's own, which nobody encrypts."""

import contextlib
import glob
import json
import mmap
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid

from grid import Grid, Tap, equal, kill, loops_below, needs_root, wait_until

tap = Tap()
HOSTS = 2
SIZE = 600 << 20


def unique(what):
    """A word that is nowhere by chance."""
    return f'{what}-{uuid.uuid4().hex}'


class Disks:
    """A file system for each host's state, in a file: below STATE/hosts/hN before the grid comes up."""

    def __init__(self, grid):
        self.grid, self.place = grid, tempfile.mkdtemp(prefix='disks-', dir='/tmp')
        self.files = {}
        for number in range(1, HOSTS + 1):
            self.make(f'h{number}', encrypts=number == 2)

    def make(self, host, encrypts):
        """One of them could encrypt by itself, as many real hosts can; the other gets an image in it."""
        file, point = f'{self.place}/{host}', f'{self.grid.state}/hosts/{host}'
        os.makedirs(point, exist_ok=True)
        with open(file, 'wb') as new:
            new.truncate(SIZE)
        subprocess.run(['mkfs.ext4', '-q', *(['-O', 'encrypt'] if encrypts else []), file], check=True)
        subprocess.run(['mount', '-o', 'loop', file, point], check=True)
        self.files[host] = file

    def holds(self, host, words):
        """Which of the words the raw file has, once all that was written is there."""
        subprocess.run(['sync'], check=True)
        with open(self.files[host], 'rb') as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
            return [word for word in words if data.find(word.encode()) >= 0]

    def end(self):
        for host in self.files:
            subprocess.run(['umount', f'{self.grid.state}/hosts/{host}'], check=True)
        shutil.rmtree(self.place)


@contextlib.contextmanager
def desk_of(grid, token):
    """A place for keys, and what gives commands from there; they have to succeed."""
    with tempfile.TemporaryDirectory(prefix='desk-', dir='/tmp') as home:
        def give(*command):
            told = subprocess.run([grid.croft, *command], capture_output=True, text=True, timeout=60, env=dict(
                os.environ, CROFT_SERVER=f'http://{grid.address}', CROFT_TOKEN=token, XDG_CONFIG_HOME=home))
            equal(told.returncode, 0, f'croft {command}: {told}')
            return told.stdout
        yield give


class Secrets:
    """A tenant's farm, and the words that it has brought, one for each way they take."""

    def __init__(self, grid, party):
        self.party, self.name = party, f'{party}/shop'
        self.layer, self.scratch, self.log = (unique(what) for what in ('layer', 'scratch', 'log'))
        grid.apply(f'{{kind: Party, name: {party}}}')
        grid.import_image('own:1', self.layer, command=('/bin/sleep', '100000'), party=party)
        self.apply(grid)
        self.words = [self.layer, self.scratch, self.log]
        for instance in grid.instances(self.name):  # from inside: what a document says is told to hosts
            status, text = grid.shell(instance['name'], f'echo {self.scratch} > /tmp/kept; echo {self.log} >> /proc/1/fd/1')
            equal((status, text), (0, ''), 'inside')

    def apply(self, grid, **changes):
        web = {'image': 'own:1', 'spread': 'host', 'health': {'exec': ['true'], 'every': '1s'}, **changes}
        grid.apply(grid.farm('shop', party=self.party, web=web), wait=True)


@tap.case('nothing is made or mounted where nothing is private')
def public(grid):
    grid.apply(grid.farm('plain', party='plain', web={'spread': 'host', 'health': {'exec': ['true']}}), wait=True)
    for host in grid.disks.files:
        equal(private(grid, host, '*') + glob.glob(f'{grid.state}/hosts/{host}/private*'), [], 'directories')
        mounts = pathlib.Path(f'/proc/{grid.host(host)["agent_pid"]}/mounts').read_text()
        assert 'private' not in mounts, mounts


@tap.case('a private image runs; its layers, its scratch and its log are nowhere readable on a disk')
def raw(grid):
    secrets = Secrets(grid, 'acme')
    for instance in grid.instances(secrets.name):
        status, text = grid.shell(instance['name'], 'cat /etc/version /tmp/kept')
        equal((status, text.split()), (0, [secrets.layer, secrets.scratch]), 'inside')
    # The search finds what is written in the clear: a public image's word, and a file of ours beside.
    public = unique('public')
    grid.import_image('open:1', public)
    grid.apply(grid.farm('open', party='acme', web={'image': 'open:1', 'spread': 'host', 'health': {'exec': ['true']}}), wait=True)
    for host in grid.disks.files:
        pathlib.Path(grid.state, 'hosts', host, 'control').write_text(control := unique('control'))
        equal(grid.disks.holds(host, [control, public, *secrets.words]), [control, public], f'the disk of {host}')


@tap.case('what ended instances said is kept, and only for their own party')
def previous(grid):
    secrets = Secrets(grid, 'beta')
    instance = grid.instances(secrets.name)[0]
    kill(grid.instance_pids(instance['name'])[0])
    wait_until('it runs again', lambda: grid.instance(instance['name'])['restarts'] > 0 and
               grid.instance(instance['name'])['state'] == 'running')
    said = wait_until('its log', lambda: grid.cli('logs', instance['name'], '--previous').stdout)
    assert secrets.log in said and 'killed by signal 9' in said.splitlines()[0], said
    wait_until('it is written', lambda: grid.disks.holds(instance['host'], [secrets.log]) == [] and
               grid.cli('logs', instance['name'], '--previous').returncode == 0)
    missing = grid.cli('logs', grid.instances(secrets.name)[1]['name'], '--previous')
    equal(missing.returncode, 3, f'of one that never ended: {missing}')
    # The next agent finds its mount, or mounts it again; its key and the log, too. What runs is not touched.
    pids = {one['name']: grid.instance_pids(one['name']) for one in grid.instances(secrets.name)}
    for number, directory in (signal.SIGKILL, '/www'), (signal.SIGTERM, '/bin'):
        before = grid.host(instance['host'])['agent_pid']
        kill(before, number)
        wait_until('another agent', lambda: grid.host(instance['host'])['agent_pid'] != before)  # pylint: disable=cell-var-from-loop
        again = wait_until('the log', lambda: (result := grid.cli('logs', instance['name'], '--previous')).returncode == 0 and
                           result.stdout)
        equal(again, said, 'the log')
        equal({one['name']: grid.instance_pids(one['name']) for one in grid.instances(secrets.name)}, pids, 'processes')
        status, text = grid.shell(instance['name'], f'cat /etc/version; ls {directory}')
        equal((status, text.split()[0]), (0, secrets.layer), 'inside')


@tap.case('of a party that has taken its keys only its desk sees what ended instances said')
def sealed(grid):
    secrets = Secrets(grid, 'sealer')
    token = json.loads(grid.do('token', 'create', f't{uuid.uuid4().hex[:8]}', '--party', 'sealer', '-o', 'json'))['token']
    name = grid.instances(secrets.name)[0]['name']
    with desk_of(grid, token) as give:
        give('key', 'take', secrets.name)
        said = unique('said')
        give('exec', name, '--', '/bin/sh', '-c', f'echo {said} >> /proc/1/fd/1')
        kill(grid.instance_pids(name)[0])
        wait_until('it runs again', lambda: grid.instance(name)['restarts'] > 0 and grid.instance(name)['state'] == 'running')
        assert said in give('logs', name, '--previous')
        plain = grid.cli('logs', name, '--previous')
        assert plain.returncode == 1 and said not in plain.stdout + plain.stderr, plain
    for host in grid.disks.files:
        equal(grid.disks.holds(host, [said, *secrets.words]), [], f'the disk of {host}')


@tap.case('when a lease has ended nothing of the party is on a disk, and nobody else notices')
def ended(grid):
    stays = Secrets(grid, 'stays')
    grid.apply('{kind: Party, name: goes}')
    grid.do('lease', 'grant', '--to', 'goes', '--from', 'landlord', '--name', 'all', '--cpus', '2', '--memory', '1Gi', '--rights',
            'software,develop,read')
    goes = Secrets(grid, 'goes')
    directories = lambda party: [path for host in grid.disks.files for path in private(grid, host, party)]
    assert directories('goes') and directories('stays')
    grid.do('lease', 'end', 'all', '--yes')
    wait_until('it is gone', lambda: not grid.instances(goes.name) and not directories('goes'), 90)
    for host in grid.disks.files:
        equal(grid.disks.holds(host, goes.words + stays.words), [], f'the disk of {host}')
    for instance in grid.instances(stays.name):
        equal(grid.shell(instance['name'], 'cat /etc/version')[1].strip(), stays.layer, 'the other party')


def private(grid, host, party):
    """The party's directories on a host, as the host sees them."""
    agent = grid.host(host)['agent_pid']
    return glob.glob(f'/proc/{agent}/root/run/croft/private/{party}.*') + glob.glob(f'{grid.state}/hosts/{host}/private/{party}.*')


@tap.case('with new keys what runs goes on, and what is begun after is under another key')
def rotated(grid):
    secrets = Secrets(grid, 'gamma')
    instances = {one['host']: one['name'] for one in grid.instances(secrets.name)}
    before = {host: private(grid, host, 'gamma') for host in instances}
    pids = {name: grid.instance_pids(name) for name in instances.values()}
    with desk_of(grid, grid.token) as give:
        for host in instances:
            give('key', 'take', host)
            give('key', 'rotate', '--party', 'gamma', host, '--yes')
    equal({name: grid.instance_pids(name) for name in instances.values()}, pids, 'processes')
    for name in instances.values():
        equal(grid.shell(name, 'cat /etc/version /bin/busybox')[1].split()[0], secrets.layer, 'inside')
    secrets.apply(grid, env={'GREETING': 'anew'})  # all of them end, and others take their places
    wait_until('only directories under new keys', lambda: all(
        (now := private(grid, one['host'], 'gamma')) and not set(now) & set(before.get(one['host'], []))
        for one in grid.instances(secrets.name)), 90)
    for host in grid.disks.files:
        equal(grid.disks.holds(host, secrets.words), [], f'the disk of {host}')


@tap.case('a host that lost power reads its directories again, with keys from its vault')
def power(grid):
    secrets = Secrets(grid, 'delta')
    for host in grid.disks.files:
        before = private(grid, host, 'delta')
        grid.do('power', host, 'off')
        wait_until('it is down', lambda: grid.host(host)['state'] in ('down', 'off'))
        grid.do('power', host, 'on')
        wait_until('it is up', lambda: grid.host(host)['state'] == 'up')
        secrets.apply(grid, env={'GREETING': host})
        name = wait_until('an instance there', lambda: next(
            (one['name'] for one in grid.instances(secrets.name) if one['host'] == host and one['state'] == 'running'), None))
        equal(grid.shell(name, 'cat /etc/version')[1].strip(), secrets.layer, 'inside')
        equal([os.path.basename(path) for path in private(grid, host, 'delta')], [os.path.basename(path) for path in before],
              'directories')
        equal(grid.disks.holds(host, secrets.words), [], f'the disk of {host}')


class DiskGrid(Grid):
    """With a file system a host."""

    def __init__(self, croft):
        super().__init__(croft, hosts=HOSTS)
        self.disks = Disks(self)

    def down(self):
        result = super().down()
        equal(loops_below(self.state), [], 'loop devices of the hosts')
        if self.disks:
            self.disks.end()
            self.disks = None
        return result


if __name__ == '__main__':
    needs_root()
    sys.exit(tap.run(DiskGrid(sys.argv[1])))
