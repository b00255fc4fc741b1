// Of MetaStore: reads of the etcd key space, of now and of revisions that the history knows, and what they may take.
#include <algorithm>
#include <compare>

#include "base/crc.h"
#include "pd/meta/etcd_words.h"
#include "pd/meta/meta_store.h"

namespace cairn::pd {
namespace {

using api::Status;
namespace etcd = etcdserverpb;

constexpr uint64_t kAnswerWork = 4;  // of a key in the answer to a read: it is sorted and copied

bool is_by_key(const etcd::RangeRequest& request) {
  return request.sort_order() != etcd::RangeRequest::DESCEND && request.sort_target() == etcd::RangeRequest::KEY;
}

bool passes_filters(const etcd::RangeRequest& request, const MetaRecord& record) {
  return (request.min_mod_revision() == 0 || record.mod_revision >= request.min_mod_revision()) &&
         (request.max_mod_revision() == 0 || record.mod_revision <= request.max_mod_revision()) &&
         (request.min_create_revision() == 0 || record.create_revision >= request.min_create_revision()) &&
         (request.max_create_revision() == 0 || record.create_revision <= request.max_create_revision());
}

using Row = std::pair<const Bytes*, const MetaRecord*>;

// Puts rows, which come in key order, into the order asked for.
void sort_rows(const etcd::RangeRequest& request, std::vector<Row>& rows) {
  auto by = [&](const Row& a, const Row& b) -> std::strong_ordering {
    switch (request.sort_target()) {
      case etcd::RangeRequest::VERSION:
        return a.second->version <=> b.second->version;
      case etcd::RangeRequest::CREATE:
        return a.second->create_revision <=> b.second->create_revision;
      case etcd::RangeRequest::MOD:
        return a.second->mod_revision <=> b.second->mod_revision;
      case etcd::RangeRequest::VALUE:
        return a.second->value <=> b.second->value;
      default:
        return *a.first <=> *b.first;
    }
  };
  const bool descend = request.sort_order() == etcd::RangeRequest::DESCEND;
  if (!descend && request.sort_target() == etcd::RangeRequest::KEY) return;
  std::sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) {
    const auto result = by(a, b);
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

Status MetaStore::check_revision(int64_t wanted) const {
  if (wanted <= 0 || wanted == revision_) return {};
  if (wanted > revision_) return etcd_words::future_revision();
  return wanted < compacted_ || !history_.knows_state(wanted) ? etcd_words::compacted() : Status{};
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
  if (request.key().empty()) return Err(etcd_words::no_key());
  if (auto status = check_revision(request.revision()); !status.ok()) return Err(std::move(status));
  Cost cost;
  if (auto status = check_answer(request, cost); !status.ok()) return Err(std::move(status));
  if (cost.work > kWorkMax) return Err(etcd_words::too_much_work());
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
  visit_at(KeyRange::of_request(request.key(), request.range_end()), request.revision(),
           [&](const Bytes& key, const MetaRecord& record) {
             ++cost.work;
             if (passes_filters(request, record)) {
               if (left-- == 0) return false;  // looked at to tell that there are more
               cost.work += kAnswerWork - 1;
               cost.answer_bytes += key.size() + kRecordOverhead + (request.keys_only() ? 0 : record.value.size());
             }
             return cost.answer_bytes <= kAnswerBytesMax && cost.work <= kWorkMax;
           });
  return cost.answer_bytes > kAnswerBytesMax ? etcd_words::answer_too_large() : Status{};
}

Status MetaStore::check_answer(const etcd::DeleteRangeRequest& request, Cost& cost) const {
  const auto totals = records_.totals(KeyRange::of_request(request.key(), request.range_end()));
  cost.work += kWriteWork * ((totals.keys <= kDeletedOneByOneMax ? totals.keys : 1) + totals.leased + 1);
  cost.deleted_keys += totals.keys;
  cost.deleted_bytes += totals.bytes;
  if (!request.prev_kv()) return {};
  cost.answer_bytes += cost.put_bytes + totals.bytes + totals.keys * kRecordOverhead;
  return cost.answer_bytes > kAnswerBytesMax ? etcd_words::answer_too_large() : Status{};
}

etcd::RangeResponse MetaStore::read(const etcd::RangeRequest& request) const {
  etcd::RangeResponse response;
  const auto range = KeyRange::of_request(request.key(), request.range_end());
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
  if (keys() > kWorkMax) return Err(etcd_words::too_much_work());
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

}  // namespace cairn::pd
