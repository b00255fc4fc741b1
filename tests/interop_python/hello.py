"""The Python client's hello-world, unchanged client, against a Cairn playground. Usage: hello.py PD_ADDRESS. Prints
`hello` and exits 0 if all is well."""

import asyncio
import os
import sys

from tikv_client.asynchronous import RawClient, TransactionClient


async def raw(pd):
    client = await RawClient.connect([pd])
    await client.put(b"python/raw", b"1")
    assert await client.get(b"python/raw") == b"1"
    pairs = {b"python/batch/%03d" % i: b"%d" % i for i in range(100)}
    await client.batch_put(pairs)
    found = await client.scan(b"python/batch/", b"python/batch0", 100)
    assert [(bytes(k), bytes(v)) for k, v in found] == sorted(pairs.items())
    await client.batch_delete(list(pairs)[:50])
    await client.delete_range(b"python/batch/060", b"python/batch0")
    found = await client.scan_keys(b"python/batch/", b"python/batch0", 10)
    assert [bytes(k) for k in found] == [b"python/batch/%03d" % i for i in range(50, 60)]
    await client.delete(b"python/raw")
    assert await client.get(b"python/raw") is None


async def transactions(pd):
    client = await TransactionClient.connect([pd])
    for pessimistic in (False, True):
        txn = await client.begin(pessimistic=pessimistic)
        prefix = b"python/pessimistic/" if pessimistic else b"python/optimistic/"
        await txn.put(prefix + b"a", b"hello")
        await txn.put(prefix + b"b", b"world")
        await txn.commit()
        reader = await client.begin(pessimistic=pessimistic)
        assert await reader.get(prefix + b"a") == b"hello"
        if pessimistic:
            assert await reader.get_for_update(prefix + b"b") == b"world"
        found = await reader.scan(prefix, prefix + b"\xff", 10)
        assert [(bytes(k), bytes(v)) for k, v in found] == [(prefix + b"a", b"hello"), (prefix + b"b", b"world")]
        await reader.delete(prefix + b"a")
        await reader.commit()
    snapshot = client.snapshot(await client.current_timestamp(), pessimistic=False)
    assert await snapshot.get(b"python/optimistic/a") is None


async def main(pd):
    await raw(pd)
    await transactions(pd)
    print("hello")


asyncio.run(main(sys.argv[1]))
# The client's threads do not survive the interpreter's own way out.
sys.stdout.flush()
os._exit(0)
