#include "engine/rocks/compaction_filters.h"

#include <rocksdb/compaction_filter.h>
#include <rocksdb/slice.h>
#include <rocksdb/table_properties.h>

#include <algorithm>
#include <utility>

#include "base/codec.h"

namespace cairn::engine::rocks {
namespace {

constexpr const char* kVersions = "tikv.num_versions";
constexpr const char* kRows = "tikv.num_rows";
constexpr const char* kDeletes = "tikv.num_deletes";

ByteView view(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

// RocksDB shows a filter the newest entry of each key of the pass, and turns what is dropped into a tombstone at the
// same place, which stays as long as older entries of the key may lie below.
class FilterAdapter final : public rocksdb::CompactionFilter {
 public:
  explicit FilterAdapter(std::unique_ptr<engine::CompactionFilter> filter) : filter_(std::move(filter)) {}
  const char* Name() const override { return "cairn.filter"; }
  Decision FilterV2(int, const rocksdb::Slice& key, ValueType type, const rocksdb::Slice& value, std::string*,
                    std::string*) const override {
    if (type != ValueType::kValue) return Decision::kKeep;
    const bool drops = filter_->judge(view(key), view(value)) == engine::CompactionFilter::Verdict::kDrop;
    return drops ? Decision::kRemove : Decision::kKeep;
  }

 private:
  std::unique_ptr<engine::CompactionFilter> filter_;
};

class FactoryAdapter final : public rocksdb::CompactionFilterFactory {
 public:
  FactoryAdapter(Cf cf, std::shared_ptr<FilterSlot> slot) : cf_(cf), slot_(std::move(slot)) {}
  const char* Name() const override { return "cairn.filters"; }
  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    auto factory = slot_->get();
    auto filter = factory ? factory->begin(cf_) : nullptr;
    if (!filter) return nullptr;
    return std::make_unique<FilterAdapter>(std::move(filter));
  }

 private:
  const Cf cf_;
  std::shared_ptr<FilterSlot> slot_;
};

class VersionCounter final : public rocksdb::TablePropertiesCollector {
 public:
  const char* Name() const override { return "cairn.versions"; }
  rocksdb::Status AddUserKey(const rocksdb::Slice& key, const rocksdb::Slice& value, rocksdb::EntryType type,
                             rocksdb::SequenceNumber, uint64_t) override {
    if (type != rocksdb::kEntryPut) return rocksdb::Status::OK();
    const ByteView row = view(key).substr(0, key.size() - std::min(key.size(), codec::kTimestampSize));
    if (versions_++ == 0 || row != ByteView(row_)) {
      ++rows_;
      row_ = row;
    }
    if (is_deletion_record(view(value))) ++deletes_;
    return rocksdb::Status::OK();
  }
  rocksdb::Status Finish(rocksdb::UserCollectedProperties* properties) override {
    const auto put = [properties](const char* name, uint64_t count) {
      Bytes bytes;
      codec::put_u64_be(bytes, count);
      (*properties)[name] = std::move(bytes);
    };
    put(kVersions, versions_);
    put(kRows, rows_);
    put(kDeletes, deletes_);
    return rocksdb::Status::OK();
  }
  rocksdb::UserCollectedProperties GetReadableProperties() const override {
    return {
        {kVersions, std::to_string(versions_)}, {kRows, std::to_string(rows_)}, {kDeletes, std::to_string(deletes_)}};
  }

 private:
  Bytes row_;  // the last key without its timestamp
  uint64_t versions_ = 0, rows_ = 0, deletes_ = 0;
};

class VersionCounterFactory final : public rocksdb::TablePropertiesCollectorFactory {
 public:
  const char* Name() const override { return "cairn.versions"; }
  rocksdb::TablePropertiesCollector* CreateTablePropertiesCollector(Context) override { return new VersionCounter; }
};

uint64_t count_of(const rocksdb::TableProperties& properties, const char* name) {
  const auto found = properties.user_collected_properties.find(name);
  if (found == properties.user_collected_properties.end()) return 0;
  ByteView bytes = found->second;
  uint64_t count = 0;
  return codec::get_u64_be(bytes, count) ? count : 0;
}

}  // namespace

std::shared_ptr<rocksdb::CompactionFilterFactory> filter_factory(Cf cf, std::shared_ptr<FilterSlot> slot) {
  return std::make_shared<FactoryAdapter>(cf, std::move(slot));
}

std::shared_ptr<rocksdb::TablePropertiesCollectorFactory> version_counter() {
  return std::make_shared<VersionCounterFactory>();
}

TableStats stats_of(const rocksdb::TableProperties& properties) {
  TableStats stats;
  stats.entries = properties.num_entries;
  stats.tombstones = properties.num_deletions;
  stats.versions = count_of(properties, kVersions);
  stats.rows = count_of(properties, kRows);
  stats.deletes = count_of(properties, kDeletes);
  return stats;
}

}  // namespace cairn::engine::rocks
