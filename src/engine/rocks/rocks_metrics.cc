#include "engine/rocks/rocks_metrics.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <map>
#include <string_view>

namespace cairn::engine::rocks {
namespace {

using metrics::Labels;
using Properties = rocksdb::DB::Properties;

constexpr int kLevels = 7;

// Counters of RocksDB, as TiKV groups them.
struct Ticker {
  rocksdb::Tickers ticker;
  const char* name;
  const char* type;
};
constexpr const char* kCache = "tikv_engine_cache_efficiency";
constexpr const char* kFlow = "tikv_engine_flow_bytes";
constexpr const char* kLocate = "tikv_engine_locate";
constexpr Ticker kTickers[] = {
    {rocksdb::BLOCK_CACHE_MISS, kCache, "block_cache_miss"},
    {rocksdb::BLOCK_CACHE_HIT, kCache, "block_cache_hit"},
    {rocksdb::BLOCK_CACHE_ADD, kCache, "block_cache_add"},
    {rocksdb::BLOCK_CACHE_ADD_FAILURES, kCache, "block_cache_add_failures"},
    {rocksdb::BLOCK_CACHE_INDEX_MISS, kCache, "block_cache_index_miss"},
    {rocksdb::BLOCK_CACHE_INDEX_HIT, kCache, "block_cache_index_hit"},
    {rocksdb::BLOCK_CACHE_INDEX_ADD, kCache, "block_cache_index_add"},
    {rocksdb::BLOCK_CACHE_INDEX_BYTES_INSERT, kCache, "block_cache_index_bytes_insert"},
    {rocksdb::BLOCK_CACHE_FILTER_MISS, kCache, "block_cache_filter_miss"},
    {rocksdb::BLOCK_CACHE_FILTER_HIT, kCache, "block_cache_filter_hit"},
    {rocksdb::BLOCK_CACHE_FILTER_ADD, kCache, "block_cache_filter_add"},
    {rocksdb::BLOCK_CACHE_FILTER_BYTES_INSERT, kCache, "block_cache_filter_bytes_insert"},
    {rocksdb::BLOCK_CACHE_DATA_MISS, kCache, "block_cache_data_miss"},
    {rocksdb::BLOCK_CACHE_DATA_HIT, kCache, "block_cache_data_hit"},
    {rocksdb::BLOCK_CACHE_DATA_ADD, kCache, "block_cache_data_add"},
    {rocksdb::BLOCK_CACHE_DATA_BYTES_INSERT, kCache, "block_cache_data_bytes_insert"},
    {rocksdb::MEMTABLE_HIT, "tikv_engine_memtable_efficiency", "memtable_hit"},
    {rocksdb::MEMTABLE_MISS, "tikv_engine_memtable_efficiency", "memtable_miss"},
    {rocksdb::GET_HIT_L0, "tikv_engine_get_served", "get_hit_l0"},
    {rocksdb::GET_HIT_L1, "tikv_engine_get_served", "get_hit_l1"},
    {rocksdb::GET_HIT_L2_AND_UP, "tikv_engine_get_served", "get_hit_l2_and_up"},
    {rocksdb::WRITE_DONE_BY_SELF, "tikv_engine_write_served", "write_done_by_self"},
    {rocksdb::WRITE_DONE_BY_OTHER, "tikv_engine_write_served", "write_done_by_other"},
    {rocksdb::WRITE_TIMEDOUT, "tikv_engine_write_served", "write_timeout"},
    {rocksdb::WRITE_WITH_WAL, "tikv_engine_write_served", "write_with_wal"},
    {rocksdb::BLOOM_FILTER_USEFUL, "tikv_engine_bloom_efficiency", "bloom_useful"},
    {rocksdb::BLOOM_FILTER_PREFIX_CHECKED, "tikv_engine_bloom_efficiency", "bloom_prefix_checked"},
    {rocksdb::BLOOM_FILTER_PREFIX_USEFUL, "tikv_engine_bloom_efficiency", "bloom_prefix_useful"},
    {rocksdb::BYTES_WRITTEN, kFlow, "bytes_written"},
    {rocksdb::NUMBER_KEYS_WRITTEN, kFlow, "keys_written"},
    {rocksdb::BYTES_READ, kFlow, "bytes_read"},
    {rocksdb::NUMBER_KEYS_READ, kFlow, "keys_read"},
    {rocksdb::ITER_BYTES_READ, kFlow, "iter_bytes_read"},
    {rocksdb::WAL_FILE_BYTES, kFlow, "wal_file_bytes"},
    {rocksdb::FLUSH_WRITE_BYTES, kFlow, "flush_write_bytes"},
    {rocksdb::BLOCK_CACHE_BYTES_READ, kFlow, "block_cache_byte_read"},
    {rocksdb::BLOCK_CACHE_BYTES_WRITE, kFlow, "block_cache_byte_write"},
    {rocksdb::COMPACT_READ_BYTES, "tikv_engine_compaction_flow_bytes", "bytes_read"},
    {rocksdb::COMPACT_WRITE_BYTES, "tikv_engine_compaction_flow_bytes", "bytes_written"},
    {rocksdb::COMPACTION_KEY_DROP_NEWER_ENTRY, "tikv_engine_compaction_key_drop", "compaction_key_drop_newer_entry"},
    {rocksdb::COMPACTION_KEY_DROP_OBSOLETE, "tikv_engine_compaction_key_drop", "compaction_key_drop_obsolete"},
    {rocksdb::COMPACTION_KEY_DROP_RANGE_DEL, "tikv_engine_compaction_key_drop", "compaction_key_drop_range_del"},
    {rocksdb::NUMBER_DB_SEEK, kLocate, "number_db_seek"},
    {rocksdb::NUMBER_DB_SEEK_FOUND, kLocate, "number_db_seek_found"},
    {rocksdb::NUMBER_DB_NEXT, kLocate, "number_db_next"},
    {rocksdb::NUMBER_DB_NEXT_FOUND, kLocate, "number_db_next_found"},
    {rocksdb::NUMBER_DB_PREV, kLocate, "number_db_prev"},
    {rocksdb::NUMBER_DB_PREV_FOUND, kLocate, "number_db_prev_found"},
    {rocksdb::STALL_MICROS, "tikv_engine_stall_micro_seconds", "stall_micros"},
    {rocksdb::WAL_FILE_SYNCED, "tikv_engine_wal_file_synced", nullptr},
};

// Histograms of RocksDB, of which it tells an average, percentiles and the largest.
struct Summary {
  rocksdb::Histograms histogram;
  const char* name;
  const char* prefix;
};
constexpr Summary kSummaries[] = {
    {rocksdb::DB_GET, "tikv_engine_get_micro_seconds", "get"},
    {rocksdb::DB_SEEK, "tikv_engine_seek_micro_seconds", "seek"},
    {rocksdb::DB_WRITE, "tikv_engine_write_micro_seconds", "write"},
    {rocksdb::WAL_FILE_SYNC_MICROS, "tikv_engine_wal_file_sync_micro_seconds", "wal_file_sync"},
    {rocksdb::SST_READ_MICROS, "tikv_engine_sst_read_micros", "sst_read_micros"},
    {rocksdb::COMPACTION_TIME, "tikv_engine_compaction_time", "compaction_time"},
    {rocksdb::NUM_FILES_IN_SINGLE_COMPACTION, "tikv_engine_num_files_in_single_compaction",
     "num_files_in_single_compaction"},
    {rocksdb::BYTES_PER_READ, "tikv_engine_bytes_per_read", "bytes_per_read"},
    {rocksdb::BYTES_PER_WRITE, "tikv_engine_bytes_per_write", "bytes_per_write"},
    {rocksdb::WRITE_STALL, "tikv_engine_write_stall", "write_stall"},
};
constexpr std::array<const char*, 5> kSummaryParts = {"average", "median", "percentile95", "percentile99", "max"};

// Properties of a column family.
struct Property {
  const std::string* property;
  const char* name;
  const char* help;
  const char* type;  // nullptr: no such label
};
const Property kProperties[] = {
    {&Properties::kEstimateNumKeys, "tikv_engine_estimate_num_keys", "Keys, about", nullptr},
    {&Properties::kEstimatePendingCompactionBytes, "tikv_engine_pending_compaction_bytes",
     "Bytes that wait to be compacted", nullptr},
    {&Properties::kCurSizeAllMemTables, "tikv_engine_memory_bytes", "Memory", "mem-tables"},
    {&Properties::kSizeAllMemTables, "tikv_engine_memory_bytes", "Memory", "mem-tables-all"},
    {&Properties::kEstimateTableReadersMem, "tikv_engine_memory_bytes", "Memory", "readers-mem"},
    {&Properties::kNumImmutableMemTable, "tikv_engine_num_immutable_mem_table", "Memtables that wait to be flushed",
     nullptr},
};

// Of the whole database.
const Property kWhole[] = {
    {&Properties::kNumRunningCompactions, "tikv_engine_num_running_compactions", "Compactions under way", nullptr},
    {&Properties::kNumRunningFlushes, "tikv_engine_num_running_flushes", "Flushes under way", nullptr},
    {&Properties::kNumSnapshots, "tikv_engine_num_snapshots", "Snapshots that are held", nullptr},
};

// Why writes were slowed down or stopped: the key of RocksDB's statistics of a column family, and TiKV's label.
constexpr std::pair<const char*, const char*> kStallReasons[] = {
    {"io_stalls.level0_slowdown", "level0_file_limit_slowdown"},
    {"io_stalls.level0_numfiles", "level0_file_limit_stop"},
    {"io_stalls.slowdown_for_pending_compaction_bytes", "pending_compaction_bytes_slowdown"},
    {"io_stalls.stop_for_pending_compaction_bytes", "pending_compaction_bytes_stop"},
    {"io_stalls.memtable_slowdown", "memtable_count_limit_slowdown"},
    {"io_stalls.memtable_compaction", "memtable_count_limit_stop"},
};

class EventCounter final : public rocksdb::EventListener {
 public:
  explicit EventCounter(std::string db) : db_(std::move(db)) {
    for (const char* event : {"flush", "compaction", "ingestion"}) events(event).add(0);
    corrupt_keys().add(0);
  }
  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo&) override { events("flush").add(); }
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo& info) override {
    events("compaction").add();
    metrics::counter("tikv_engine_compaction_reason", "Compactions by their reason",
                     {{"db", db_}, {"cf", info.cf_name}, {"reason", reason_of(info.compaction_reason)}})
        .add();
    metrics::histogram("tikv_engine_compaction_duration_seconds", "How long compactions take", metrics::kJobTimes,
                       {{"db", db_}, {"cf", info.cf_name}})
        .observe(std::chrono::microseconds(info.stats.elapsed_micros));
    corrupt_keys().add(info.stats.num_corrupt_keys);
  }
  void OnExternalFileIngested(rocksdb::DB*, const rocksdb::ExternalFileIngestionInfo&) override {
    events("ingestion").add();
  }
  void OnStallConditionsChanged(const rocksdb::WriteStallInfo& info) override {
    const auto name = [](rocksdb::WriteStallCondition condition) {
      switch (condition) {
        case rocksdb::WriteStallCondition::kDelayed:
          return "delayed";
        case rocksdb::WriteStallCondition::kStopped:
          return "stopped";
        default:
          return "normal";
      }
    };
    const std::array conditions = {rocksdb::WriteStallCondition::kNormal, rocksdb::WriteStallCondition::kDelayed,
                                   rocksdb::WriteStallCondition::kStopped};
    for (const auto condition : conditions) {
      metrics::gauge("tikv_engine_stall_conditions_changed", "1: the column family's writes are so",
                     {{"db", db_}, {"cf", info.cf_name}, {"type", name(condition)}})
          .set(condition == info.condition.cur ? 1 : 0);
    }
  }

 private:
  metrics::Counter& events(const char* type) const {
    return metrics::counter("tikv_engine_event_total", "Flushes, compactions and ingestions",
                            {{"db", db_}, {"type", type}});
  }
  metrics::Counter& corrupt_keys() const {
    return metrics::counter("tikv_engine_compaction_num_corrupt_keys", "Damaged keys that compactions met",
                            {{"db", db_}});
  }
  static const char* reason_of(rocksdb::CompactionReason reason) {
    switch (reason) {
      case rocksdb::CompactionReason::kLevelL0FilesNum:
        return "LevelL0FilesNum";
      case rocksdb::CompactionReason::kLevelMaxLevelSize:
        return "LevelMaxLevelSize";
      case rocksdb::CompactionReason::kManualCompaction:
        return "ManualCompaction";
      case rocksdb::CompactionReason::kFilesMarkedForCompaction:
        return "FilesMarkedForCompaction";
      case rocksdb::CompactionReason::kBottommostFiles:
        return "BottommostFiles";
      case rocksdb::CompactionReason::kTtl:
        return "Ttl";
      default:
        return "Others";
    }
  }

  const std::string db_;
};

}  // namespace

std::shared_ptr<rocksdb::EventListener> count_events(const std::string& db) {
  return std::make_shared<EventCounter>(db);
}

// The gauges, found once, and where each comes from.
class Figures::Gauges {
 public:
  explicit Gauges(Source source);
  void look() const;

 private:
  struct OfFamily {
    rocksdb::ColumnFamilyHandle* handle;
    std::vector<std::pair<const std::string*, metrics::Gauge*>> properties;
    metrics::Gauge* bytes;
    std::array<metrics::Gauge*, kLevels> files;
    std::array<metrics::Gauge*, kLevels> ratios;
    std::vector<std::pair<std::string, metrics::Gauge*>> stalls;
  };
  OfFamily family(const std::string& name, rocksdb::ColumnFamilyHandle* handle) const;
  void look_at(const OfFamily& family) const;

  const Source source_;
  std::vector<std::pair<rocksdb::Tickers, metrics::Gauge*>> tickers_;
  std::vector<std::pair<rocksdb::Histograms, std::array<metrics::Gauge*, kSummaryParts.size()>>> summaries_;
  std::vector<std::pair<const std::string*, metrics::Gauge*>> whole_;
  std::vector<OfFamily> families_;
  metrics::Gauge* block_cache_ = nullptr;
  metrics::Gauge* oldest_snapshot_ = nullptr;
};

Figures::Gauges::Gauges(Source source) : source_(std::move(source)) {
  const std::string& db = source_.name;
  for (const auto& [ticker, name, type] : kTickers) {
    Labels labels{{"db", db}};
    if (type != nullptr) labels["type"] = type;
    tickers_.emplace_back(ticker, &metrics::reading(name, "A counter of RocksDB", labels));
  }
  for (const auto& [histogram, name, prefix] : kSummaries) {
    auto& parts = summaries_.emplace_back(histogram, std::array<metrics::Gauge*, kSummaryParts.size()>{}).second;
    for (size_t i = 0; i < kSummaryParts.size(); ++i) {
      parts[i] = &metrics::gauge(name, "A histogram of RocksDB, of all that came so far",
                                 {{"db", db}, {"type", fmt::format("{}_{}", prefix, kSummaryParts[i])}});
    }
  }
  for (const auto& [property, name, help, type] : kWhole) {
    whole_.emplace_back(property, &metrics::gauge(name, help, {{"db", db}}));
  }
  for (const auto& [name, handle] : source_.families) families_.push_back(family(name, handle));
  block_cache_ = &metrics::gauge("tikv_engine_block_cache_size_bytes", "Blocks in the cache, all families' together",
                                 {{"db", db}, {"cf", "all"}});
  oldest_snapshot_ = &metrics::gauge("tikv_engine_oldest_snapshot_duration",
                                     "Seconds since the oldest snapshot that is held was taken", {{"db", db}});
}

Figures::Gauges::OfFamily Figures::Gauges::family(const std::string& name, rocksdb::ColumnFamilyHandle* handle) const {
  const std::string& db = source_.name;
  OfFamily out{.handle = handle, .properties = {}, .bytes = nullptr, .files = {}, .ratios = {}, .stalls = {}};
  for (const auto& [property, metric, help, type] : kProperties) {
    Labels labels{{"db", db}, {"cf", name}};
    if (type != nullptr) labels["type"] = type;
    out.properties.emplace_back(property, &metrics::gauge(metric, help, labels));
  }
  out.bytes = &metrics::gauge("tikv_engine_size_bytes", "Bytes on the disk", {{"db", db}, {"type", name}});
  for (size_t level = 0; level < kLevels; ++level) {
    const Labels labels{{"db", db}, {"cf", name}, {"level", std::to_string(level)}};
    out.files[level] = &metrics::gauge("tikv_engine_num_files_at_level", "Files of a level", labels);
    out.ratios[level] = &metrics::gauge("tikv_engine_compression_ratio", "How much a level is compressed", labels);
  }
  for (const char* condition : {"normal", "delayed", "stopped"}) {
    metrics::gauge("tikv_engine_stall_conditions_changed", "1: the column family's writes are so",
                   {{"db", db}, {"cf", name}, {"type", condition}})
        .set(std::string_view(condition) == "normal" ? 1 : 0);
  }
  for (const auto& [key, label] : kStallReasons) {
    out.stalls.emplace_back(key, &metrics::gauge("tikv_engine_write_stall_reason", "Writes that were held up, by why",
                                                 {{"db", db}, {"cf", name}, {"type", label}}));
  }
  return out;
}

void Figures::Gauges::look() const {
  auto& statistics = *source_.statistics;
  for (const auto& [ticker, gauge] : tickers_) gauge->set(static_cast<double>(statistics.getTickerCount(ticker)));
  for (const auto& [histogram, parts] : summaries_) {
    rocksdb::HistogramData data;
    statistics.histogramData(histogram, &data);
    const std::array values = {data.average, data.median, data.percentile95, data.percentile99, data.max};
    for (size_t i = 0; i < parts.size(); ++i) parts[i]->set(values[i]);
  }
  for (const auto& [property, gauge] : whole_) {
    uint64_t value = 0;
    if (source_.db->GetIntProperty(*property, &value)) gauge->set(static_cast<double>(value));
  }
  for (const auto& family : families_) look_at(family);
  block_cache_->set(static_cast<double>(source_.block_cache_bytes()));
  uint64_t taken_at = 0;
  int64_t now = 0;
  const bool is_known = source_.db->GetIntProperty(Properties::kOldestSnapshotTime, &taken_at) &&
                        source_.db->GetEnv()->GetCurrentTime(&now).ok();
  oldest_snapshot_->set(is_known && taken_at > 0 ? static_cast<double>(now) - static_cast<double>(taken_at) : 0);
}

void Figures::Gauges::look_at(const OfFamily& family) const {
  auto& db = *source_.db;
  for (const auto& [property, gauge] : family.properties) {
    uint64_t value = 0;
    if (db.GetIntProperty(family.handle, *property, &value)) gauge->set(static_cast<double>(value));
  }
  uint64_t bytes = 0;
  if (db.GetIntProperty(family.handle, Properties::kTotalSstFilesSize, &bytes)) {
    family.bytes->set(static_cast<double>(bytes));
  }
  for (size_t level = 0; level < kLevels; ++level) {
    std::string text;
    if (db.GetProperty(family.handle, Properties::kNumFilesAtLevelPrefix + std::to_string(level), &text)) {
      family.files[level]->set(std::strtod(text.c_str(), nullptr));
    }
    if (db.GetProperty(family.handle, Properties::kCompressionRatioAtLevelPrefix + std::to_string(level), &text)) {
      family.ratios[level]->set(std::strtod(text.c_str(), nullptr));
    }
  }
  std::map<std::string, std::string> stats;
  if (!db.GetMapProperty(family.handle, Properties::kCFStats, &stats)) return;
  for (const auto& [key, gauge] : family.stalls) {
    if (const auto found = stats.find(key); found != stats.end()) {
      gauge->set(std::strtod(found->second.c_str(), nullptr));
    }
  }
}

Figures::Figures(Source source)
    : gauges_(std::make_unique<Gauges>(std::move(source))),
      collector_(metrics::on_render([this] { gauges_->look(); })) {}
Figures::~Figures() = default;

}  // namespace cairn::engine::rocks
