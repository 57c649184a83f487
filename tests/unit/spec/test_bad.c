#include "check.h"

/* Every refusal, word for word: the messages are for people, and others may match them. */
struct bad {
    const char *text;
    const char *expected;
};

static const struct bad bad_syntax[] = {
    {"a: b: c\n", "f:1:5: not valid YAML: mapping values are not allowed in this context"},
    {"kind: Host\n\tname: h\n", "f:2:1: a tab stands where only spaces may: indent with spaces"},
    {"{\"kind\": \"Host\",",
     "f:2:1: not valid YAML: did not find expected node content while parsing a flow node"},
    {"kind: Host\nname: 'h\n",
     "f:3:1: not valid YAML: found unexpected end of stream while scanning a quoted scalar"},
    {"- a\nb\n", "f:3:1: not valid YAML: could not find expected ':' while scanning a simple key"},
    {"kind: Host\nkind: Host\n", "f:2:1: kind: the key \"kind\" is given twice, first 1 line above"},
    {"a: {x: 1, y: 2, x: 3}\n", "f:1:17: a.x: the key \"x\" is given twice, first at column 5"},
    {"kind: &k Host\n", "f:1:7: kind: anchors (&name) are not allowed in documents"},
    {"kind: *k\n", "f:1:7: kind: aliases (*name) are not allowed in documents"},
    {"kind: !!str Host\n", "f:1:7: kind: tags (!name) are not allowed in documents"},
    {"kind: !x Host\n", "f:1:7: kind: tags (!name) are not allowed in documents"},
    {"kind: Host\n<<: {a: b}\n", "f:2:1: merge keys (<<) are not allowed in documents"},
    {"? {a: b}\n: c\n", "f:1:3: expected a name as key, found a map"},
    {"? [a]\n: c\n", "f:1:3: expected a name as key, found a list"},
    {"%TAG ! tag:x,2000:\n---\nkind: Host\n", "f:1:1: tags are not allowed in documents"},
    {"kind: \"Ho\\0st\"\n", "f:1:7: kind: text must not contain a zero byte"},
    {"\"a\\0b\": c\n", "f:1:1: expected a name as key"},
    {": c\n", "f:1:1: not valid YAML: did not find expected key while parsing a block mapping"},
    {"kind: H\001st\n", "f:1:8: not valid YAML: control characters are not allowed"},
    {"@a\n",
     "f:1:1: not valid YAML: found character that cannot start any token while scanning for the next token"},
    {"kind: \377\n", "f:1:7: not valid YAML: invalid leading UTF-8 octet"},
    {"kind: [Host\n",
     "f:2:1: not valid YAML: did not find expected ',' or ']' while parsing a flow sequence"},
    {"kind: Host\n  name: h\n", "f:2:7: not valid YAML: mapping values are not allowed in this context"},
    {"", "f:1:1: expected a document, found none"},
    {"# nothing\n", "f:1:1: expected a document, found none"},
    {"---\n---\n", "f:1:1: expected a document, found none"},
};

static const struct bad bad_documents[] = {
    /* Three characters that end a line in YAML 1.1 and not in 1.2. */
    {"kind: Party # \xc2\x85\nname: \"a\xe2\x80\xa8\xe2\x80\xa9\"\n",
     "f:2:7: name: expected a name: 1 to 63 of a-z 0-9 -, with a letter or digit at both ends, found "
     "\"a\xe2\x80\xa8\xe2\x80\xa9\""},
    {"# \xc2\x85 \xe2\x80\xa8 \xe2\x80\xa9\nkind: Party\nnane: a\n",
     "f:3:1: nane: unknown key, did you mean \"name\"?"},
    {"hello\n", "f:1:1: expected a document (a map that begins with its kind), found \"hello\""},
    {"42\n", "f:1:1: expected a document (a map that begins with its kind), found the number 42"},
    {"[1]\n", "f:1:2: expected a document (a map that begins with its kind), found the number 1"},
    {"[[{kind: Party, name: p}]]\n",
     "f:1:2: expected a document (a map that begins with its kind), found a list"},
    {"name: x\n", "f:1:1: kind: missing: what the document is, Host, Party, Farm, Image, Pool, SLA, "
                  "ScalingRules, Filter, Lease, Contact or Key"},
    {"kind: Hots\n",
     "f:1:7: kind: expected Host, Party, Farm, Image, Pool, SLA, ScalingRules, Filter, Lease, "
     "Contact or Key, found "
     "\"Hots\", did you mean \"Host\"?"},
    {"kind: farm\n",
     "f:1:7: kind: expected Host, Party, Farm, Image, Pool, SLA, ScalingRules, Filter, Lease, "
     "Contact or Key, found "
     "\"farm\", did you mean \"Farm\"?"},
    {"kind: Zebra\n", "f:1:7: kind: expected Host, Party, Farm, Image, Pool, SLA, ScalingRules, Filter, "
                      "Lease, Contact or Key, found \"Zebra\""},
    {"kind: 5\n", "f:1:7: kind: expected Host, Party, Farm, Image, Pool, SLA, ScalingRules, Filter, Lease, "
                  "Contact or Key, "
                  "found the number 5"},
    {"kind: [Host]\n", "f:1:7: kind: expected Host, Party, Farm, Image, Pool, SLA, ScalingRules, Filter, "
                       "Lease, Contact or Key, found a list"},
    {"kind:\n", "f:1:6: kind: expected Host, Party, Farm, Image, Pool, SLA, ScalingRules, Filter, Lease, "
                "Contact or Key, "
                "found nothing"},
    {"kind: Contact\nname: ops\nparty: landlord\n",
     "f:1:1: expected at least one of mail, webhook and command"},
    {"kind: Contact\nname: ops\nparty: landlord\nmail: a@b\n",
     "f:1:1: smtp: mail and smtp go together: to whom, and by which server"},
    {"kind: Contact\nname: ops\nparty: landlord\nmail: \"a@b> x\"\nsmtp: smtp://m:25\n",
     "f:4:7: mail: expected an address such as ops@example.com"},
    {"kind: Contact\nname: ops\nparty: landlord\nmail: a@b\nfrom: \"x@y\\r\\nBcc: z\"\nsmtp: smtp://m:25\n",
     "f:5:7: from: expected an address such as croft@example.com"},
    {"kind: Contact\nname: ops\nparty: landlord\nmail: a@b\nsmtp: file:///etc/passwd\n",
     "f:5:7: smtp: expected smtp://HOST:PORT or smtps://HOST:PORT"},
    {"kind: Contact\nname: ops\nparty: landlord\nmail: a@b\nsmtp: smtp://m:25\nlogin: x\n",
     "f:1:1: secret: login and secret go together: who logs in, and the name of the password"},
    {"kind: Contact\nname: ops\nparty: landlord\nwebhook: http://h/\nlogin: x\nsecret: y\n",
     "f:5:8: login: a login is for the mail server: smtp is missing"},
    {"kind: Contact\nname: ops\nparty: landlord\nmail: a@b\nsmtp: smtp://m:25\nlogin: x\nsecret: ../y\n",
     "f:7:9: secret: expected a name of 1 to 63 of a-z 0-9 -: the password itself does not belong into a "
     "document"},
    {"kind: Contact\nname: ops\nparty: landlord\nwebhook: gopher://h/\n",
     "f:4:10: webhook: expected http://… or https://…"},
    {"kind: Contact\nname: ops\nparty: acme\ncommand: [sh]\n",
     "f:4:10: command: a command runs on the controller's machine: only the landlord has one"},
    {"kind: Pool\nname: p\non_failure: [{do: restart}]\n",
     "f:3:14: on_failure[0]: expected {do: notify, to: CONTACT}: a host that is down is looked at by others, "
     "fenced and replaced in any case"},
    {"kind: SLA\nname: g\nlevels: {committed: {rate: -1 EUR}}\n",
     "f:3:28: levels.committed.rate: expected an amount and its currency such as 0.020 EUR, not negative, "
     "found \"-1 EUR\""},
    {"kind: SLA\nname: g\nlevels: {committed: {rate: 0.5}}\n",
     "f:3:28: levels.committed.rate: expected an amount and its currency such as 0.020 EUR, not negative, "
     "found the number 0.5"},
    {"kind: SLA\nname: g\nlevels: {committed: {rate: 1 EUR, fee: 2 USD}}\n",
     "f:3:40: levels.committed.fee: USD after EUR: a service level has one currency"},
    {"kind: SLA\nname: g\nlevels: {guaranteed: {fee: 1 EUR}}\n",
     "f:3:22: levels.guaranteed.rate: missing: price of an instance for an hour"},
    {"kind: SLA\nname: g\ntarget: {response: 50ms, percentile: 100}\n",
     "f:3:38: target.percentile: 100 is out of range, expected 1 to 99.999"},
    {"kind: SLA\nname: g\ncredits: {below: 99, percent: 5}\n",
     "f:3:10: credits: credits are paid when a target is missed, and there is none"},
    {"kind: Filter\nname: x\nparty: p\n",
     "f:1:1: on: missing: whose ports it governs: a farm, a tier, an instance, a party, or all"},
    {"kind: Filter\nname: x\nparty: p\non: p//web\n",
     "f:4:5: on: expected what is governed: PARTY/FARM, PARTY/FARM/TIER, PARTY/FARM/TIER-N, a party, or all, "
     "found \"p//web\""},
    {"kind: Filter\nname: x\nparty: p\non: p/f\ndefault: reject\n",
     "f:5:10: default: expected deny or allow, found reject: end the rules with {action: reject}"},
    {"kind: Filter\nname: x\nparty: p\non: p/f\nrules: [{action: drop}]\n",
     "f:5:18: rules[0].action: expected deny, allow or reject, found \"drop\""},
    {"kind: Filter\nname: x\nparty: p\non: p/f\nrules: [{action: deny, from: 10.0.0.1/24}]\n",
     "f:5:30: rules[0].from: expected an IPv4 or IPv6 prefix (all bits behind it zero), farm:PARTY/FARM, "
     "tier:PARTY/FARM/TIER, instance:PARTY/FARM/TIER-N, internet or any, found \"10.0.0.1/24\""},
    {"kind: Filter\nname: x\nparty: p\non: p/f\nrules: [{action: deny, to: 'tier:web'}]\n",
     "f:5:28: rules[0].to: expected an IPv4 or IPv6 prefix (all bits behind it zero), farm:PARTY/FARM, "
     "tier:PARTY/FARM/TIER, instance:PARTY/FARM/TIER-N, internet or any, found \"tier:web\""},
    {"kind: Filter\nname: x\nparty: p\non: p/f\nrules: [{action: deny, port: 22}]\n",
     "f:5:30: rules[0].port: only tcp and udp have ports: say protocol: tcp or udp"},
    {"kind: Filter\nname: x\nparty: p\non: p/f\nrules: [{action: deny, protocol: icmp, from_port: 1-2}]\n",
     "f:5:34: rules[0].protocol: only tcp and udp have ports: say protocol: tcp or udp"},
    {"kind: Filter\nname: x\nparty: p\non: p/f\nrules: [{action: deny, protocol: 256}]\n",
     "f:5:34: rules[0].protocol: expected tcp, udp, icmp, icmpv6, any, or a number from 0 to 255, found the "
     "number 256"},
    {"kind: Filter\nname: x\nparty: p\non: p/f\nrules: [{action: deny, protocol: tcp, port: 9-8}]\n",
     "f:5:45: rules[0].port: expected a port such as 22 or a range such as 8000-8099, found \"9-8\""},
    {"kind: Filter\nname: x\nparty: p\non: p/f\nrules: [{action: deny, protocol: tcp, port: [22, 65536]}]\n",
     "f:5:50: rules[0].port[1]: expected a port such as 22 or a range such as 8000-8099, found the number "
     "65536"},
    {"kind: Filter\nname: x\nparty: p\non: p/f\nrules: [{action: deny, protocol: tcp, port: []}]\n",
     "f:5:45: rules[0].port: expected at least 1, found 0"},
    {"kind: Filter\nname: x\nparty: p\non: p/f\nrules: [{action: deny, from: 10.0.0.0/8, to: "
     "'2001:db8::/32'}]\n",
     "f:5:46: rules[0].to: one of from and to is IPv4, the other IPv6: no packet is both"},
    {"kind: Filter\nname: x\nparty: p\non: p/f\n---\nkind: Filter\nname: x\nparty: p\non: p/f\n",
     "f:7:7: name: another document is for filter \"p/x\" already"},
    {"kind: Lease\nname: x\nto: p\n", "f:1:1: rights: missing: what its holder may do"},
    {"kind: Lease\nname: x\nrights: [read]\n", "f:1:1: to: missing: who gets"},
    {"kind: Lease\nname: x\nto: p\nrights: []\n", "f:4:9: rights: expected at least 1, found 0"},
    {"kind: Lease\nname: x\nto: p\nrights: software\n", "f:4:9: rights: expected a list, found \"software\""},
    {"kind: Lease\nname: x\nto: p\nrights: [read, sofware]\n",
     "f:4:16: rights[1]: expected hardware, software, develop, lease or read, found \"sofware\""},
    {"kind: Lease\nname: x\nto: p\nrights: [read, lease, read]\n", "f:4:23: rights[2]: read is there twice"},
    {"kind: Lease\nname: x\nto: landlord\nrights: [read]\n", "f:3:5: to: the landlord leases from nobody"},
    {"kind: Lease\nname: x\nto: p\nrights: [read]\nuntil: tomorrow\n",
     "f:5:8: until: expected a date or time such as 2027-01-01 or 2027-01-01T00:00:00Z, or never, found "
     "\"tomorrow\""},
    {"kind: Lease\nname: x\nto: p\nrights: [read]\nuntil: 2027-02-30\n",
     "f:5:8: until: expected a date or time such as 2027-01-01 or 2027-01-01T00:00:00Z, or never, found "
     "\"2027-02-30\""},
    {"kind: Lease\nname: x\nto: p\nrights: [read]\ncapacity: {cpus: -1}\n",
     "f:5:18: capacity.cpus: expected a number of cores such as 0.5 or 8, or unlimited, found the number -1"},
    {"kind: Lease\nname: x\nto: p\nrights: [read]\nstate: over\n",
     "f:5:8: state: expected active or ended, found \"over\""},
    {"kind: Key\nname: landlord\n",
     "f:2:7: name: the landlord's secrets are made by its hosts and stay there"},
    {"kind: Key\nname: acme\ncustody: mine\n", "f:3:10: custody: expected host or tenant, found \"mine\""},
    {"kind: Key\ncustody: host\n", "f:1:1: name: missing: the party whose secret it is"},
    {"kind: Volume\n", "f:1:7: kind: kind Volume is not supported yet by this version"},
    {"kind: Site\n", "f:1:7: kind: kind Site is not supported yet by this version"},
    {"kind: Filtr\n", "f:1:7: kind: expected Host, Party, Farm, Image, Pool, SLA, ScalingRules, Filter, "
                      "Lease, Contact or Key, found "
                      "\"Filtr\", did you mean \"Filter\"?"},
    {"kind: Party\nname: p\n---\nkind: Party\nname: p\n",
     "f:5:7: name: another document is for party \"p\" already"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\n---\nkind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: "
     "'i:1'}, {name: db, image: 'i:1'}]\n",
     "f:8:7: name: another document is for farm \"p/f\" already"},
    {"kind: Party\nname: landlord\n", "f:2:7: name: the party landlord is built in, choose another name"},
    {"kind: Pool\n", "f:1:1: name: missing: what its hosts name it"},
    {"kind: Pool\nname: p\nsurvive: rakc\n",
     "f:3:10: survive: expected none, host, rack, zone, site or a depth of the zone path, 1 to 8, found "
     "\"rakc\""},
    {"kind: Pool\nname: p\nsurvive: 9\n",
     "f:3:10: survive: expected none, host, rack, zone, site or a depth of the zone path, 1 to 8, found the "
     "number 9"},
    {"kind: Pool\nname: p\nsurvive:\n",
     "f:3:9: survive: expected none, host, rack, zone, site or a depth of the zone path, 1 to 8, found "
     "nothing"},
    {"kind: Pool\nname: p\nsurvives: host\n", "f:3:1: survives: unknown key, did you mean \"survive\"?"},
    {"kind: Pool\nname: p\n---\nkind: Pool\nname: p\n",
     "f:5:7: name: another document is for pool \"p\" already"},
    {"kind: Party\nname: p\nparent: p\n", "f:3:9: parent: a party cannot be its own parent"},
};

static const struct bad bad_hosts_and_parties[] = {
    {"kind: Host\n", "f:1:1: name: missing: the host's name"},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: 1, memory: 1Gi}\nnmae: x\n",
     "f:5:1: nmae: unknown key, did you mean \"name\"?"},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: 1, memory: 1Gi}\nzzzzzz: x\n",
     "f:5:1: zzzzzz: unknown key, expected one of: name, zone, pool, class, capacity, reserve, state"},
    {"kind: Host\nname: H1\nzone: e\ncapacity: {cpus: 1, memory: 1Gi}\n",
     "f:2:7: name: expected a name: 1 to 63 of a-z 0-9 -, with a letter or digit at both ends, found \"H1\""},
    {"kind: Host\nname: -h\nzone: e\ncapacity: {cpus: 1, memory: 1Gi}\n",
     "f:2:7: name: expected a name: 1 to 63 of a-z 0-9 -, with a letter or digit at both ends, found \"-h\""},
    {"kind: Host\nname: 12\nzone: e\ncapacity: {cpus: 1, memory: 1Gi}\n",
     "f:2:7: name: expected a name: 1 to 63 of a-z 0-9 -, with a letter or digit at both ends, found the "
     "number 12 (text of that form needs quotes)"},
    {"kind: Host\nname: true\nzone: e\ncapacity: {cpus: 1, memory: 1Gi}\n",
     "f:2:7: name: expected a name: 1 to 63 of a-z 0-9 -, with a letter or digit at both ends, found true "
     "(text of that form needs quotes)"},
    {"kind: Host\nname:\nzone: e\ncapacity: {cpus: 1, memory: 1Gi}\n",
     "f:2:6: name: expected a name: 1 to 63 of a-z 0-9 -, with a letter or digit at both ends, found "
     "nothing"},
    {"kind: Host\nname: [h]\nzone: e\ncapacity: {cpus: 1, memory: 1Gi}\n",
     "f:2:7: name: expected a name: 1 to 63 of a-z 0-9 -, with a letter or digit at both ends, found a list"},
    {"kind: Host\nname: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nzone: e\ncapacity: "
     "{cpus: 1, memory: 1Gi}\n",
     "f:2:7: name: expected a name: 1 to 63 of a-z 0-9 -, with a letter or digit at both ends, found "
     "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\342\200\246\""},
    {"kind: Host\nname: ''\nzone: e\ncapacity: {cpus: 1, memory: 1Gi}\n",
     "f:2:7: name: expected a name: 1 to 63 of a-z 0-9 -, with a letter or digit at both ends, found \"\""},
    {"kind: Host\nname: h\nzone: /e\ncapacity: {cpus: 1, memory: 1Gi}\n",
     "f:3:7: zone: expected a path of 1 to 8 zone names such as east/b1/r1, found \"/e\""},
    {"kind: Host\nname: h\nzone: e/f/\ncapacity: {cpus: 1, memory: 1Gi}\n",
     "f:3:7: zone: expected a path of 1 to 8 zone names such as east/b1/r1, found \"e/f/\""},
    {"kind: Host\nname: h\nzone: a/b/c/d/e/f/g/h/i\ncapacity: {cpus: 1, memory: 1Gi}\n",
     "f:3:7: zone: expected a path of 1 to 8 zone names such as east/b1/r1, found \"a/b/c/d/e/f/g/h/i\""},
    {"kind: Host\nname: h\ncapacity: {cpus: 1, memory: 1Gi}\n",
     "f:1:1: zone: missing: path of the zones it is in; the first is the site"},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: 1, memory: 1Gi}\nstate: activ\n",
     "f:5:8: state: expected active, draining or off, found \"activ\", did you mean \"active\"?"},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: 1, memory: 1Gi}\nstate: up\n",
     "f:5:8: state: expected active, draining or off, found \"up\""},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: 1, memory: 1Gi}\nstate: 1\n",
     "f:5:8: state: expected active, draining or off, found the number 1"},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: 1, memory: 1Gi}\npool: a b\n",
     "f:5:7: pool: expected a name: 1 to 63 of a-z 0-9 -, with a letter or digit at both ends, found \"a "
     "b\""},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: 1, memory: 1Gi}\nclass: A\n",
     "f:5:8: class: expected a name: 1 to 63 of a-z 0-9 -, with a letter or digit at both ends, found \"A\""},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: 1.0005, memory: 1Gi}\n",
     "f:4:18: capacity.cpus: expected a number of cores such as 0.5 or 8, found the number 1.0005"},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: 0, memory: 1Gi}\n",
     "f:4:18: capacity.cpus: 0 is out of range, expected 0.001 to 100000"},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: -1, memory: 1Gi}\n",
     "f:4:18: capacity.cpus: expected a number of cores such as 0.5 or 8, found the number -1"},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: many, memory: 1Gi}\n",
     "f:4:18: capacity.cpus: expected a number of cores such as 0.5 or 8, found \"many\""},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: 1, memory: 1GB}\n",
     "f:4:29: capacity.memory: expected bytes such as 64Mi or 10Gi (units Ki Mi Gi Ti or none), found "
     "\"1GB\""},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: 1, memory: 1gi}\n",
     "f:4:29: capacity.memory: expected bytes such as 64Mi or 10Gi (units Ki Mi Gi Ti or none), found "
     "\"1gi\""},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: 1, memory: 0.1Ki}\n",
     "f:4:29: capacity.memory: expected bytes such as 64Mi or 10Gi (units Ki Mi Gi Ti or none), found "
     "\"0.1Ki\""},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: 1, memmory: 1Gi}\n",
     "f:4:21: capacity.memmory: unknown key, did you mean \"memory\"?"},
    {"kind: Host\nname: h\nzone: e\ncapacity: {memory: 1Gi}\n", "f:4:11: capacity.cpus: missing: cores"},
    {"kind: Host\nname: h\nzone: e\ncapacity: 8\n",
     "f:4:11: capacity: expected a map (capacity), found the number 8"},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: 1, memory: 1Gi, network: 10g}\n",
     "f:4:43: capacity.network: expected bits per second such as 10G or 100M (units K M G or none), found "
     "\"10g\""},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: 1, memory: 2000Ti}\n",
     "f:4:29: capacity.memory: 2000Ti is out of range, expected \"1\" to \"1024Ti\""},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: 1, memory: 1Gi}\nreserve: {cpus: 2}\n",
     "f:5:17: reserve.cpus: more is reserved than the host's capacity has"},
    {"kind: Host\nname: h\nzone: e\ncapacity: {cpus: 1, memory: 1Gi}\nreserve: {memory: 2Gi}\n",
     "f:5:19: reserve.memory: more is reserved than the host's capacity has"},
    {"kind: Party\nname: p\nquota: {cpus: x}\n",
     "f:3:15: quota.cpus: expected a number of cores such as 0.5 or 8, or unlimited, found \"x\""},
    {"kind: Party\nname: p\nquota: {instances: -1}\n",
     "f:3:20: quota.instances: expected a whole number or unlimited, found the number -1"},
    {"kind: Party\nname: p\nquota: {instances: 1.5}\n",
     "f:3:20: quota.instances: expected a whole number or unlimited, found the number 1.5"},
    {"kind: Party\nname: p\nquota: {farm: 1}\n", "f:3:9: quota.farm: unknown key, did you mean \"farms\"?"},
    {"kind: Party\nname: p\nquota: none\n", "f:3:8: quota: expected a map (quota), found \"none\""},
    {"kind: Image\nname: hello\ndigest: "
     "sha256:0000000000000000000000000000000000000000000000000000000000000000\nlayers: []\n",
     "f:2:7: name: expected an image as NAME:TAG such as hello:1, found \"hello\""},
    {"kind: Image\nname: hello:1\ndigest: sha256:12\nlayers: []\n",
     "f:3:9: digest: expected sha256: and 64 hexadecimal digits, found \"sha256:12\""},
    {"kind: Image\nname: hello:1\ndigest: "
     "sha256:0000000000000000000000000000000000000000000000000000000000000000\nlayers: [x]\n",
     "f:4:10: layers[0]: expected sha256: and 64 hexadecimal digits, found \"x\""},
    {"kind: Image\nname: hello:1\ndigest: "
     "sha256:0000000000000000000000000000000000000000000000000000000000000000\nlayers: []\nuser: root\n",
     "f:5:7: user: expected a user by number such as \"0\" or \"1000:1000\", found \"root\""},
};

static const struct bad bad_farms[] = {
    {"kind: Farm\nnaem: f\nparty: p\nsubnet: 10.0.0.0/24\n",
     "f:2:1: naem: unknown key, did you mean \"name\"?"},
    {"kind: Farm\nname: f\nsubnet: 10.0.0.0/24\n", "f:1:1: party: missing: whose it is"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.5/24\n",
     "f:4:9: subnet: expected an IPv4 network such as 10.0.0.0/24 (all bits behind the prefix zero), found "
     "\"10.0.0.5/24\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0\n",
     "f:4:9: subnet: expected an IPv4 network such as 10.0.0.0/24 (all bits behind the prefix zero), found "
     "\"10.0.0.0\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0/24\n",
     "f:4:9: subnet: expected an IPv4 network such as 10.0.0.0/24 (all bits behind the prefix zero), found "
     "\"10.0.0/24\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/31\n",
     "f:4:9: subnet: expected a network of /8 to /30, found /31"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/33\n",
     "f:4:9: subnet: expected an IPv4 network such as 10.0.0.0/24 (all bits behind the prefix zero), found "
     "\"10.0.0.0/33\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 127.0.0.0/24\n",
     "f:4:9: subnet: expected a network for hosts such as 10.0.0.0/24, not one of special use"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 224.0.0.0/24\n",
     "f:4:9: subnet: expected a network for hosts such as 10.0.0.0/24, not one of special use"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\nstate: runing\n",
     "f:5:8: state: expected running or stopped, found \"runing\", did you mean \"running\"?"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: {name: t}\n",
     "f:5:8: tiers: expected a list, found a map"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [t]\n",
     "f:5:9: tiers[0]: expected a map (tier), found \"t\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{image: 'i:1'}]\n",
     "f:5:9: tiers[0].name: missing: the tier's name"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: t}]\n",
     "f:5:9: tiers[0].image: missing: what its instances run, NAME:TAG"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: balance, image: 'i:1'}]\n",
     "f:5:16: tiers[0].name: the name \"balance\" is reserved, choose another for the tier"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: internet, image: 'i:1'}]\n",
     "f:5:16: tiers[0].name: the name \"internet\" is reserved, choose another for the tier"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: web, "
     "image: 'i:1'}]\n",
     "f:5:43: tiers[1].name: tiers[0] has the name \"web\" already"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  image2: x\n",
     "f:8:3: tiers[0].image2: unknown key, did you mean \"image\"?"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  imgae: x\n",
     "f:8:3: tiers[0].imgae: unknown key, did you mean \"image\"?"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  driver: vm\n",
     "f:8:11: tiers[0].driver: driver vm is not supported yet by this version"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  driver: host\n",
     "f:8:11: tiers[0].driver: driver host is not supported yet by this version"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  driver: "
     "docker\n",
     "f:8:11: tiers[0].driver: expected container, vm or host, found \"docker\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  driver: "
     "contaner\n",
     "f:8:11: tiers[0].driver: expected container, vm or host, found \"contaner\", did you mean "
     "\"container\"?"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  volumes: "
     "[{name: d, size: 1Gi, mount: /d}]\n",
     "f:8:12: tiers[0].volumes: volumes are not supported yet by this version"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  volumes: "
     "[{name: d, size: 1Gi}]\n",
     "f:8:13: tiers[0].volumes[0].mount: missing: where it is in the instance"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: t, image: hello}]\n",
     "f:5:26: tiers[0].image: expected an image as NAME:TAG such as hello:1, found \"hello\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: t, image: 'a/b:1'}]\n",
     "f:5:26: tiers[0].image: expected an image as NAME:TAG such as hello:1, found \"a/b:1\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  count: -1\n",
     "f:8:10: tiers[0].count: -1 is out of range, expected 0 to 10000"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  count: 10001\n",
     "f:8:10: tiers[0].count: 10001 is past the limit of 10000 instances a tier"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  count: two\n",
     "f:8:10: tiers[0].count: expected a whole number, found \"two\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  count: [1]\n",
     "f:8:10: tiers[0].count: expected a whole number, found a list"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  count: "
     "{comitted: 1}\n",
     "f:8:11: tiers[0].count.comitted: unknown key, did you mean \"committed\"?"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  count: "
     "{committed: 3, guaranteed: 2}\n",
     "f:8:37: tiers[0].count.guaranteed: 2 is less than committed, 3"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  count: "
     "{committed: 1, max: 0}\n",
     "f:8:30: tiers[0].count.max: 0 is less than guaranteed, 1"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  count: "
     "{guaranteed: 5, max: 4}\n",
     "f:8:31: tiers[0].count.max: 4 is less than guaranteed, 5"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  count: 1.5\n",
     "f:8:10: tiers[0].count: expected a whole number, found the number 1.5"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  count:\n",
     "f:8:9: tiers[0].count: has no value: expected a map, or only its \"committed\" "
     "(instances that always run)"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  size: 1\n",
     "f:8:9: tiers[0].size: expected a map (size), found the number 1"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  size: {memory: "
     "64}\n",
     "f:8:18: tiers[0].size.memory: 64 is out of range, expected \"1Mi\" to \"1024Ti\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  size: {memory: "
     "64mb}\n",
     "f:8:18: tiers[0].size.memory: expected bytes such as 64Mi or 10Gi (units Ki Mi Gi Ti or none), found "
     "\"64mb\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  size: {cpu: "
     "1}\n",
     "f:8:10: tiers[0].size.cpu: unknown key, did you mean \"cpus\"?"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  capacity: -1\n",
     "f:8:13: tiers[0].capacity: -1 is out of range, expected 0 to 9223372036854775807"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  command: "
     "httpd\n",
     "f:8:12: tiers[0].command: expected a list, found \"httpd\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  command: "
     "[httpd, 8080]\n",
     "f:8:20: tiers[0].command[1]: expected text, found the number 8080 (text of that form needs quotes)"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  command: "
     "[httpd, yes, no, true]\n",
     "f:8:29: tiers[0].command[3]: expected text, found true (text of that form needs quotes)"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  env: [A]\n",
     "f:8:8: tiers[0].env: expected a map of names to texts, found a list"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  env: {A: 1}\n",
     "f:8:12: tiers[0].env.A: expected text, found the number 1 (text of that form needs quotes)"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  env: {'A=B': "
     "x}\n",
     "f:8:16: tiers[0].env.A=B: expected the name of a variable: text without ="},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  env: {A: {B: "
     "c}}\n",
     "f:8:12: tiers[0].env.A: expected text, found a map"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  files: [{path: "
     "etc/motd}]\n",
     "f:8:18: tiers[0].files[0].path: expected an absolute path without . and .. such as /etc/motd, found "
     "\"etc/motd\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  files: [{path: "
     "/etc/../x}]\n",
     "f:8:18: tiers[0].files[0].path: expected an absolute path without . and .. such as /etc/motd, found "
     "\"/etc/../x\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  files: [{path: "
     "/x, mode: 644}]\n",
     "f:8:28: tiers[0].files[0].mode: expected permission bits in octal such as \"0644\", found the number "
     "644"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  files: [{path: "
     "/x, mode: '0888'}]\n",
     "f:8:28: tiers[0].files[0].mode: expected permission bits in octal such as \"0644\", found \"0888\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  files: "
     "[{content: x}]\n",
     "f:8:11: tiers[0].files[0].path: missing: where it is in the instance"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  files:\n  - "
     "{path: /a/b}\n  - {path: /a}\n  - {path: /a/b}\n",
     "f:11:12: tiers[0].files[2].path: another of the tier's files has the path \"/a/b\" already"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  files: [{path: "
     "/}]\n",
     "f:8:18: tiers[0].files[0].path: expected the path of a file, found \"/\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  health: {}\n",
     "f:8:11: tiers[0].health: expected one of http, tcp, exec and heartbeat"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  health: {http: "
     "healthz, port: 80}\n",
     "f:8:18: tiers[0].health.http: expected an absolute path without . and .. such as /etc/motd, found "
     "\"healthz\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  health: {http: "
     "/}\n",
     "f:8:11: tiers[0].health.port: missing: port of http or tcp"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  health: {http: "
     "/, tcp: 80}\n",
     "f:8:11: tiers[0].health: expected one of http, tcp, exec and heartbeat"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  health: {tcp: "
     "80, port: 81}\n",
     "f:8:27: tiers[0].health.port: the port is given twice, by tcp and by port"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  health: {tcp: "
     "true}\n",
     "f:8:11: tiers[0].health.port: missing: port of http or tcp"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  health: {tcp: "
     "70000}\n",
     "f:8:17: tiers[0].health.tcp: expected a port, 1 to 65535, or true beside `port`, found the number "
     "70000"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  health: {exec: "
     "[]}\n",
     "f:8:18: tiers[0].health.exec: expected at least 1, found 0"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  health: {exec: "
     "[a], port: 1}\n",
     "f:8:29: tiers[0].health.port: a check by exec has no port"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  health: {tcp: "
     "80, every: 1}\n",
     "f:8:28: tiers[0].health.every: expected a duration such as 250ms, 5s, 10m, 2h or 7d, found the number "
     "1"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  health: {tcp: "
     "80, every: 1ms}\n",
     "f:8:28: tiers[0].health.every: 1ms is out of range, expected \"10ms\" to \"1d\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  health: {tcp: "
     "80, evry: 1s}\n",
     "f:8:21: tiers[0].health.evry: unknown key, did you mean \"every\"?"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  health: {tcp: "
     "80, fails: 0}\n",
     "f:8:28: tiers[0].health.fails: 0 is out of range, expected 1 to 1000"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  health: tcp\n",
     "f:8:11: tiers[0].health: expected a map (health), found \"tcp\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  health: "
     "{heartbeat: 5s, tcp: 80}\n",
     "f:8:11: tiers[0].health: expected one of http, tcp, exec and heartbeat"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  health: "
     "{heartbeat: 5s, port: 80}\n",
     "f:8:33: tiers[0].health.port: a heartbeat comes by itself: it has no port"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  health: "
     "{heartbeat: 5s, fails: 2}\n",
     "f:8:34: tiers[0].health.fails: a heartbeat comes by itself: it has no fails"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  health: "
     "{heartbeat: 500ms}\n",
     "f:8:23: tiers[0].health.heartbeat: 500ms is out of range, expected \"1s\" to \"1d\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  metadata: {a/b: "
     "x}\n",
     "f:8:19: tiers[0].metadata.a/b: expected a name of 1 to 63 letters, digits and . _ -"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  metadata: {a: "
     "1}\n",
     "f:8:17: tiers[0].metadata.a: expected text, found the number 1 (text of that form needs quotes)"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  warm: 10001\n",
     "f:8:9: tiers[0].warm: 10001 is past the limit of 10000 instances a tier"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  count: 9000\n  "
     "warm: 1001\n",
     "f:9:9: tiers[0].warm: 1001 with those of max are past the limit of 10000 instances a tier"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  spread: row\n",
     "f:8:11: tiers[0].spread: expected host, rack, zone, site or a depth of the zone path, 1 to 8, found "
     "\"row\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  spread: 9\n",
     "f:8:11: tiers[0].spread: expected host, rack, zone, site or a depth of the zone path, 1 to 8, found "
     "the number 9"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  spread: "
     "{strict: true}\n",
     "f:8:11: tiers[0].spread.by: missing: what members stay apart by"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  spread: {by: "
     "rack, strict: yes}\n",
     "f:8:30: tiers[0].spread.strict: expected true or false, found \"yes\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  priority: 101\n",
     "f:8:13: tiers[0].priority: 101 is out of range, expected 0 to 100"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  priority: "
     "high\n",
     "f:8:13: tiers[0].priority: expected a whole number, found \"high\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  needs: [t2]\n",
     "f:8:11: tiers[0].needs[0]: there is no tier \"t2\", did you mean \"t\"?"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  needs: t\n",
     "f:8:10: tiers[0].needs: expected a list, found \"t\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  needs: [t]\n",
     "f:8:10: tiers[0].needs: tiers need each other in a circle: t needs t"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: a, image: 'i:1', needs: [b]}, "
     "{name: b, image: 'i:1', needs: [c]}, {name: c, image: 'i:1', needs: [b]}]\n",
     "f:5:77: tiers[1].needs: tiers need each other in a circle: b needs c needs b"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: front, image: 'i:1', needs: "
     "[bakc]}, {name: back, image: 'i:1'}]\n",
     "f:5:45: tiers[0].needs[0]: there is no tier \"bakc\", did you mean \"back\"?"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers:\n- name: t\n  image: i:1\n  count: 300\n",
     "f:4:9: subnet: has room for 254 addresses, but the gateway, the balancer and all instances (max and "
     "warm) need 301"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/30\ntiers: [{name: t, image: 'i:1'}]\nbalance: [{name: "
     "b, port: 80, to: 't:80'}]\n",
     "f:4:9: subnet: has room for 2 addresses, but the gateway, the balancer and all instances (max and "
     "warm) need 3"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nbalance: [{name: b, port: 80, to: web}]\n",
     "f:6:35: balance[0].to: expected TIER:PORT such as \"web:8080\", found \"web\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nbalance: [{name: b, port: 80, to: 'wbe:80'}]\n",
     "f:6:35: balance[0].to: there is no tier \"wbe\", did you mean \"web\"?"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nbalance: [{name: b, port: 80, to: 'nothing:80'}]\n",
     "f:6:35: balance[0].to: there is no tier \"nothing\" in this farm"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nbalance: [{name: b, port: 0, to: 'web:80'}]\n",
     "f:6:27: balance[0].port: expected a port, 1 to 65535, found the number 0"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nbalance: [{name: b, port: '80', to: 'web:80'}]\n",
     "f:6:27: balance[0].port: expected a port, 1 to 65535, found \"80\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nbalance: [{name: b, mode: udp, port: 80, to: 'web:80'}]\n",
     "f:6:27: balance[0].mode: expected http or tcp, found \"udp\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nbalance: [{name: b, port: 80, to: 'web:80', publish: '127.0.0.1'}]\n",
     "f:6:54: balance[0].publish: expected ADDR:PORT such as 127.0.0.1:8080, or auto, found \"127.0.0.1\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nbalance: [{name: b, port: 80, to: 'web:80', publish: 'localhost:80'}]\n",
     "f:6:54: balance[0].publish: expected ADDR:PORT such as 127.0.0.1:8080, or auto, found "
     "\"localhost:80\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nbalance: [{name: b, port: 80, to: 'web:80', publish: '1.2.3.4:0'}]\n",
     "f:6:54: balance[0].publish: expected ADDR:PORT such as 127.0.0.1:8080, or auto, found \"1.2.3.4:0\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nbalance: [{name: b, port: 80, to: 'web:80', publish: 8080}]\n",
     "f:6:54: balance[0].publish: expected ADDR:PORT such as 127.0.0.1:8080, or auto, found the number 8080"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nbalance: [{name: b, port: 80, to: 'web:80'}, {name: b, port: 81, to: 'web:80'}]\n",
     "f:6:53: balance[1].name: balance[0] has the name \"b\" already"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nbalance: [{name: b, port: 80, to: 'web:80'}, {name: c, port: 80, to: 'web:80'}]\n",
     "f:6:62: balance[1].port: balance[0] has port 80 already"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nbalance: [{name: b, port: 80, to: 'web:80', publish: '1.2.3.4:1'}, {name: c, port: 81, "
     "to: 'web:80', publish: '1.2.3.4:1'}]\n",
     "f:6:111: balance[1].publish: balance[0] is published at 1.2.3.4:1 already"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nallow: [{from: wbe, to: db, port: 1/tcp}]\n",
     "f:6:16: allow[0].from: there is no tier \"wbe\", did you mean \"web\"?"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nallow: [{from: web, to: bd, port: 1/tcp}]\n",
     "f:6:25: allow[0].to: there is no tier \"bd\", did you mean \"db\"?"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nallow: [{from: web, to: balance, port: 1/tcp}]\n",
     "f:6:25: allow[0].to: there is no tier \"balance\" in this farm"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nallow: [{from: web, to: intrenet, port: 1/tcp}]\n",
     "f:6:25: allow[0].to: there is no tier \"intrenet\", did you mean \"internet\"?"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nallow: [{from: web, to: balance, port: 1/tcp}]\n",
     "f:6:25: allow[0].to: there is no tier \"balance\" in this farm"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nallow: [{from: internet, to: internet, port: 1/tcp}]\n",
     "f:6:30: allow[0].to: from and to are both the internet, one must be a tier"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nallow: [{from: internet, to: web, port: 80/tcp}]\n",
     "f:6:16: allow[0].from: the internet cannot reach tier web directly; publish it through the balancer: "
     "`balance: [{name: web, port: 80, to: \"web:PORT\", publish: auto}]`"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nallow: [{from: web, to: db, port: 5432}]\n",
     "f:6:35: allow[0].port: expected a port with its protocol such as 5432/tcp, 8000-8099/udp, all/tcp, "
     "icmp or all, found the number 5432"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nallow: [{from: web, to: db, port: 5432/sctp}]\n",
     "f:6:35: allow[0].port: expected a port with its protocol such as 5432/tcp, 8000-8099/udp, all/tcp, "
     "icmp or all, found \"5432/sctp\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nallow: [{from: web, to: db, port: 90-80/tcp}]\n",
     "f:6:35: allow[0].port: expected a port with its protocol such as 5432/tcp, 8000-8099/udp, all/tcp, "
     "icmp or all, found \"90-80/tcp\""},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nallow: [{from: web, to: db}]\n",
     "f:6:9: allow[0].port: missing: port and protocol such as 5432/tcp"},
    {"kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: 'i:1'}, {name: db, "
     "image: 'i:1'}]\nallow: [{from: web, to: db, port: 0/tcp}]\n",
     "f:6:35: allow[0].port: expected a port with its protocol such as 5432/tcp, 8000-8099/udp, all/tcp, "
     "icmp or all, found \"0/tcp\""},
};

static void check_all(const struct bad *bad, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        assert_string_equal(check_refused(arena, bad[i].text, strlen(bad[i].text)), bad[i].expected);
    }
}

static void refuses_bad_syntax(void **state)
{
    check_all(bad_syntax, LENGTH(bad_syntax));
}

static void refuses_bad_documents(void **state)
{
    check_all(bad_documents, LENGTH(bad_documents));
}

static void refuses_bad_hosts_and_parties(void **state)
{
    check_all(bad_hosts_and_parties, LENGTH(bad_hosts_and_parties));
}

static void refuses_bad_farms(void **state)
{
    check_all(bad_farms, LENGTH(bad_farms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_syntax),
        cmocka_unit_test(refuses_bad_documents),
        cmocka_unit_test(refuses_bad_hosts_and_parties),
        cmocka_unit_test(refuses_bad_farms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
