#include "pd/meta/meta_store.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "base/codec.h"
#include "pd/meta/etcd_words.h"
#include "pd/meta/keys.h"

namespace cairn::pd {
namespace {

using api::Code;
using api::Status;
namespace etcd = etcdserverpb;

enum class Kind : uint8_t { kTxn = 1, kCompact = 2, kLeaseGrant = 3, kLeaseRevoke = 4, kOwn = 5, kAdopt = 6 };

constexpr int64_t kLeaseTtlMax = 9'000'000'000;

Bytes begin_command(Kind kind) { return Bytes(1, static_cast<char>(kind)); }

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

}  // namespace

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
  return unreadable("of a kind that this version does not know, as a newer one may write it");
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
    result.status = etcd_words::future_revision();
  } else if (revision <= compacted_) {
    result.status = etcd_words::compacted();
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
    result.status = etcd_words::no_lease();
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
  const auto range = KeyRange::of_request(compare.key(), compare.range_end());
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
    if (cost.work > kWorkMax) return etcd_words::too_much_work();
  }
  path.push_back(succeeds);
  for (const auto& op : succeeds ? txn.success() : txn.failure()) {
    auto status = plan_op(op, path, cost);
    // More deletions than history takes in: what was there before is not known any more.
    const bool forgets = cost.deleted_keys > History::kChangesOfOneMax || cost.deleted_bytes > kAnswerBytesMax;
    if (status.ok() && (cost.work > kWorkMax || (forgets && cost.reads_past))) status = etcd_words::too_much_work();
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
    if (lease == leases_.end()) return etcd_words::no_lease();
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
  changes_.push_back({image_history_begin(), image_history_key(first, 0), std::nullopt});
}

int64_t MetaStore::apply_delete(const etcd::DeleteRangeRequest& del, int64_t at, etcd::DeleteRangeResponse& response) {
  const auto range = KeyRange::of_request(del.key(), del.range_end());
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
    const Bytes end = range.end ? image_key(*range.end) : image_keys_end();
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

}  // namespace cairn::pd
