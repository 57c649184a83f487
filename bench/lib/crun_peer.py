"""Bare crun with the same root and command, in a process of its own whose mounts are private: crun refuses a
machine's hybrid cgroups, so it gets a view with the version 1 controllers only (as croft's agent gives it).

Words in, a line of JSON out: `run NAME` and `delete NAME` answer with milliseconds."""

import ctypes
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from grid import Failure, make_root

CLONE_NEWNS, MS_BIND, MS_PRIVATE_REC = 0x20000, 0x1000, 0x44000
LIMITS = {'cpu': {'quota': 50000, 'period': 100000}, 'memory': {'limit': 32 << 20}, 'pids': {'limit': 256}}


class Crun:
    """`with Crun() as crun:` answers run() and delete() with the milliseconds that crun took."""

    def __enter__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix='bench-crun-', dir='/tmp'))
        self.names = set()
        make_root(self.directory / 'rootfs')
        subprocess.run(['crun', 'spec', '-b', self.directory], check=True)
        path = self.directory / 'config.json'
        config = json.loads(path.read_text())
        config['process'].update(args=['/bin/guest', 'serve', '8080'], terminal=False)
        config['root'] = {'path': 'rootfs', 'readonly': True}
        config['linux'].update(resources=LIMITS)
        # The same /sys as croft's instances have: none. With one, crun makes a network that it has to wait for.
        config['mounts'] = [mount for mount in config['mounts'] if not mount['destination'].startswith('/sys')]
        self.config = config
        path.write_text(json.dumps(config))
        self.helper = subprocess.Popen([sys.executable, __file__, self.directory], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        for name in list(self.names):
            self.delete(name)
        self.helper.stdin.close()
        self.helper.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def run(self, name):
        self.names.add(name)
        return self._ask('run', name)

    def delete(self, name):
        self.names.discard(name)
        return self._ask('delete', name)

    def _ask(self, *words):
        self.helper.stdin.write(' '.join(words) + '\n')
        self.helper.stdin.flush()
        answer = json.loads(self.helper.stdout.readline() or '{"error": "the helper ended"}')
        if 'error' in answer:
            raise Failure(f'crun {" ".join(words)}: {answer["error"]}')
        return answer['ms']


def private_cgroups():
    libc = ctypes.CDLL(None, use_errno=True)
    kinds = {line.split()[4]: line.split(' - ')[1].split()[0] for line in open('/proc/self/mountinfo')}
    assert libc.unshare(CLONE_NEWNS) == 0 and libc.mount(b'none', b'/', None, MS_PRIVATE_REC, None) == 0
    if kinds.get('/sys/fs/cgroup') == 'cgroup2':
        return
    for path, kind in kinds.items():
        if path.startswith('/sys/fs/cgroup/') and kind == 'cgroup2':
            assert libc.umount2(path.encode(), 2) == 0
            # A directory that is no mount would be taken for a controller's.
            assert libc.mount(b'none', b'/sys/fs/cgroup', b'tmpfs', 0, None) == 0
            os.makedirs('/sys/fs/cgroup', exist_ok=True)
            break
    else:
        return
    for path, kind in kinds.items():
        if kind == 'cgroup':
            name = os.path.basename(path)
            os.makedirs(f'/sys/fs/cgroup/{name}')
            options = f'name={name}' if name == 'systemd' else name
            assert libc.mount(b'cgroup', f'/sys/fs/cgroup/{name}'.encode(), b'cgroup', 0,
                              (('none,' if '=' in options else '') + options).encode()) == 0, path


def helper(bundle):
    private_cgroups()
    root = f'{bundle}/state'
    commands = {'run': lambda name: ['crun', '--root', root, 'run', '-d', '-b', bundle, name],
                'delete': lambda name: ['crun', '--root', root, 'delete', '-f', name]}
    for line in sys.stdin:
        verb, name = line.split()
        begin = time.perf_counter()
        done = subprocess.run(commands[verb](name), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=open(f'{bundle}/errors', 'w'))
        took_ms = (time.perf_counter() - begin) * 1000
        error = pathlib.Path(bundle, 'errors').read_text()
        print(json.dumps({'error': error} if done.returncode else {'ms': took_ms}), flush=True)


if __name__ == '__main__':
    helper(sys.argv[1])
