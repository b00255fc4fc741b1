"""What Python's own gRPC library makes of a Cairn playground. The official client knows no TLS, so this speaks the protocol
from proto/ itself. Usage: wire.py GENERATED PD_ADDRESS [CA CERT KEY]: the folder of protoc's messages, and, for TLS, three
files. Prints `hello` and exits 0 if all is well."""

import queue
import sys

import grpc

sys.path.insert(0, sys.argv[1])
import kvrpcpb_pb2 as kvrpcpb  # noqa: E402
import pdpb_pb2 as pdpb  # noqa: E402
import tikvpb_pb2 as tikvpb  # noqa: E402

PATIENCE = 20
BIG = 64 << 20


def connect(address, files):
    options = [("grpc.max_receive_message_length", BIG), ("grpc.max_send_message_length", BIG)]
    if not files:
        return grpc.insecure_channel(address, options)
    ca, cert, key = (open(file, "rb").read() for file in files)
    credentials = grpc.ssl_channel_credentials(ca, key, cert)
    return grpc.secure_channel(address, credentials, options)


class Service:
    """Calls of one service by name, with the answer's type."""

    def __init__(self, channel, name):
        self.channel, self.name = channel, name

    def ask(self, method, request, answer, **options):
        call = self.channel.unary_unary(f"/{self.name}/{method}", lambda m: m.SerializeToString(), answer.FromString)
        return call(request, timeout=PATIENCE, **options)

    def converse(self, method, answer, requests):
        call = self.channel.stream_stream(f"/{self.name}/{method}", lambda m: m.SerializeToString(), answer.FromString)
        return call(requests, timeout=PATIENCE)


def raw(tikv, context):
    for compression in (None, grpc.Compression.Gzip, grpc.Compression.Deflate):
        value = b"x" * (3 << 20)
        put = kvrpcpb.RawPutRequest(context=context, key=b"python/wire", value=value)
        tikv.ask("RawPut", put, kvrpcpb.RawPutResponse, compression=compression)
        get = kvrpcpb.RawGetRequest(context=context, key=b"python/wire")
        assert tikv.ask("RawGet", get, kvrpcpb.RawGetResponse).value == value
        delete = kvrpcpb.RawDeleteRequest(context=context, key=b"python/wire")
        tikv.ask("RawDelete", delete, kvrpcpb.RawDeleteResponse)
        assert tikv.ask("RawGet", get, kvrpcpb.RawGetResponse).not_found


def batches(tikv, context):
    requests = queue.SimpleQueue()
    stream = tikv.converse("BatchCommands", tikvpb.BatchCommandsResponse, iter(requests.get, None))
    wanted = set()
    for i in range(100):
        get = kvrpcpb.RawGetRequest(context=context, key=b"python/none/%d" % i)
        requests.put(tikvpb.BatchCommandsRequest(requests=[tikvpb.BatchCommandsRequest.Request(RawGet=get)], request_ids=[i]))
        wanted.add(i)
    while wanted:
        answer = next(stream)
        assert all(response.RawGet.not_found for response in answer.responses)
        wanted -= set(answer.request_ids)
    requests.put(None)
    assert list(stream) == [] and stream.code() == grpc.StatusCode.OK


def transaction(pd, header, tikv, context):
    def timestamp():
        stream = pd.converse("Tso", pdpb.TsoResponse, iter([pdpb.TsoRequest(header=header, count=1)]))
        (answer,) = stream
        return (answer.timestamp.physical << 18) + answer.timestamp.logical

    key, start = b"python/wire/txn", timestamp()
    prewrite = kvrpcpb.PrewriteRequest(
        context=context, mutations=[kvrpcpb.Mutation(op=kvrpcpb.Put, key=key, value=b"hello")], primary_lock=key,
        start_version=start, lock_ttl=3000, txn_size=1)
    answer = tikv.ask("KvPrewrite", prewrite, kvrpcpb.PrewriteResponse)
    assert not answer.errors and not answer.HasField("region_error"), answer
    commit = kvrpcpb.CommitRequest(context=context, keys=[key], start_version=start, commit_version=timestamp())
    answer = tikv.ask("KvCommit", commit, kvrpcpb.CommitResponse)
    assert not answer.HasField("error") and not answer.HasField("region_error"), answer
    get = kvrpcpb.GetRequest(context=context, key=key, version=timestamp())
    assert tikv.ask("KvGet", get, kvrpcpb.GetResponse).value == b"hello"


def refusals(tikv, context):
    try:
        tikv.ask("NoSuchCall", kvrpcpb.RawGetRequest(), kvrpcpb.RawGetResponse)
        raise AssertionError("a call that does not exist was answered")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
    wrong = kvrpcpb.Context()
    wrong.CopyFrom(context)
    wrong.region_id = 4711
    answer = tikv.ask("RawGet", kvrpcpb.RawGetRequest(context=wrong, key=b"k"), kvrpcpb.RawGetResponse)
    assert answer.region_error.region_not_found.region_id == 4711


def main(address, *files):
    pd = Service(connect(address, files), "pdpb.PD")
    members = pd.ask("GetMembers", pdpb.GetMembersRequest(), pdpb.GetMembersResponse)
    assert members.leader.client_urls[0].startswith("https:" if files else "http:")
    header = pdpb.RequestHeader(cluster_id=members.header.cluster_id)
    found = pd.ask("GetRegion", pdpb.GetRegionRequest(header=header, region_key=b"python"), pdpb.GetRegionResponse)
    wish = pdpb.GetStoreRequest(header=header, store_id=found.leader.store_id)
    store = pd.ask("GetStore", wish, pdpb.GetStoreResponse).store
    context = kvrpcpb.Context(region_id=found.region.id, region_epoch=found.region.region_epoch, peer=found.leader)
    tikv = Service(connect(store.address, files), "tikvpb.Tikv")
    raw(tikv, context)
    batches(tikv, context)
    transaction(pd, header, tikv, context)
    refusals(tikv, context)
    print("hello")


main(*sys.argv[2:])
