// What Node's own gRPC library (@grpc/grpc-js) makes of a Cairn playground: there is no official client, so this speaks
// the protocol from proto/ itself. Usage: node hello.js PD_ADDRESS [CA CERT KEY]; with the three files it speaks TLS.
// Prints `hello` and exits 0 if all is well.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const protos = path.join(__dirname, '..', '..', 'proto');
const { pdpb, tikvpb } = grpc.loadPackageDefinition(loader.loadSync(['pdpb.proto', 'tikvpb.proto'],
  { includeDirs: [protos], longs: String, keepCase: true }));

const [pdAddress, ...files] = process.argv.slice(2);
const [ca, cert, key] = files.map((file) => fs.readFileSync(file));
const credentials = ca ? grpc.credentials.createSsl(ca, key, cert) : grpc.credentials.createInsecure();
const bytes = (text) => Buffer.from(text);

// A unary call as a promise; not for ever.
function ask(client, method, request) {
  return new Promise((resolve, reject) => {
    client[method](request, { deadline: Date.now() + 20_000 }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

// The answers to these requests on a stream both ways, until `isAll` says that they are all; it ends with OK.
function converse(client, method, requests, isAll) {
  return new Promise((resolve, reject) => {
    const answers = [];
    const stream = client[method]({ deadline: Date.now() + 20_000 });
    stream.on('data', (answer) => {
      answers.push(answer);
      if (isAll(answers)) stream.end();
    });
    stream.on('error', reject);
    stream.on('end', () => resolve(answers));
    for (const request of requests) stream.write(request);
  });
}

// Of one region: its leader's client, and the context of requests.
async function route(pd, header) {
  const { region, leader } = await ask(pd, 'GetRegion', { header, region_key: bytes('node') });
  const { store } = await ask(pd, 'GetStore', { header, store_id: leader.store_id });
  return {
    context: { region_id: region.id, region_epoch: region.region_epoch, peer: leader },
    // What is sent to it is compressed.
    tikv: new tikvpb.Tikv(store.address, credentials,
      { 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip }),
  };
}

async function raw(tikv, context) {
  const big = Buffer.alloc(3 << 20, 'x');
  await ask(tikv, 'RawPut', { context, key: bytes('node/raw'), value: big });
  const found = await ask(tikv, 'RawGet', { context, key: bytes('node/raw') });
  assert.deepEqual(found.value, big);
  await ask(tikv, 'RawDelete', { context, key: bytes('node/raw') });
  assert.equal((await ask(tikv, 'RawGet', { context, key: bytes('node/raw') })).not_found, true);
}

// Commands, each in a message of its own or all in one, and their answers by request.
async function batches(tikv, context) {
  const all = [...Array(100).keys()];
  const key = (i) => bytes(`node/batch/${i}`);
  const command = async (messages) => {
    const found = new Map();
    const isAll = (answers) => {
      const { responses, request_ids } = answers.at(-1);
      request_ids.forEach((id, at) => found.set(Number(id), responses[at]));
      return found.size === all.length;
    };
    await converse(tikv, 'BatchCommands', messages, isAll);
    return found;
  };
  await command(all.map((i) =>
    ({ requests: [{ RawPut: { context, key: key(i), value: bytes(`${i}`) } }], request_ids: [i] })));
  const answers = await command([{ requests: all.map((i) => ({ RawGet: { context, key: key(i) } })), request_ids: all }]);
  for (const i of all) assert.equal(answers.get(i).RawGet.value.toString(), `${i}`);
}

async function transaction(pd, header, tikv, context) {
  const timestamp = async () => {
    const [{ timestamp: t }] = await converse(pd, 'Tso', [{ header, count: 1 }], () => true);
    return ((BigInt(t.physical) << 18n) + BigInt(t.logical)).toString();
  };
  const key = bytes('node/txn');
  const start = await timestamp();
  const prewritten = await ask(tikv, 'KvPrewrite', {
    context, mutations: [{ op: 'Put', key, value: bytes('hello') }], primary_lock: key, start_version: start,
    lock_ttl: 3000, txn_size: 1,
  });
  assert.deepEqual([prewritten.errors ?? [], prewritten.region_error ?? null], [[], null]);
  const commit = await timestamp();
  const committed = await ask(tikv, 'KvCommit', { context, keys: [key], start_version: start, commit_version: commit });
  assert.deepEqual([committed.error ?? null, committed.region_error ?? null], [null, null]);
  assert.equal((await ask(tikv, 'KvGet', { context, key, version: await timestamp() })).value.toString(), 'hello');
  assert.equal((await ask(tikv, 'KvGet', { context, key, version: start })).not_found, true);
}

async function refusals(pd, tikv, context) {
  await assert.rejects(ask(pd, 'GetStore', { header: { cluster_id: '1' }, store_id: '1' }), /mismatch cluster id/);
  const wrong = { ...context, region_id: '4711' };
  const { region_error } = await ask(tikv, 'RawGet', { context: wrong, key: bytes('node') });
  assert.equal(region_error.region_not_found.region_id, '4711');
  const unknown = grpc.makeGenericClientConstructor({
    Call: { path: '/tikvpb.Tikv/NoSuchCall', requestStream: false, responseStream: false,
      requestSerialize: (x) => x, responseDeserialize: (x) => x },
  });
  const nobody = new unknown(tikv.getChannel().getTarget().replace(/^dns:/, ''), credentials);
  await assert.rejects(ask(nobody, 'Call', Buffer.alloc(0)), { code: grpc.status.UNIMPLEMENTED });
}

async function main() {
  const pd = new pdpb.PD(pdAddress, credentials);
  const members = await ask(pd, 'GetMembers', {});
  const header = { cluster_id: members.header.cluster_id };
  assert.match(members.leader.client_urls[0], ca ? /^https:/ : /^http:/);
  const { tikv, context } = await route(pd, header);
  await raw(tikv, context);
  await batches(tikv, context);
  await transaction(pd, header, tikv, context);
  await refusals(pd, tikv, context);
  console.log('hello');
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
