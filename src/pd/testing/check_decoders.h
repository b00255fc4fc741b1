// What must hold of what PD reads from its disk, its log and other members, whatever bytes stand there: it is refused,
// or it is understood; nothing crashes, and what is understood says the same when it is written and read again.
#pragma once

#include "base/check.h"
#include "pd/meta/meta_store.h"
#include "pd/meta/raft_codec.h"
#include "pd/meta/record_check.h"

namespace cairn::pd::testing {

inline void check_raft_bytes(ByteView bytes) {
  raft::Message message;
  if (decode_message(bytes, message)) {
    raft::Message again;
    CHECK(decode_message(encode_message(message), again), "the message {} is not read back", to_hex(bytes));
  }
  raft::Entry entry;
  if (decode_entry(bytes, entry)) {
    raft::Entry again;
    CHECK(decode_entry(encode_entry(entry), again) && again == entry, "the entry {} is not read back", to_hex(bytes));
  }
  raft::HardState state;
  LogIndex last;
  (void)decode_local_state(bytes, state, last);
  LogPosition position;
  (void)decode_position(bytes, position);
}

inline void check_command_bytes(ByteView bytes) {
  if (const auto txn = MetaTxn::decode(bytes)) {
    Bytes encoded;
    txn->encode(encoded);
    CHECK(MetaTxn::decode(encoded), "the transaction {} is not read back", to_hex(bytes));
  }
  MetaStore store;
  CHECK(store.apply(MetaStore::encode_lease_grant(1, 60)).ok(), "a sound command");
  (void)store.apply(bytes);
  MetaStore copy;
  store.write_image([&](ByteView key, ByteView value) {
    CHECK(copy.load_pair(key, value), "the pair at {} is not read back", to_hex(key));
  });
}

// A snapshot's payload, and the same bytes as each kind of record.
inline void check_image_bytes(ByteView bytes) {
  MetaStore store;
  ByteView in = bytes;
  ByteView key;
  ByteView value;
  while (!in.empty() && take_pair(in, key, value) && store.load_pair(key, value)) {
  }
  (void)store.finish_load();
  const Keys keys(7);
  OwnRecords records;
  for (const auto& name :
       {keys.cluster(), keys.store(1), keys.region(1), keys.timestamp(), keys.cluster_version(), keys.gc_safe_point(),
        keys.barrier_prefix() + "a", keys.gc_other_owner(), keys.keyspace_meta(1), keys.keyspace_id("a")}) {
    records.put(name, bytes);
    (void)check_records(records, keys);
    records.del(name);
  }
}

}  // namespace cairn::pd::testing
