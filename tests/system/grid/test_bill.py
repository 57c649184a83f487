#!/usr/bin/python3
"""System test: what is used is billed, and the bill proves itself. usage: test_bill.py CROFT"""

import csv
import datetime
import io
import json
import re
import sys
from decimal import Decimal

from grid import Grid, Tap, equal, kill, needs_root, wait_until

tap = Tap()

SLA = {'kind': 'SLA', 'name': 'gold', 'period': 'month', 'target': {'response': '50ms', 'percentile': 99},
       'levels': {'committed': {'rate': '3600 EUR'}, 'guaranteed': {'rate': '7200 EUR', 'fee': '5 EUR'}}}

# The columns of FOCUS 1.2: mandatory ones; others whose condition holds or that it recommends.
FOCUS = set('BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd BillingPeriodStart ChargeCategory '
            'ChargeClass ChargeDescription ChargePeriodEnd ChargePeriodStart ContractedCost EffectiveCost InvoiceIssuerName ListCost '
            'PricingQuantity PricingUnit ProviderName PublisherName ServiceCategory ServiceName'.split())
FOCUS_CONDITIONAL = set('ChargeFrequency ConsumedQuantity ConsumedUnit ContractedUnitPrice ListUnitPrice PricingCategory RegionId '
                        'RegionName ResourceId ResourceName ResourceType ServiceSubcategory SkuId SkuMeter SkuPriceDetails SkuPriceId '
                        'SubAccountId SubAccountName Tags'.split())


def bill(grid, *arguments, **options):
    return json.loads(grid.do('bill', '-o', 'json', *arguments, **options))


def milliseconds(made, use):
    return sum(line['instance_ms'] for line in made['lines'] if line['use'] == use and line['charge'] == 'use')


@tap.case('a farm is billed while it serves, over the death of the controller and of a host; rates change in the middle')
def story(grid):
    grid.apply(json.dumps(SLA))
    grid.apply(grid.farm('shop', grid.publish(), sla='gold'), wait=True)
    wait_until('a second is billed', lambda: milliseconds(bill(grid), 'committed') > 1000)
    kill(grid.controller_pid())
    wait_until('the controller is back', lambda: grid.cli('bill').returncode == 0)
    before = milliseconds(bill(grid), 'committed')
    SLA['levels']['committed']['rate'] = '1800 EUR'
    grid.apply(json.dumps(SLA))
    wait_until('time at the new rate', lambda: milliseconds(bill(grid), 'committed') > before + 1000)
    victim = grid.instances('acme/shop', 'web')[0]['host']
    kill(grid.host(victim)['pid'])
    wait_until('it is down', lambda: grid.host(victim)['state'] == 'down')
    grid.wait_ready('acme/shop')
    made = bill(grid)
    assert made['proof']['holds'], made['proof']
    lines = [line for line in made['lines'] if line['use'] == 'committed']
    equal([line['price'] for line in lines], [3600, 1800], 'a line for each rate')
    for line in lines:  # a euro a second: milliseconds are thousandths of one
        equal(round(line['amount'] * 1000), round(line['instance_ms'] * line['price'] / 3600), line)
    equal(lines[0]['to'], lines[1]['from'], 'where the rates meet')


@tap.case('a host that ends together with the controller is billed until it was heard last, not until somebody noticed')
def lost_unseen(grid):
    grid.apply(json.dumps(SLA))
    grid.apply(grid.farm('shop', sla='gold'), wait=True)
    victim = grid.instances('acme/shop', 'web')[0]['host']
    wait_until('a second is billed', lambda: milliseconds(bill(grid), 'committed') > 1000)
    host, controller = grid.host(victim)['pid'], grid.controller_pid()
    ended = datetime.datetime.now(datetime.timezone.utc)
    kill(host)
    kill(controller)
    wait_until('it is down', lambda: grid.cli('get', 'hosts', victim, '-o', 'json').stdout.count('"state":"down"'))
    grid.wait_ready('acme/shop')
    made = bill(grid, '--intervals')
    assert made['proof']['holds'], made['proof']
    there = [row for row in made['intervals'] if row['host'] == victim and row['use'] in ('committed', 'guaranteed')]
    assert there, made['intervals']
    for row in there:
        # By the last beat; nobody else knows when exactly it ended.
        assert datetime.datetime.fromisoformat(row['to']) <= ended + datetime.timedelta(milliseconds=10), (row, ended)


@tap.case('csv has the columns of FOCUS, and its costs add up to the invoice')
def focus(grid):
    made = bill(grid, '--to', bill(grid)['to'])  # a time that is over: it comes out the same again
    text = grid.do('bill', '--to', made['to'], '-o', 'csv')
    rows = list(csv.DictReader(io.StringIO(text)))
    equal(set(rows[0]), FOCUS | FOCUS_CONDITIONAL, 'columns')
    assert all(None not in row and None not in row.values() for row in rows), 'all rows have all columns'
    equal({row['ChargeCategory'] for row in rows} - {'Usage', 'Purchase', 'Credit', 'Adjustment'}, set())
    for row in rows:
        empty = {name for name in FOCUS if not row[name]}
        assert empty <= {'BillingAccountName', 'ChargeClass', 'ChargeDescription', 'PricingQuantity', 'PricingUnit'}, (empty, row)
        for name in ('BillingPeriodStart', 'BillingPeriodEnd', 'ChargePeriodStart', 'ChargePeriodEnd'):
            assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ', row[name]), (name, row)
        for name in row:
            if name.endswith(('Cost', 'UnitPrice', 'Quantity')) and row[name]:
                assert re.fullmatch(r'-?\d+(\.\d+)?', row[name]), (name, row)
    tagged = next(row for row in rows if row['ResourceId'] == 'acme/shop/web' and row['SkuId'] == 'gold/committed')
    equal(json.loads(tagged['Tags']), {'croft/party': 'acme', 'croft/farm': 'acme/shop', 'croft/tier': 'web'})
    equal({tagged['RegionId'], tagged['RegionName']}, {grid.host('h1')['zone'].split('/')[0]}, 'where it ran')
    total = sum(Decimal(row['BilledCost']) for row in rows if row['BillingCurrency'] == 'EUR')
    equal(total, Decimal(str(made['totals'][0]['amount'])).quantize(Decimal('0.000001')), 'what the invoice says')
    for row in rows:
        if row['PricingQuantity'] and Decimal(row['BilledCost']):
            off = Decimal(row['PricingQuantity']) * Decimal(row['ListUnitPrice']) - Decimal(row['ListCost'])
            assert abs(off) < Decimal('0.00001'), row


@tap.case('invoices are in the minor unit of their currency, and currencies are not added up')
def currencies(grid):
    for name, currency in (('gold', 'EUR'), ('yen', 'JPY')):
        grid.apply(json.dumps({'kind': 'SLA', 'name': name, 'levels': {'committed': {'rate': f'3601.7 {currency}'},
                                                                       'guaranteed': {'rate': f'1 {currency}'}}}))
        grid.apply(grid.farm(f'in-{name}', sla=name), wait=True)
    wait_until('both owe something', lambda: {total['currency'] for total in bill(grid)['totals'] if total['amount'] >= 1} >= {'EUR', 'JPY'})
    to = bill(grid)['to']
    told = grid.do('bill', '--to', to)
    assert re.search(r'^total: \d+ JPY$', told, re.MULTILINE) and re.search(r'^total: \d+\.\d\d EUR$', told, re.MULTILINE), told
    rows = list(csv.DictReader(io.StringIO(grid.do('bill', '--to', to, '-o', 'csv'))))
    for currency, decimals in (('EUR', 2), ('JPY', 0)):
        total = sum(Decimal(row['BilledCost']) for row in rows if row['BillingCurrency'] == currency)
        assert total > 0 and total == round(total, decimals), (currency, total)


@tap.case('a tenant sees its own; what is asked for wrongly gets one line')
def asked(grid):
    grid.apply(json.dumps(SLA))
    grid.apply(grid.farm('shop', sla='gold'), wait=True)
    token = json.loads(grid.do('token', 'create', '--party', 'acme', '-o', 'json'))['token']
    assert 'had' not in bill(grid, token=token)['proof']['dimensions'][0]
    equal(grid.cli('bill', '--party', 'landlord', token=token).returncode, 3)
    for arguments in (('--from', '2026-02-30'), ('--from', '2026-13'), ('--to', 'x'), ('--from', '9999-01'),
                      ('--from', '2020-02', '--to', '2020-01')):
        said = grid.cli('bill', *arguments)
        equal(said.returncode, 2, said)
        equal(len(said.stderr.splitlines()), 1, said)
    assert 'saves' in grid.do('sla', 'suggest', 'acme/shop') or 'no others' in grid.do('sla', 'suggest', 'acme/shop')


if __name__ == '__main__':
    needs_root()
    sys.exit(tap.run(Grid(sys.argv[1], hosts=4, racks=2)))
