"""Clusters made by lot, in the words of several programs: Ganeti's text format, Pacemaker's CIB, croft's NDJSON."""

import dataclasses
import json
import random
from xml.sax.saxutils import quoteattr

MIB, GIB = 1 << 20, 1 << 30
NODE_MIB, NODE_OS_MIB, NODE_DISK_MIB, NODE_CPUS = 131072, 1024, 4194304, 32
CPUS_PER_CPU = 4    # virtual ones that Ganeti's policy allows for one of the node
RESERVE = 0.15      # of a node's memory: stays free, and is the most that it backs of any one peer
SPINDLES = 12       # with the policy's ratio of 32: more than instances that fit, so that they stop nothing
SIZES = [(2048, 20480, 1)] * 4 + [(4096, 40960, 2)] * 3 + [(8192, 81920, 4)] * 2 + [(16384, 163840, 8)]  # MiB, MiB, cpus
NO_PARAMETERS = 'f2317cad3d54cec5d7d7aa7d0bf35cf8'  # Pacemaker's digest of a resource without any: else it restarts all


@dataclasses.dataclass
class Instance:
    name: str
    memory: int
    disk: int
    cpus: int
    node: int
    second: int = None  # the node that holds a copy of its disk and can take it over


class Cluster:
    """Nodes in groups, all alike; instances at random places of a group where they have room, so an uneven cluster. With
    template drbd each has a second node, and the loss of any one node leaves room on those for what it ran."""

    def __init__(self, nodes, groups, per_node, template, seed=1):
        lot = random.Random(seed)
        self.template, self.groups, self.size = template, groups, nodes // groups
        self.nodes = [f'node-{n:05}' for n in range(self.size * groups)]
        self.free = [NODE_MIB - NODE_OS_MIB] * len(self.nodes)
        self.disk = [NODE_DISK_MIB] * len(self.nodes)
        self.cpus = [0] * len(self.nodes)
        self.backed = {}
        self.instances = []
        for number in range(len(self.nodes) * per_node):
            memory, disk, cpus = lot.choice(SIZES)
            first = (number % groups) * self.size
            for _ in range(200):
                node, second = (first + lot.randrange(self.size) for _ in range(2))
                if self.has_room(node, second, memory, disk, cpus):
                    self.put(Instance(f'inst-{number:06}', memory, disk, cpus, node, second if template == 'drbd' else None))
                    break

    def has_room(self, node, second, memory, disk, cpus):
        spare = RESERVE * NODE_MIB
        return (node != second and self.free[node] - memory >= spare and self.cpus[node] + cpus <= NODE_CPUS * CPUS_PER_CPU
                and self.disk[node] >= disk and self.disk[second] >= disk
                and self.backed.get((node, second), 0) + memory <= spare)

    def put(self, instance):
        self.free[instance.node] -= instance.memory
        self.cpus[instance.node] += instance.cpus
        if self.template in ('drbd', 'plain'):
            self.disk[instance.node] -= instance.disk
        if instance.second is not None:
            self.disk[instance.second] -= instance.disk
            pair = instance.node, instance.second
            self.backed[pair] = self.backed.get(pair, 0) + instance.memory
        self.instances.append(instance)

    def move(self, name, to):
        """The named instance to the named node; its disk is where every node reaches it."""
        instance = next(one for one in self.instances if one.name == name)
        node = self.nodes.index(to)
        self.free[instance.node] += instance.memory
        self.free[node] -= instance.memory
        instance.node = node

    def ganeti(self):
        groups = [f'group-{g:03}|uuid-{g:03}|preferred||' for g in range(self.groups)]
        nodes = [f'{name}|{NODE_MIB}|{NODE_OS_MIB}|{self.free[n]}|{NODE_DISK_MIB}|{self.disk[n]}|{NODE_CPUS}|'
                 f'{"N" if n else "M"}|uuid-{n // self.size:03}|{SPINDLES}||N|0|1|1.0' for n, name in enumerate(self.nodes)]
        instances = [f'{i.name}|{i.memory}|{i.disk}|{i.cpus}|running|Y|{self.nodes[i.node]}|'
                     f'{"" if i.second is None else self.nodes[i.second]}|{self.template}||1|-|N' for i in self.instances]
        policy = ('4096,2,40960,1,1,1|128,1,1024,1,1,1;65536,16,1048576,16,8,12|drbd,plain,rbd|'
                  f'{CPUS_PER_CPU}.0|32.0|1.0')
        policies = [f'{owner}|{policy}' for owner in ['', *(f'group-{g:03}' for g in range(self.groups))]]
        return '\n\n'.join('\n'.join(part) for part in (groups, nodes, instances, [], policies)) + '\n'


class Racks:
    """Hosts in zones, all alike, each instance on the first of its zone with room; the same grid for Pacemaker and for croft."""

    def __init__(self, hosts, instances, zones, seed=1):
        lot = random.Random(seed)
        self.hosts = [(f'n{n:04}', f'z{n % zones}') for n in range(hosts)]
        free = [[NODE_MIB, NODE_CPUS * CPUS_PER_CPU] for _ in self.hosts]
        self.instances = []
        for number in range(instances):
            memory, _, cpus = lot.choice(SIZES)
            memory //= 2  # so that all of them run, and there is room for those of a lost host
            for n in range(number % zones, hosts, zones):
                if free[n][0] >= memory and free[n][1] >= cpus:
                    free[n][0] -= memory
                    free[n][1] -= cpus
                    self.instances.append((f'r{number:05}', memory, cpus, n))
                    break

    def ndjson(self):
        for name, zone in self.hosts:
            yield json.dumps({'kind': 'Host', 'name': name, 'zone': f'east/{zone}', 'capacity': {
                'cpus': NODE_CPUS * CPUS_PER_CPU, 'memory': f'{NODE_MIB}Mi'}})
        for name, memory, cpus, node in self.instances:
            yield json.dumps({'kind': 'Instance', 'name': f'peer/{name}/vm-1', 'host': self.hosts[node][0],
                              'size': {'cpus': cpus, 'memory': f'{memory}Mi'}})

    def cib(self):
        """Everything runs where it is; each resource prefers its zone; a fence device is there."""
        def pairs(kind, prefix, values):
            inner = ''.join(f'<nvpair id="{prefix}-{key}" name="{key}" value={quoteattr(str(value))}/>' for key, value in values)
            return f'<{kind} id="{prefix}">{inner}</{kind}>'

        options = pairs('cluster_property_set', 'options', [
            ('stonith-enabled', 'true'), ('placement-strategy', 'balanced'), ('enable-startup-probes', 'false'),
            ('batch-limit', 0)])
        nodes = ''.join(
            f'<node id="{n + 1}" uname="{name}">' + pairs('instance_attributes', f'a{n}', [('zone', zone)])
            + pairs('utilization', f'u{n}', [('cpu', NODE_CPUS * CPUS_PER_CPU), ('memory', NODE_MIB)]) + '</node>'
            for n, (name, zone) in enumerate(self.hosts))
        resources = '<primitive id="fence" class="stonith" type="fence_peer"/>' + ''.join(
            f'<primitive id="{name}" class="ocf" provider="pacemaker" type="Dummy">'
            + pairs('utilization', f'{name}-u', [('cpu', cpus), ('memory', memory)]) + '</primitive>'
            for name, memory, cpus, _ in self.instances)
        places = ''.join(
            f'<rsc_location id="{name}-l" rsc="{name}"><rule id="{name}-r" score="100"><expression id="{name}-e" '
            f'attribute="zone" operation="eq" value="{self.hosts[node][1]}"/></rule></rsc_location>'
            for name, _, _, node in self.instances)
        sticky = '<rsc_defaults>' + pairs('meta_attributes', 'defaults', [('resource-stickiness', 200)]) + '</rsc_defaults>'
        status = ''.join(self.node_status(n) for n in range(len(self.hosts)))
        return ('<cib crm_feature_set="3.1.0" validate-with="pacemaker-3.0" epoch="1" num_updates="0" admin_epoch="0" '
                f'have-quorum="1" dc-uuid="1"><configuration><crm_config>{options}</crm_config><nodes>{nodes}</nodes>'
                f'<resources>{resources}</resources><constraints>{places}</constraints>{sticky}</configuration>'
                f'<status>{status}</status></cib>')

    def node_status(self, node):
        """What was asked and done there, as a cluster keeps it: a resource was started, all others were looked for in vain."""
        name = self.hosts[node][0]
        here = [('fence', 'class="stonith" type="fence_peer"', 'start', 0)] if node == 0 else []
        here += [(one, 'class="ocf" provider="pacemaker" type="Dummy"', *(('start', 0) if at == node else ('monitor', 7)))
                 for one, _, _, at in self.instances]
        nobody = '00000000-0000-0000-0000-000000000000'
        done = ''.join(
            f'<lrm_resource id="{one}" {kind}><lrm_rsc_op id="{one}_last_0" operation_key="{one}_{action}_0" '
            f'operation="{action}" crm_feature_set="3.1.0" transition-key="{call}:1:{result}:{nobody}" '
            f'transition-magic="0:{result};{call}:1:{result}:{nobody}" on_node="{name}" call-id="{call}" rc-code="{result}" '
            f'op-status="0" interval="0" op-digest="{NO_PARAMETERS}"/></lrm_resource>'
            for call, (one, kind, action, result) in enumerate(here, 1))
        return (f'<node_state id="{node + 1}" uname="{name}" in_ccm="true" crmd="online" join="member" expected="member">'
                f'<lrm id="{node + 1}"><lrm_resources>{done}</lrm_resources></lrm></node_state>')
