#include "pd/meta/meta_store.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "base/codec.h"
#include "base/crc.h"
#include "pd/meta/keys.h"
#include "pd/meta/record_check.h"

namespace cairn::pd {
namespace {

using api::Code;
using api::Status;
namespace etcd = etcdserverpb;

enum class Kind : uint8_t { kTxn = 1, kCompact = 2, kLeaseGrant = 3, kLeaseRevoke = 4, kOwn = 5, kAdopt = 6 };

constexpr char kHistoryPrefix = 'h';
constexpr char kKeyPrefix = 'k';
constexpr char kLeasePrefix = 'l';
constexpr char kOwnPrefix = 'p';
constexpr char kRevisionPrefix = 'r';
constexpr int kOpsMax = 128;
constexpr int kNestedMax = 16;
constexpr uint64_t kAnswerWork = 4;  // of a key in the answer to a read: it is sorted and copied
// A deletion of more keys is one range on disk: the engine slows down with many ranges, and with many deletions.
constexpr uint64_t kDeletedOneByOneMax = 16;
constexpr int64_t kLeaseTtlMax = 9'000'000'000;

Bytes begin_command(Kind kind) { return Bytes(1, static_cast<char>(kind)); }

Status no_key() { return {Code::kInvalidArgument, "etcdserver: key is not provided"}; }
Status answer_too_large() { return {Code::kResourceExhausted, "etcdserver: the answer is too large, ask for less"}; }
Status too_many_ops() { return {Code::kInvalidArgument, "etcdserver: too many operations in txn request"}; }
Status too_much_work() {
  return {Code::kResourceExhausted, "etcdserver: the request looks at or changes too many keys, ask for less"};
}
Status no_lease() { return {Code::kNotFound, "etcdserver: requested lease not found"}; }

// The number that the text is; 0 if it is none.
uint64_t number_of(const std::optional<Bytes>& text, int base) {
  if (!text) return 0;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number, base);
  return error == std::errc() && end == text->data() + text->size() ? number : 0;
}

template <class T>
int order(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

// Whether one key's state satisfies the comparison.
bool compare_record(const etcd::Compare& compare, const MetaRecord& record) {
  int result = 0;
  switch (compare.target()) {
    case etcd::Compare::VERSION:
      result = order(record.version, compare.version());
      break;
    case etcd::Compare::CREATE:
      result = order(record.create_revision, compare.create_revision());
      break;
    case etcd::Compare::MOD:
      result = order(record.mod_revision, compare.mod_revision());
      break;
    case etcd::Compare::VALUE:
      result = record.value.compare(compare.value());
      break;
    case etcd::Compare::LEASE:
      result = order(record.lease, compare.lease());
      break;
    default:
      return false;
  }
  switch (compare.result()) {
    case etcd::Compare::EQUAL:
      return result == 0;
    case etcd::Compare::GREATER:
      return result > 0;
    case etcd::Compare::LESS:
      return result < 0;
    case etcd::Compare::NOT_EQUAL:
      return result != 0;
    default:
      return false;
  }
}

// The ways in which a transaction may be malformed, whatever the state.
class ShapeCheck {
 public:
  Status check(const etcd::TxnRequest& txn, int depth) {
    if (txn.compare_size() > kOpsMax || depth > kNestedMax) return too_many_ops();
    for (const auto& compare : txn.compare()) {
      if (compare.key().empty()) return no_key();
    }
    ops_ += txn.compare_size();
    const size_t before = order_.size();
    if (auto status = check(txn.success(), depth); !status.ok()) return status;
    // The branches exclude each other: the other one may put the same keys.
    const std::vector<ByteView> put(order_.begin() + static_cast<std::ptrdiff_t>(before), order_.end());
    for (const auto key : put) puts_.erase(key);
    order_.resize(before);
    if (auto status = check(txn.failure(), depth); !status.ok()) return status;
    for (const auto key : put) add(key);
    return {};
  }

 private:
  bool add(ByteView key) {
    if (!puts_.insert(key).second) return false;
    order_.push_back(key);
    return true;
  }

  Status check(const google::protobuf::RepeatedPtrField<etcd::RequestOp>& ops, int depth) {
    ops_ += ops.size();
    if (ops.size() > kOpsMax || ops_ > MetaStore::kOpsTotalMax) return too_many_ops();
    for (const auto& op : ops) {
      if (auto status = check(op, depth); !status.ok()) return status;
    }
    return {};
  }

  Status check(const etcd::RequestOp& op, int depth) {
    switch (op.request_case()) {
      case etcd::RequestOp::kRequestRange:
        return op.request_range().key().empty() ? no_key() : Status{};
      case etcd::RequestOp::kRequestDeleteRange:
        return op.request_delete_range().key().empty() ? no_key() : Status{};
      case etcd::RequestOp::kRequestTxn:
        return check(op.request_txn(), depth + 1);
      case etcd::RequestOp::kRequestPut: {
        const auto& put = op.request_put();
        if (put.key().empty()) return no_key();
        if (put.ignore_value() && !put.value().empty()) {
          return {Code::kInvalidArgument, "etcdserver: value is provided"};
        }
        if (put.ignore_lease() && put.lease() != 0) return {Code::kInvalidArgument, "etcdserver: lease is provided"};
        if (!add(put.key())) return {Code::kInvalidArgument, "etcdserver: duplicate key given in txn request"};
        return {};
      }
      default:
        return {Code::kInvalidArgument, "etcdserver: key not found"};
    }
  }

  int ops_ = 0;
  std::set<ByteView> puts_;
  std::vector<ByteView> order_;  // of puts_
};

// The keys that a request names.
KeyRange range_of(ByteView key, ByteView range_end) {
  if (range_end.empty()) return KeyRange::of_key(key);
  if (range_end == ByteView("\0", 1)) return {Bytes(key), std::nullopt};
  return {Bytes(key), Bytes(range_end)};
}

bool is_by_key(const etcd::RangeRequest& request) {
  return request.sort_order() != etcd::RangeRequest::DESCEND && request.sort_target() == etcd::RangeRequest::KEY;
}

Status compacted() { return {Code::kOutOfRange, "etcdserver: mvcc: required revision has been compacted"}; }
Status future_revision() { return {Code::kOutOfRange, "etcdserver: mvcc: required revision is a future revision"}; }

bool passes_filters(const etcd::RangeRequest& request, const MetaRecord& record) {
  return (request.min_mod_revision() == 0 || record.mod_revision >= request.min_mod_revision()) &&
         (request.max_mod_revision() == 0 || record.mod_revision <= request.max_mod_revision()) &&
         (request.min_create_revision() == 0 || record.create_revision >= request.min_create_revision()) &&
         (request.max_create_revision() == 0 || record.create_revision <= request.max_create_revision());
}

using Row = std::pair<const Bytes*, const MetaRecord*>;

// Puts rows, which come in key order, into the order asked for.
void sort_rows(const etcd::RangeRequest& request, std::vector<Row>& rows) {
  auto by = [&](const Row& a, const Row& b) {
    switch (request.sort_target()) {
      case etcd::RangeRequest::VERSION:
        return order(a.second->version, b.second->version);
      case etcd::RangeRequest::CREATE:
        return order(a.second->create_revision, b.second->create_revision);
      case etcd::RangeRequest::MOD:
        return order(a.second->mod_revision, b.second->mod_revision);
      case etcd::RangeRequest::VALUE:
        return a.second->value.compare(b.second->value);
      default:
        return a.first->compare(*b.first);
    }
  };
  const bool descend = request.sort_order() == etcd::RangeRequest::DESCEND;
  if (!descend && request.sort_target() == etcd::RangeRequest::KEY) return;
  std::sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) {
    const int result = by(a, b);
    if (result != 0) return descend ? result > 0 : result < 0;
    return *a.first < *b.first;
  });
}

}  // namespace

void fill_key_value(ByteView key, const MetaRecord& record, mvccpb::KeyValue& out) {
  out.set_key(Bytes(key));
  out.set_value(record.value);
  out.set_create_revision(record.create_revision);
  out.set_mod_revision(record.mod_revision);
  out.set_version(record.version);
  out.set_lease(record.lease);
}

Bytes MetaStore::encode_txn(const etcd::TxnRequest& request) {
  return begin_command(Kind::kTxn) + request.SerializeAsString();
}
Bytes MetaStore::encode_compact(int64_t revision) {
  Bytes out = begin_command(Kind::kCompact);
  codec::put_var_i64(out, revision);
  return out;
}
Bytes MetaStore::encode_lease_grant(int64_t id, int64_t ttl_seconds) {
  Bytes out = begin_command(Kind::kLeaseGrant);
  codec::put_var_i64(out, id);
  codec::put_var_i64(out, ttl_seconds);
  return out;
}
Bytes MetaStore::encode_lease_revoke(int64_t id) {
  Bytes out = begin_command(Kind::kLeaseRevoke);
  codec::put_var_i64(out, id);
  return out;
}

Bytes MetaStore::encode_own(const MetaTxn& txn) {
  Bytes out = begin_command(Kind::kOwn);
  txn.encode(out);
  return out;
}
Bytes MetaStore::encode_adopt() { return begin_command(Kind::kAdopt); }

Status MetaStore::check_shape(const etcd::TxnRequest& txn) { return ShapeCheck().check(txn, 0); }

Result<CommandResult, std::string> MetaStore::apply(ByteView command) {
  auto result = execute(command);
  trim_history();
  return result;
}

Result<CommandResult, std::string> MetaStore::execute(ByteView command) {
  const auto unreadable = [](const char* what) { return Err(fmt::format("a damaged command: {}", what)); };
  uint8_t kind = 0;
  int64_t id = 0;
  int64_t ttl = 0;
  if (!codec::get_u8(command, kind)) return unreadable("empty");
  switch (static_cast<Kind>(kind)) {
    case Kind::kTxn: {
      etcd::TxnRequest txn;
      if (!txn.ParseFromArray(command.data(), static_cast<int>(command.size()))) return unreadable("a transaction");
      return apply_etcd_txn(txn);
    }
    case Kind::kCompact:
      if (!codec::get_var_i64(command, id)) return unreadable("a compaction");
      return compact(id);
    case Kind::kLeaseGrant:
      if (!codec::get_var_i64(command, id) || !codec::get_var_i64(command, ttl)) return unreadable("a lease");
      return grant_lease(id, ttl);
    case Kind::kLeaseRevoke:
      if (!codec::get_var_i64(command, id)) return unreadable("the end of a lease");
      return revoke_lease(id);
    case Kind::kOwn: {
      const auto txn = MetaTxn::decode(command);
      if (!txn) return unreadable("a transaction on PD's records");
      return apply_own_txn(*txn);
    }
    case Kind::kAdopt:
      adopt();
      return CommandResult{};
  }
  return unreadable("of unknown kind");
}

CommandResult MetaStore::apply_etcd_txn(const etcd::TxnRequest& txn) {
  CommandResult result;
  result.status = check_shape(txn);
  Path path;
  Cost cost;
  if (result.status.ok()) result.status = plan(txn, path, cost);
  if (!result.status.ok()) return result;
  bool wrote = false;
  size_t step = 0;
  apply_txn(txn, path, step, revision_ + 1, wrote, result.txn);
  if (wrote) ++revision_;
  result.txn.mutable_header()->set_revision(revision_);
  return result;
}

CommandResult MetaStore::apply_own_txn(const MetaTxn& txn) {
  CommandResult result;
  const bool holds = std::all_of(txn.guards().begin(), txn.guards().end(),
                                 [&](const MetaTxn::Guard& guard) { return own_.value(guard.key) == guard.value; });
  result.txn.set_succeeded(holds);
  if (!holds) return result;
  bool published = false;
  for (const auto& write : txn.writes()) {
    switch (write.kind) {
      case MetaTxn::Write::Kind::kPut:
        own_.put(write.key, write.value);
        break;
      case MetaTxn::Write::Kind::kDelete:
        own_.del(write.key);
        break;
      case MetaTxn::Write::Kind::kPublish: {
        etcd::PutRequest put;
        put.set_key(write.key);
        put.set_value(write.value);
        etcd::PutResponse ignored;
        apply_put(put, revision_ + 1, ignored);
        published = true;
        break;
      }
    }
  }
  if (published) ++revision_;
  return result;
}

CommandResult MetaStore::compact(int64_t revision) {
  CommandResult result;
  if (revision > revision_) {
    result.status = future_revision();
  } else if (revision <= compacted_) {
    result.status = compacted();
  } else {
    compacted_ = revision;
    cut_history(revision);
  }
  return result;
}

CommandResult MetaStore::grant_lease(int64_t id, int64_t ttl) {
  CommandResult result;
  if (ttl > kLeaseTtlMax) {
    result.status = {Code::kOutOfRange, "etcdserver: too large lease TTL"};
  } else if (!leases_.try_emplace(id, Lease{ttl, {}}).second) {
    result.status = {Code::kFailedPrecondition, "etcdserver: lease already exists"};
  } else {
    changed_leases_.insert(id);
  }
  return result;
}

CommandResult MetaStore::revoke_lease(int64_t id) {
  CommandResult result;
  auto found = leases_.find(id);
  if (found == leases_.end()) {
    result.status = no_lease();
    return result;
  }
  const auto keys = found->second.keys;
  if (!keys.empty()) ++revision_;
  for (const auto& key : keys) erase(key, revision_);
  leases_.erase(id);
  changed_leases_.insert(id);
  return result;
}

bool MetaStore::has_records_to_adopt() const { return !own_.value(kClusterIdKey) && get(kClusterIdKey) != nullptr; }

void MetaStore::adopt() {
  if (!has_records_to_adopt()) return;
  const Bytes cluster_id = get(kClusterIdKey)->value;
  ByteView in = cluster_id;
  uint64_t id = 0;
  Bytes root;  // of the cluster's records; if the id is damaged, whoever looks at the records next will say so
  if (codec::get_u64_be(in, id)) root = Keys(id).root();
  std::vector<Bytes> moved{kClusterIdKey};
  visit(KeyRange::of_prefix(root + "/"), [&](const Bytes& key, const MetaRecord&) {
    if (!root.empty()) moved.push_back(key);
    return !root.empty();
  });
  for (const auto& key : moved) {
    own_.put(key, get(key)->value);
    erase(key, revision_ + 1);
  }
  if (!root.empty()) {
    // Any client could write or delete the key that held it: what is no number does not count, and it is never below
    // what was collected already.
    const uint64_t collected = number_of(own_.value(Keys(id).gc_safe_point()), 16);
    const uint64_t safe_point = std::max(number_of(value(kPublishedTxnSafePointKey), 10), collected);
    if (safe_point != 0) own_.put(Keys(id).txn_safe_point(), std::to_string(safe_point));
  }
  ++revision_;
}

bool MetaStore::holds(const etcd::Compare& compare, Cost& cost) const {
  const auto range = range_of(compare.key(), compare.range_end());
  bool all = true;
  bool is_absent = true;
  visit(range, [&](const Bytes&, const MetaRecord& record) {
    is_absent = false;
    all = compare_record(compare, record);
    return all && ++cost.work <= kWorkMax;
  });
  // A value that is not there compares with nothing; the numbers of an absent key are 0.
  return is_absent ? compare.target() != etcd::Compare::VALUE && compare_record(compare, MetaRecord{}) : all;
}

Status MetaStore::plan(const etcd::TxnRequest& txn, Path& path, Cost& cost) const {
  bool succeeds = true;
  for (const auto& compare : txn.compare()) {
    succeeds = succeeds && holds(compare, cost);
    if (cost.work > kWorkMax) return too_much_work();
  }
  path.push_back(succeeds);
  for (const auto& op : succeeds ? txn.success() : txn.failure()) {
    auto status = plan_op(op, path, cost);
    // More deletions than history takes in: what was there before is not known any more.
    const bool forgets = cost.deleted_keys > History::kChangesOfOneMax || cost.deleted_bytes > kAnswerBytesMax;
    if (status.ok() && (cost.work > kWorkMax || (forgets && cost.reads_past))) status = too_much_work();
    if (!status.ok()) return status;
  }
  return {};
}

Status MetaStore::plan_op(const etcd::RequestOp& op, Path& path, Cost& cost) const {
  if (op.has_request_range()) {
    cost.reads_past |= op.request_range().revision() > 0;
    auto status = check_revision(op.request_range().revision());
    return status.ok() ? check_answer(op.request_range(), cost) : status;
  }
  if (op.has_request_delete_range()) return check_answer(op.request_delete_range(), cost);
  if (op.has_request_txn()) return plan(op.request_txn(), path, cost);
  return op.has_request_put() ? plan_put(op.request_put(), cost) : Status{};
}

Status MetaStore::plan_put(const etcd::PutRequest& put, Cost& cost) const {
  if ((put.ignore_value() || put.ignore_lease()) && get(put.key()) == nullptr) {
    return {Code::kInvalidArgument, "etcdserver: key not found"};
  }
  if (put.lease() != 0) {
    auto lease = leases_.find(put.lease());
    if (lease == leases_.end()) return no_lease();
    if (!lease->second.keys.contains(put.key()) &&
        lease->second.keys.size() + ++cost.leased[put.lease()] > kLeaseKeysMax) {
      return {Code::kResourceExhausted, "etcdserver: too many keys are attached to the lease"};
    }
  }
  cost.put_bytes += put.key().size() + put.value().size();
  cost.work += kWriteWork;
  return {};
}

void MetaStore::apply_txn(const etcd::TxnRequest& txn, const Path& path, size_t& step, int64_t at, bool& wrote,
                          etcd::TxnResponse& response) {
  CHECK(step < path.size(), "transaction {} of a plan of {}", step, path.size());
  const bool succeeded = path[step++];
  response.set_succeeded(succeeded);
  for (const auto& op : succeeded ? txn.success() : txn.failure()) {
    auto& out = *response.add_responses();
    if (op.has_request_range()) {
      *out.mutable_response_range() = read(op.request_range());
    } else if (op.has_request_put()) {
      apply_put(op.request_put(), at, *out.mutable_response_put());
      wrote = true;
    } else if (op.has_request_delete_range()) {
      if (apply_delete(op.request_delete_range(), at, *out.mutable_response_delete_range()) > 0) wrote = true;
    } else {
      apply_txn(op.request_txn(), path, step, at, wrote, *out.mutable_response_txn());
    }
  }
  // Every answer inside tells the revision as far as the transaction has come.
  const int64_t now = wrote ? at : at - 1;
  for (auto& out : *response.mutable_responses()) {
    if (out.has_response_range()) out.mutable_response_range()->mutable_header()->set_revision(now);
    if (out.has_response_put()) out.mutable_response_put()->mutable_header()->set_revision(now);
    if (out.has_response_delete_range()) out.mutable_response_delete_range()->mutable_header()->set_revision(now);
    if (out.has_response_txn()) out.mutable_response_txn()->mutable_header()->set_revision(now);
  }
}

void MetaStore::apply_put(const etcd::PutRequest& put, int64_t at, etcd::PutResponse& response) {
  const auto* before = get(put.key());
  if (before != nullptr && put.prev_kv()) fill_key_value(put.key(), *before, *response.mutable_prev_kv());
  // An earlier operation of the same transaction may have deleted what the check still saw.
  MetaRecord after;
  after.value = put.ignore_value() ? (before != nullptr ? before->value : Bytes()) : put.value();
  after.lease = put.ignore_lease() ? (before != nullptr ? before->lease : 0) : put.lease();
  after.create_revision = before != nullptr ? before->create_revision : at;
  after.mod_revision = at;
  after.version = before != nullptr ? before->version + 1 : 1;
  if (before != nullptr) detach(put.key(), before->lease);
  attach(put.key(), after.lease);
  remember({at, put.key(), after, before != nullptr ? std::optional(*before) : std::nullopt});
  store(put.key(), std::move(after));
}

void MetaStore::store(const Bytes& key, MetaRecord record) {
  changes_.push_back({image_key(key), {}, image_value(record)});
  records_.put(key, std::move(record));
}

void MetaStore::remember(MetaChange change) {
  if (forgets_ || ++remembered_ > History::kChangesOfOneMax) {
    forgets_ = true;
    return;
  }
  changes_.push_back({image_history_key(change.revision, remembered_), {}, History::encode(change)});
  history_.add(std::move(change));
}

void MetaStore::trim_history() {
  if (std::exchange(forgets_, false)) cut_history(revision_ + 1);
  if (const auto first = history_.cut_wanted()) cut_history(*first);
  remembered_ = 0;
}

void MetaStore::cut_history(int64_t first) {
  if (first <= history_.first()) return;
  history_.cut(first);
  changes_.push_back({Bytes(1, kHistoryPrefix), image_history_key(first, 0), std::nullopt});
}

int64_t MetaStore::apply_delete(const etcd::DeleteRangeRequest& del, int64_t at, etcd::DeleteRangeResponse& response) {
  const auto range = range_of(del.key(), del.range_end());
  if (del.prev_kv()) {
    visit(range, [&](const Bytes& key, const MetaRecord& record) {
      fill_key_value(key, record, *response.add_prev_kvs());
      return true;
    });
  }
  response.set_deleted(static_cast<int64_t>(count(range)));
  erase(range, at);
  return response.deleted();
}

void MetaStore::erase(const KeyRange& range, int64_t at) {
  auto removed = records_.cut(range);
  const uint64_t keys = removed.totals().keys;
  if (keys == 0) return;
  forgets_ |= keys > History::kChangesOfOneMax || removed.totals().bytes > kAnswerBytesMax;
  if (!forgets_) {
    removed.visit(range, [&](const Bytes& key, const MetaRecord& record) {
      remember({at, key, std::nullopt, record});
      return true;
    });
  }
  removed.visit_leased([&](const Bytes& key, const MetaRecord& record) {
    detach(key, record.lease);
    return true;
  });
  if (keys <= kDeletedOneByOneMax) {
    removed.visit(range, [&](const Bytes& key, const MetaRecord&) {
      changes_.push_back({image_key(key), {}, std::nullopt});
      return true;
    });
  } else {
    const Bytes end = range.end ? image_key(*range.end) : Bytes(1, static_cast<char>(kKeyPrefix + 1));
    changes_.push_back({image_key(range.start), end, std::nullopt});
  }
  remains_.add(std::move(removed));
}

void MetaStore::erase(const Bytes& key, int64_t at) {
  auto removed = records_.erase(key);
  CHECK(removed, "erasing what is not there");
  detach(key, removed->lease);
  changes_.push_back({image_key(key), {}, std::nullopt});
  remember({at, key, std::nullopt, std::move(removed)});
}

void MetaStore::attach(const Bytes& key, int64_t lease) {
  if (lease == 0) return;
  auto found = leases_.find(lease);
  CHECK(found != leases_.end(), "key attached to lease {} that is gone", lease);
  found->second.keys.insert(key);
}

void MetaStore::detach(const Bytes& key, int64_t lease) {
  if (auto found = leases_.find(lease); found != leases_.end()) found->second.keys.erase(key);
}

Status MetaStore::check_revision(int64_t wanted) const {
  if (wanted <= 0 || wanted == revision_) return {};
  if (wanted > revision_) return future_revision();
  return wanted < compacted_ || !history_.knows_state(wanted) ? compacted() : Status{};
}

void MetaStore::visit_at(const KeyRange& range, int64_t revision, RecordTree::Visit visit) const {
  if (revision <= 0 || !history_.knows_state(revision)) return records_.visit(range, visit);
  const auto undone = history_.undone(range, revision);
  auto next = undone.begin();
  bool goes_on = true;
  const auto visit_undone = [&] {
    const auto& change = *(next++)->second;
    if (change.before) goes_on = visit(change.key, *change.before);
  };
  records_.visit(range, [&](const Bytes& key, const MetaRecord& record) {
    while (goes_on && next != undone.end() && next->first < key) visit_undone();
    if (!goes_on) return false;
    if (next != undone.end() && next->first == key) {
      visit_undone();
    } else {
      goes_on = visit(key, record);
    }
    return goes_on;
  });
  while (goes_on && next != undone.end()) visit_undone();
}

api::Reply<etcd::RangeResponse> MetaStore::range(const etcd::RangeRequest& request) const {
  if (request.key().empty()) return Err(no_key());
  if (auto status = check_revision(request.revision()); !status.ok()) return Err(std::move(status));
  Cost cost;
  if (auto status = check_answer(request, cost); !status.ok()) return Err(std::move(status));
  if (cost.work > kWorkMax) return Err(too_much_work());
  auto response = read(request);
  response.mutable_header()->set_revision(revision_);
  return response;
}

Status MetaStore::check_answer(const etcd::RangeRequest& request, Cost& cost) const {
  ++cost.work;
  const bool is_past = request.revision() > 0;
  if (is_past) cost.work += history_.size() - history_.position_of(request.revision() + 1);
  if (request.count_only() && !is_past) return {};
  if (!request.keys_only()) cost.answer_bytes += cost.put_bytes;
  // Sorted, any of the keys may be among those that are wanted; in the order of keys it is the first ones.
  int64_t left = is_by_key(request) && request.limit() > 0 ? request.limit() : INT64_MAX;
  visit_at(range_of(request.key(), request.range_end()), request.revision(),
           [&](const Bytes& key, const MetaRecord& record) {
             ++cost.work;
             if (passes_filters(request, record)) {
               if (left-- == 0) return false;  // looked at to tell that there are more
               cost.work += kAnswerWork - 1;
               cost.answer_bytes += key.size() + kRecordOverhead + (request.keys_only() ? 0 : record.value.size());
             }
             return cost.answer_bytes <= kAnswerBytesMax && cost.work <= kWorkMax;
           });
  return cost.answer_bytes > kAnswerBytesMax ? answer_too_large() : Status{};
}

Status MetaStore::check_answer(const etcd::DeleteRangeRequest& request, Cost& cost) const {
  const auto totals = records_.totals(range_of(request.key(), request.range_end()));
  cost.work += kWriteWork * ((totals.keys <= kDeletedOneByOneMax ? totals.keys : 1) + totals.leased + 1);
  cost.deleted_keys += totals.keys;
  cost.deleted_bytes += totals.bytes;
  if (!request.prev_kv()) return {};
  cost.answer_bytes += cost.put_bytes + totals.bytes + totals.keys * kRecordOverhead;
  return cost.answer_bytes > kAnswerBytesMax ? answer_too_large() : Status{};
}

etcd::RangeResponse MetaStore::read(const etcd::RangeRequest& request) const {
  etcd::RangeResponse response;
  const auto range = range_of(request.key(), request.range_end());
  if (request.revision() <= 0) {
    response.set_count(static_cast<int64_t>(count(range)));
  } else {
    int64_t keys = 0;
    visit_at(range, request.revision(), [&](const Bytes&, const MetaRecord&) { return ++keys > 0; });
    response.set_count(keys);
  }
  if (request.count_only()) return response;
  std::vector<Row> rows;
  const size_t wanted = is_by_key(request) && request.limit() > 0 ? static_cast<size_t>(request.limit()) + 1 : SIZE_MAX;
  visit_at(range, request.revision(), [&](const Bytes& key, const MetaRecord& record) {
    if (passes_filters(request, record)) rows.emplace_back(&key, &record);
    return rows.size() < wanted;
  });
  sort_rows(request, rows);
  if (request.limit() > 0 && rows.size() > static_cast<size_t>(request.limit())) {
    rows.resize(static_cast<size_t>(request.limit()));
    response.set_more(true);
  }
  for (const auto& [key, record] : rows) {
    auto& kv = *response.add_kvs();
    fill_key_value(*key, *record, kv);
    if (request.keys_only()) kv.clear_value();
  }
  return response;
}

api::Reply<uint32_t> MetaStore::hash(int64_t revision) const {
  if (auto status = check_revision(revision); !status.ok()) return Err(std::move(status));
  if (keys() > kWorkMax) return Err(too_much_work());
  uint32_t sum = 0;
  visit_at({"", std::nullopt}, revision, [&](const Bytes& key, const MetaRecord& record) {
    sum = crc32(image_value(record), crc32(key, sum));
    return true;
  });
  return sum;
}

const MetaRecord* MetaStore::get(ByteView key) const { return records_.get(key); }

std::optional<Bytes> MetaStore::value(ByteView key) const {
  const auto* record = get(key);
  if (record == nullptr) return std::nullopt;
  return record->value;
}

Bytes MetaStore::image_key(ByteView key) { return Bytes(1, kKeyPrefix).append(key); }
Bytes MetaStore::image_own_key(ByteView key) { return Bytes(1, kOwnPrefix).append(key); }
Bytes MetaStore::image_lease_key(int64_t id) {
  Bytes out(1, kLeasePrefix);
  codec::put_i64_be(out, id);
  return out;
}
Bytes MetaStore::image_history_key(int64_t revision, uint64_t place) {
  Bytes out(1, kHistoryPrefix);
  codec::put_i64_be(out, revision);
  codec::put_u64_be(out, place);
  return out;
}
Bytes MetaStore::image_revision_key() { return Bytes(1, kRevisionPrefix); }

Bytes MetaStore::image_value(const MetaRecord& record) {
  Bytes out;
  codec::put_var_i64(out, record.create_revision);
  codec::put_var_i64(out, record.mod_revision);
  codec::put_var_i64(out, record.version);
  codec::put_var_i64(out, record.lease);
  return out.append(record.value);
}

Bytes MetaStore::image_lease_value(const Lease& lease) {
  Bytes out;
  codec::put_var_i64(out, lease.ttl_seconds);
  return out;
}

Bytes MetaStore::image_revision_value() const {
  Bytes out;
  codec::put_var_i64(out, revision_);
  codec::put_var_i64(out, compacted_);
  codec::put_var_i64(out, history_.first());
  return out;
}

void MetaStore::write_image(const PutPair& put) const {
  visit({"", std::nullopt}, [&](const Bytes& key, const MetaRecord& record) {
    put(image_key(key), image_value(record));
    return true;
  });
  for (const auto& [id, lease] : leases_) put(image_lease_key(id), image_lease_value(lease));
  own_.scan_prefix("", [&](ByteView key, ByteView value) { put(image_own_key(key), value); });
  uint64_t place = 0;
  for (size_t i = 0; i < history_.size(); ++i) {
    const auto& change = history_.at(i);
    place = i > 0 && history_.at(i - 1).revision == change.revision ? place + 1 : 1;
    put(image_history_key(change.revision, place), History::encode(change));
  }
  put(image_revision_key(), image_revision_value());
}

bool MetaStore::is_image_key(ByteView key) {
  const char prefix = key.empty() ? '\0' : key.front();
  return prefix == kKeyPrefix || prefix == kLeasePrefix || prefix == kOwnPrefix || prefix == kRevisionPrefix ||
         prefix == kHistoryPrefix;
}

bool MetaStore::load_pair(ByteView key, ByteView value) {
  uint8_t prefix = 0;
  if (!codec::get_u8(key, prefix)) return false;
  if (prefix == kRevisionPrefix) {
    if (!codec::get_var_i64(value, revision_) || !codec::get_var_i64(value, compacted_)) return false;
    return value.empty() || codec::get_var_i64(value, loaded_first_);
  }
  if (prefix == kHistoryPrefix) {
    MetaChange change;
    uint64_t place = 0;
    if (!codec::get_i64_be(key, change.revision) || !codec::get_u64_be(key, place)) return false;
    if (!History::decode(value, change)) return false;
    loaded_.emplace(std::pair(change.revision, place), std::move(change));
    return true;
  }
  if (prefix == kLeasePrefix) {
    int64_t id = 0;
    return codec::get_i64_be(key, id) && codec::get_var_i64(value, leases_[id].ttl_seconds);
  }
  if (prefix == kOwnPrefix) {
    own_.put(key, value);
    return true;
  }
  if (prefix != kKeyPrefix) return false;
  MetaRecord record;
  if (!codec::get_var_i64(value, record.create_revision) || !codec::get_var_i64(value, record.mod_revision) ||
      !codec::get_var_i64(value, record.version) || !codec::get_var_i64(value, record.lease)) {
    return false;
  }
  record.value = Bytes(value);
  if (record.lease != 0) leases_[record.lease].keys.insert(Bytes(key));
  records_.put(key, std::move(record));
  return true;
}

Result<void, std::string> MetaStore::finish_load() {
  take_changed_own();  // they are on disk
  for (const auto& [id, lease] : leases_) {
    // Keys name their lease, and every lease has a record with its time to live.
    if (lease.ttl_seconds <= 0) return Err(damaged_record(fmt::format("lease {}", id)));
  }
  if (revision_ < 1 || revision_ > INT64_MAX / 2) return Err(damaged_record("the revision of the keys"));
  // Data from before there was a history begins one here.
  const int64_t first = loaded_first_ != 0 ? loaded_first_ : revision_ + 1;
  if (first < 2 || first > revision_ + 1) return Err(damaged_record("the begin of the history"));
  history_ = History();
  history_.cut(first);
  for (auto& [place, change] : loaded_) {
    if (change.revision > revision_) return Err(damaged_record(fmt::format("a change at {}", change.revision)));
    if (change.revision >= first) history_.add(std::move(change));
  }
  loaded_.clear();
  return {};
}

}  // namespace cairn::pd
