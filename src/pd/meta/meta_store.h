// MetaStore: the state machine that PD's group replicates. Pure: commands come in committed order, answers and changes
// go out. It holds two key spaces that share nothing but the log: PD's own records (own_records.h), and the keys of the
// etcd API with revisions, transactions and leases, with the semantics of etcd v3. Beside the newest version of each
// key the last changes are kept (history.h), so that watches and reads of earlier revisions find what they ask for;
// older revisions answer "compacted".
//
// Revisions, of the etcd key space: the store begins at 1; each command that changes at least one key adds one, and all
// its changes carry that revision. Owned by MetaGroup, which feeds it and writes its changes to disk; others read
// through it.
//
// No command and no read takes long: what one may look at, write and answer is bounded, and what is beyond is refused.
// A deletion of a range alone may be of any size, as it is in etcd.
//
// Files: meta_store.cc (commands), meta_store_shape.cc (malformed transactions), meta_store_reads.cc,
// meta_store_image.cc. Tests: meta_store_test.cc (against a naive model), history_test.cc.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "api/status.h"
#include "base/bytes.h"
#include "base/result.h"
#include "etcd/rpc.pb.h"
#include "pd/meta/history.h"
#include "pd/meta/own_records.h"
#include "pd/meta/record_tree.h"

namespace cairn::pd {

// One step of the image on disk: one pair, or all pairs of a range deleted.
struct ImageChange {
  Bytes key;
  Bytes end;                   // not of the range; empty: `key` alone
  std::optional<Bytes> value;  // nothing: deleted
};

// What a command answers.
struct CommandResult {
  api::Status status;
  etcdserverpb::TxnResponse txn;  // of a transaction; of one on PD's own records only whether it succeeded
};

class MetaStore {
 public:
  // What a key or lease costs beyond its bytes.
  static constexpr uint64_t kRecordOverhead = 256;
  // The most that the answer to a read or a transaction may hold: it is built in one go while others wait.
  static constexpr uint64_t kAnswerBytesMax = uint64_t{16} << 20;
  // What one request may do: a key looked at counts one, a key written kWriteWork. Counting the keys of a range, and
  // deleting those of them that have no lease, is one look.
  static constexpr uint64_t kWorkMax = 1 << 17;
  static constexpr uint64_t kWriteWork = 32;
  // The operations of a transaction, those of nested ones included.
  static constexpr int kOpsTotalMax = kWorkMax / kWriteWork;
  // All keys of a lease go in one step.
  static constexpr size_t kLeaseKeysMax = 4096;

  // `seed`: of the shape of the tree of keys, which nobody must foresee.
  explicit MetaStore(uint64_t seed = 1) : records_(seed) {}

  // Commands as they stand in the log.
  static Bytes encode_txn(const etcdserverpb::TxnRequest& request);
  static Bytes encode_compact(int64_t revision);
  static Bytes encode_lease_grant(int64_t id, int64_t ttl_seconds);
  static Bytes encode_lease_revoke(int64_t id);
  static Bytes encode_own(const MetaTxn& txn);
  // Before PD's records had a key space of their own they stood among the keys of the etcd API, under "/pd/". This
  // command moves them, and does nothing where they have moved.
  static Bytes encode_adopt();

  // Why the transaction is refused whatever the state is; apply() refuses it likewise.
  static api::Status check_shape(const etcdserverpb::TxnRequest& txn);
  // Applies one command. Refused commands change nothing. An error: the command cannot be read, so this member cannot
  // go on.
  Result<CommandResult, std::string> apply(ByteView command);

  const OwnRecords& own() const { return own_; }
  // Whether the etcd key space holds PD's records of old, which encode_adopt() would move.
  bool has_records_to_adopt() const;

  // Reads of the etcd key space, at the present state or the revision asked for.
  api::Reply<etcdserverpb::RangeResponse> range(const etcdserverpb::RangeRequest& request) const;
  // Of all keys with their values at that revision; 0: the present one.
  api::Reply<uint32_t> hash(int64_t revision) const;
  const MetaRecord* get(ByteView key) const;
  std::optional<Bytes> value(ByteView key) const;
  uint64_t count(const KeyRange& range) const { return records_.totals(range).keys; }
  // In the order of keys, until `visit` returns false.
  void visit(const KeyRange& range, RecordTree::Visit visit) const { records_.visit(range, visit); }
  int64_t revision() const { return revision_; }
  int64_t compacted_revision() const { return compacted_; }
  const History& history() const { return history_; }
  size_t keys() const { return records_.totals().keys; }
  // What the keys of the etcd key space and their leases take, in memory as well as on disk.
  uint64_t bytes() const {
    return records_.totals().bytes + (records_.totals().keys + leases_.size()) * kRecordOverhead;
  }
  // Deleted keys are freed by parts: whoever applies commands calls free_some() while there are remains.
  bool has_remains() const { return !remains_.empty(); }
  void free_some(size_t count) { remains_.free_some(count); }

  struct Lease {
    int64_t ttl_seconds = 0;
    std::set<Bytes> keys;
  };
  const std::map<int64_t, Lease>& leases() const { return leases_; }

  // What changed since the last call: keys of the etcd key space, in the order of the changes; leases that were granted
  // or revoked; PD's own records.
  std::vector<ImageChange> take_changes() { return std::exchange(changes_, {}); }
  std::set<int64_t> take_changed_leases() { return std::exchange(changed_leases_, {}); }
  std::set<Bytes> take_changed_own() { return own_.take_changed(); }

  // Of the image and of the commands; greater with each change after which an older version could not read them. Data
  // that name none are of the first.
  static constexpr uint32_t kFormat = 1;
  // Words for data of a newer format.
  static Result<void, std::string> check_format(ByteView value);
  static Bytes image_format_value(uint32_t format = kFormat);

  // The image on disk and in snapshots: pairs under one-byte prefixes. write_image() calls `put` for every pair;
  // load_pair() takes them back, in any order, into an empty store, and finish_load() says what is wrong with them.
  using PutPair = std::function<void(ByteView key, ByteView value)>;
  void write_image(const PutPair& put) const;
  bool load_pair(ByteView key, ByteView value);
  // Whether the key is of the image's form, be its value damaged; others stand in the directory of something else.
  static bool is_image_key(ByteView key);
  Result<void, std::string> finish_load();
  // Goes before all other pairs: who does not know the format looks at none of them.
  static Bytes image_format_key();
  // The pairs that one change of a key or lease needs: key, and value or nothing if it goes.
  static Bytes image_key(ByteView key);
  static Bytes image_value(const MetaRecord& record);
  static Bytes image_lease_key(int64_t id);
  static Bytes image_lease_value(const Lease& lease);
  static Bytes image_own_key(ByteView key);
  // `place`: of the change among those of its revision.
  static Bytes image_history_key(int64_t revision, uint64_t place);
  static Bytes image_revision_key();
  Bytes image_revision_value() const;

 private:
  // A deletion of more keys is one range on disk: the engine slows down with many ranges, and with many deletions.
  static constexpr uint64_t kDeletedOneByOneMax = 16;

  Result<CommandResult, std::string> execute(ByteView command);
  CommandResult apply_etcd_txn(const etcdserverpb::TxnRequest& txn);
  CommandResult apply_own_txn(const MetaTxn& txn);
  CommandResult compact(int64_t revision);
  CommandResult grant_lease(int64_t id, int64_t ttl);
  CommandResult revoke_lease(int64_t id);
  void adopt();
  // What a transaction would take, as far as it is judged.
  struct Cost {
    uint64_t work = 0;  // see kWorkMax
    uint64_t answer_bytes = 0;
    bool reads_past = false;  // at a revision that is named
    uint64_t deleted_keys = 0;
    uint64_t deleted_bytes = 0;
    uint64_t put_bytes = 0;            // what it puts itself may come back in each later answer
    std::map<int64_t, size_t> leased;  // keys that it puts, by their lease
  };
  bool holds(const etcdserverpb::Compare& compare, Cost& cost) const;
  // Whether each transaction, nested ones in the order of visiting them, takes its success branch: judged as a whole
  // before anything changes.
  using Path = std::vector<bool>;
  api::Status plan(const etcdserverpb::TxnRequest& txn, Path& path, Cost& cost) const;
  api::Status plan_op(const etcdserverpb::RequestOp& op, Path& path, Cost& cost) const;
  api::Status plan_put(const etcdserverpb::PutRequest& put, Cost& cost) const;
  void apply_txn(const etcdserverpb::TxnRequest& txn, const Path& path, size_t& step, int64_t at, bool& wrote,
                 etcdserverpb::TxnResponse& response);
  void apply_put(const etcdserverpb::PutRequest& put, int64_t at, etcdserverpb::PutResponse& response);
  int64_t apply_delete(const etcdserverpb::DeleteRangeRequest& del, int64_t at,
                       etcdserverpb::DeleteRangeResponse& response);
  // Where a read wants to look, if that cannot be served.
  api::Status check_revision(int64_t wanted) const;
  // Like visit(), of the state at that revision; 0: the present one.
  void visit_at(const KeyRange& range, int64_t revision, RecordTree::Visit visit) const;
  etcdserverpb::RangeResponse read(const etcdserverpb::RangeRequest& request) const;
  // Adds what the read would take; why its answer would be too large.
  api::Status check_answer(const etcdserverpb::RangeRequest& request, Cost& cost) const;
  // Likewise a deletion.
  api::Status check_answer(const etcdserverpb::DeleteRangeRequest& request, Cost& cost) const;
  void store(const Bytes& key, MetaRecord record);
  void erase(const Bytes& key, int64_t at);
  void erase(const KeyRange& range, int64_t at);
  void remember(MetaChange change);
  // Behind the last key of the image's; before the first of the history's.
  static Bytes image_keys_end();
  static Bytes image_history_begin();
  // Ends a command: history stays within its limits.
  void trim_history();
  void cut_history(int64_t first);
  void attach(const Bytes& key, int64_t lease);
  void detach(const Bytes& key, int64_t lease);

  OwnRecords own_;
  RecordTree records_;
  RecordRemains remains_;
  std::map<int64_t, Lease> leases_;
  int64_t revision_ = 1;
  int64_t compacted_ = 0;
  History history_;
  uint64_t remembered_ = 0;  // changes of the command under way
  bool forgets_ = false;     // it changes more than history takes in
  // What load_pair() was given of the history.
  std::map<std::pair<int64_t, uint64_t>, MetaChange> loaded_;
  int64_t loaded_first_ = 0;
  std::vector<ImageChange> changes_;
  std::set<int64_t> changed_leases_;
};

// The API's form of a record.
void fill_key_value(ByteView key, const MetaRecord& record, mvccpb::KeyValue& out);

}  // namespace cairn::pd
