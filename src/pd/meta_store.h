// MetaStore: the state machine that PD's group replicates: keys with revisions, transactions and leases, with the
// semantics of etcd v3. Pure: commands come in committed order, answers and changes go out. Only the newest version of
// each key is kept, so reads of older revisions answer "compacted".
//
// Revisions: the store begins at 1; each command that changes at least one key adds one, and all its changes carry that
// revision. Owned by MetaGroup, which feeds it and writes its changes to disk; others read through it.
// Tests: meta_store_test.cc (against a naive model).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "api/status.h"
#include "base/bytes.h"
#include "etcd/rpc.pb.h"

namespace cairn::pd {

// A key's newest version.
struct MetaRecord {
  Bytes value;
  int64_t create_revision = 0;
  int64_t mod_revision = 0;
  int64_t version = 0;
  int64_t lease = 0;
  friend bool operator==(const MetaRecord&, const MetaRecord&) = default;
};

// One key's step, for watchers and for the disk. No `after`: deleted.
struct MetaChange {
  Bytes key;
  std::optional<MetaRecord> before;
  std::optional<MetaRecord> after;
};

// What a command answers.
struct CommandResult {
  api::Status status;
  etcdserverpb::TxnResponse txn;  // of a transaction
};

class MetaStore {
 public:
  // Commands as they stand in the log.
  static Bytes encode_txn(const etcdserverpb::TxnRequest& request);
  static Bytes encode_compact(int64_t revision);
  static Bytes encode_lease_grant(int64_t id, int64_t ttl_seconds);
  static Bytes encode_lease_revoke(int64_t id);

  // Applies one command. Refused commands change nothing. An unreadable command is our bug and is CHECKed.
  CommandResult apply(ByteView command);

  // Reads at the present state.
  api::Reply<etcdserverpb::RangeResponse> range(const etcdserverpb::RangeRequest& request) const;
  const MetaRecord* get(ByteView key) const;
  std::optional<Bytes> value(ByteView key) const;
  // Calls `visit` for each key that begins with `prefix`, in order.
  void scan_prefix(ByteView prefix, const std::function<void(ByteView key, const MetaRecord&)>& visit) const;
  int64_t revision() const { return revision_; }
  int64_t compacted_revision() const { return compacted_; }
  size_t keys() const { return records_.size(); }

  struct Lease {
    int64_t ttl_seconds = 0;
    std::set<Bytes> keys;
  };
  const std::map<int64_t, Lease>& leases() const { return leases_; }

  // Changes of keys since the last call, in order; and leases that were granted or revoked.
  std::vector<MetaChange> take_changes() { return std::exchange(changes_, {}); }
  std::set<int64_t> take_changed_leases() { return std::exchange(changed_leases_, {}); }

  // The image on disk and in snapshots: pairs under one-byte prefixes. write_image() calls `put` for every pair;
  // load_pair() takes them back, in any order, into an empty store.
  using PutPair = std::function<void(ByteView key, ByteView value)>;
  void write_image(const PutPair& put) const;
  bool load_pair(ByteView key, ByteView value);
  // The pairs that one change of a key or lease needs: key, and value or nothing if it goes.
  static Bytes image_key(ByteView key);
  static Bytes image_value(const MetaRecord& record);
  static Bytes image_lease_key(int64_t id);
  static Bytes image_lease_value(const Lease& lease);
  static Bytes image_revision_key();
  Bytes image_revision_value() const;

 private:
  using Records = std::map<Bytes, MetaRecord, std::less<>>;
  std::pair<Records::const_iterator, Records::const_iterator> bounds(ByteView key, ByteView range_end) const;
  bool holds(const etcdserverpb::Compare& compare) const;
  // Whether each transaction, nested ones in the order of visiting them, takes its success branch: judged as a whole
  // before anything changes.
  using Path = std::vector<bool>;
  api::Status plan(const etcdserverpb::TxnRequest& txn, Path& path) const;
  void apply_txn(const etcdserverpb::TxnRequest& txn, const Path& path, size_t& step, int64_t at, bool& wrote,
                 etcdserverpb::TxnResponse& response);
  void apply_put(const etcdserverpb::PutRequest& put, int64_t at, etcdserverpb::PutResponse& response);
  int64_t apply_delete(const etcdserverpb::DeleteRangeRequest& del, etcdserverpb::DeleteRangeResponse& response);
  etcdserverpb::RangeResponse read(const etcdserverpb::RangeRequest& request) const;
  void erase(const Bytes& key);
  void attach(const Bytes& key, int64_t lease);
  void detach(const Bytes& key, int64_t lease);

  Records records_;
  std::map<int64_t, Lease> leases_;
  int64_t revision_ = 1;
  int64_t compacted_ = 0;
  std::vector<MetaChange> changes_;
  std::set<int64_t> changed_leases_;
};

// A transaction on one key or several, for PD's own records: put these if the guards hold.
class MetaTxn {
 public:
  // Only if the key does not exist.
  MetaTxn& if_absent(ByteView key);
  // Only if the key has exactly this value.
  MetaTxn& if_value(ByteView key, ByteView value);
  MetaTxn& put(ByteView key, ByteView value);
  MetaTxn& del(ByteView key);
  // The other's puts and deletes after these; it has no guards.
  MetaTxn& append(const MetaTxn& other);
  const etcdserverpb::TxnRequest& request() const { return request_; }

 private:
  etcdserverpb::TxnRequest request_;
};

// The API's form of a record.
void fill_key_value(ByteView key, const MetaRecord& record, mvccpb::KeyValue& out);

}  // namespace cairn::pd
