// The Raft log over a RocksDB of its own, with its write-ahead log.
//
//   01 02 region u64be 01 index u64be   an entry
//   01 02 region u64be 02               the region's state
//   01 02 region u64be 03 slot u8       a meta value
//
// Recovery. Tolerant mode: a torn tail is cut off, a bad checksum refuses to open (point-in-time mode would drop it and
// all behind it in silence). Two holes of that mode are closed: a damaged length in the newest log (wal_tail.h), and an
// older log that lost its end (the manifest keeps the synced size of each log that was followed by another).
//
// Entries live shortly: most die before their memtable is flushed, and since flushes merge several memtables, entry and
// deletion meet there. So point deletions it is, but for ranges so long that they would crowd the memtable.
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <utility>

#include "base/check.h"
#include "base/codec.h"
#include "base/log.h"
#include "engine/rocks/perf.h"
#include "engine/rocks/posix_files.h"
#include "engine/rocks/rocks_engine.h"
#include "engine/rocks/rocks_metrics.h"
#include "engine/rocks/rocks_options.h"
#include "engine/rocks/rocks_status.h"
#include "engine/rocks/wal_tail.h"

namespace cairn::engine {
namespace {

using namespace rocks;  // NOLINT(google-build-using-namespace): this folder's own parts

constexpr ByteView kPrefix("\x01\x02", 2);
constexpr char kEntryKind = 1, kStateKind = 2, kMetaKind = 3;
constexpr size_t kStateKeySize = 11;
constexpr uint64_t kPointDeletionsMax = 4096;

rocksdb::Slice slice(ByteView bytes) { return {bytes.data(), bytes.size()}; }
ByteView view(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

Bytes region_key(uint64_t region, char kind) {
  Bytes key(kPrefix);
  codec::put_u64_be(key, region);
  key.push_back(kind);
  return key;
}
Bytes entry_key(RegionId region, uint64_t index) {
  Bytes key = region_key(region.value, kEntryKind);
  codec::put_u64_be(key, index);
  return key;
}
Bytes state_key(RegionId region) { return region_key(region.value, kStateKind); }
Bytes meta_key(RegionId region, uint8_t slot) {
  Bytes key = region_key(region.value, kMetaKind);
  key.push_back(static_cast<char>(slot));
  return key;
}

class RocksRaftLogBatch final : public RaftLogBatch {
 public:
  void put_state(RegionId region, ByteView raft_state) override {
    done(batch_.Put(slice(state_key(region)), slice(raft_state)));
  }
  void put_entry(RegionId region, LogIndex index, ByteView entry) override {
    done(batch_.Put(slice(entry_key(region, index.value)), slice(entry)));
  }
  void cut_suffix(RegionId region, LogIndex from, LogIndex last) override { cut(region, from.value, last.value); }
  void cut_prefix(RegionId region, LogIndex from, LogIndex to) override {
    if (from < to) cut(region, from.value, to.value - 1);
  }
  void remove_region(RegionId region, LogIndex first, LogIndex last) override {
    cut(region, first.value, last.value);
    done(batch_.Delete(slice(state_key(region))));
    done(
        batch_.DeleteRange(slice(region_key(region.value, kMetaKind)), slice(region_key(region.value, kMetaKind + 1))));
  }
  void put_meta(RegionId region, uint8_t slot, ByteView value) override {
    Bytes key = meta_key(region, slot);
    done(value.empty() ? batch_.Delete(slice(key)) : batch_.Put(slice(key), slice(value)));
  }
  bool empty() const override { return batch_.Count() == 0; }
  size_t bytes() const override { return empty() ? 0 : batch_.GetDataSize(); }
  void clear() override { batch_.Clear(); }

  rocksdb::WriteBatch& batch() { return batch_; }
  // The last thing before the batch is written.
  void claim(const SyncClaim& claim) { done(batch_.PutLogData(slice(claim.blob()))); }

 private:
  // Deletes the entries [first, last].
  void cut(RegionId region, uint64_t first, uint64_t last) {
    if (last < first) return;
    if (last - first >= kPointDeletionsMax) {
      Bytes end = last == UINT64_MAX ? state_key(region) : entry_key(region, last + 1);
      return done(batch_.DeleteRange(slice(entry_key(region, first)), slice(end)));
    }
    for (uint64_t index = first; index - first <= last - first; ++index) {
      done(batch_.Delete(slice(entry_key(region, index))));
      if (index == last) break;
    }
  }
  static void done(const rocksdb::Status& status) {
    CHECK(status.ok(), "a batch takes every change, but: {}", status.ToString());
  }

  rocksdb::WriteBatch batch_;
};

class RocksRaftLog final : public RaftLogEngine {
 public:
  RocksRaftLog(std::unique_ptr<rocksdb::DB> db, std::shared_ptr<BackgroundError> background_error,
               std::unique_ptr<Figures> figures)
      : db_(std::move(db)),
        background_error_(std::move(background_error)),
        figures_(std::move(figures)),
        synced_(db_->GetLatestSequenceNumber()) {}  // what was recovered has been flushed
  ~RocksRaftLog() override {
    figures_.reset();  // it looks at the database
    rocksdb::Status status = db_->SyncWAL();
    if (status.ok()) status = db_->Close();
    if (!status.ok()) LOG_WARN("closing the Raft log: {}", status.ToString());
  }

  std::unique_ptr<RaftLogBatch> new_batch() const override { return std::make_unique<RocksRaftLogBatch>(); }

  Result<void> write(RaftLogBatch& batch, Sync sync) override {
    TRY(background_error_->check());
    auto& mine = static_cast<RocksRaftLogBatch&>(batch);
    if (!mine.empty()) {
      mine.claim({.synced = synced_});
      rocksdb::WriteOptions options;
      options.sync = sync == Sync::kYes;
      static const WritePerf perf("tikv_raftstore_store_perf_context_time_duration_secs");
      TRY(to_result(perf.run([&] { return db_->Write(options, &mine.batch()); }), "writing the Raft log"));
    } else if (sync == Sync::kYes) {
      TRY(to_result(db_->SyncWAL(), "syncing the Raft log"));
    }
    if (sync == Sync::kYes) synced_ = db_->GetLatestSequenceNumber();
    return {};
  }

  // One seek a region: from its state on to where the next region's would be.
  Result<std::vector<RegionId>> regions() const override {
    auto iterator = scan(nullptr, nullptr);
    std::vector<RegionId> ids;
    Bytes target = region_key(0, kStateKind);
    for (iterator->Seek(slice(target)); iterator->Valid(); iterator->Seek(slice(target))) {
      ByteView key = view(iterator->key());
      ByteView rest = key.substr(0, kStateKeySize);
      uint64_t region = 0;
      if (!rest.starts_with(kPrefix)) break;
      rest.remove_prefix(kPrefix.size());
      if (!codec::get_u64_be(rest, region) || rest.empty()) {
        return Err(Error{Error::Kind::kCorruption, "a strange key in the Raft log: " + to_hex(key)});
      }
      if (rest.front() == kStateKind) ids.emplace_back(region);
      if (rest.front() != kEntryKind && region == UINT64_MAX) break;
      target = region_key(rest.front() == kEntryKind ? region : region + 1, kStateKind);
    }
    TRY(to_result(iterator->status(), "listing the Raft log's regions"));
    return ids;
  }
  Result<std::optional<Bytes>> state(RegionId region) const override {
    static auto& time = reading_time("init_raft_state");
    return get(state_key(region), time);
  }
  Result<std::optional<Bytes>> meta(RegionId region, uint8_t slot) const override {
    static auto& time = reading_time("init_apply_state");
    return get(meta_key(region, slot), time);
  }
  Result<std::optional<Bytes>> entry(RegionId region, LogIndex index) const override {
    static auto& time = reading_time("raft_term");
    return get(entry_key(region, index.value), time);
  }
  Result<size_t> entries(RegionId region, LogIndex from, LogIndex to, size_t max_bytes,
                         std::vector<Bytes>& out) const override {
    if (to <= from) return size_t{0};
    static auto& time = metrics::histogram("tikv_raftstore_entry_fetches_task_duration_seconds",
                                           "How long entries are read back from the Raft log", metrics::kStepTimes);
    static auto& reading = reading_time("raft_fetch_log");
    const uint64_t begun = db_->GetEnv()->NowNanos();
    Bytes first = entry_key(region, from.value), end = entry_key(region, to.value);
    rocksdb::Slice lower = slice(first), upper = slice(end);
    auto iterator = scan(&lower, &upper);
    size_t count = 0, bytes = 0;
    for (iterator->Seek(lower); iterator->Valid(); iterator->Next()) {
      ByteView index_bytes = view(iterator->key()).substr(kStateKeySize);
      uint64_t index = 0;
      if (!codec::get_u64_be(index_bytes, index) || index != from.value + count) break;
      bytes += iterator->value().size();
      if (count > 0 && bytes > max_bytes) break;
      out.emplace_back(view(iterator->value()));
      ++count;
    }
    TRY(to_result(iterator->status(), "reading entries"));
    const uint64_t took = db_->GetEnv()->NowNanos() - begun;
    time.observe(took);
    reading.observe(took);
    return count;
  }
  uint64_t used_bytes() const override {
    uint64_t files = 0, memory = 0;
    db_->GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &files);
    db_->GetIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &memory);
    return files + memory;
  }

 private:
  // Reads that a shard makes, by what for.
  static metrics::Histogram& reading_time(const char* reason) {
    return metrics::histogram("tikv_raftstore_io_duration_seconds", "How long shards read the Raft log",
                              metrics::kStepTimes, {{"type", "read"}, {"reason", reason}});
  }
  Result<std::optional<Bytes>> get(const Bytes& key, metrics::Histogram& time) const {
    Bytes value;
    const uint64_t begun = db_->GetEnv()->NowNanos();
    rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), slice(key), &value);
    time.observe(db_->GetEnv()->NowNanos() - begun);
    if (status.IsNotFound()) return std::optional<Bytes>();
    if (!status.ok()) return Err(to_error(status, "reading the Raft log"));
    return std::optional<Bytes>(std::move(value));
  }
  std::unique_ptr<rocksdb::Iterator> scan(const rocksdb::Slice* lower, const rocksdb::Slice* upper) const {
    rocksdb::ReadOptions read;
    read.iterate_lower_bound = lower;
    read.iterate_upper_bound = upper;
    return std::unique_ptr<rocksdb::Iterator>(db_->NewIterator(read));
  }

  std::unique_ptr<rocksdb::DB> db_;
  std::shared_ptr<BackgroundError> background_error_;
  std::unique_ptr<Figures> figures_;  // may be null
  uint64_t synced_;                   // sequence number up to which all is synced; of the thread that writes
};

rocksdb::Options raft_log_options(const RocksRaftLogOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.block_cache_bytes, -1, false, 0.5);
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;

  rocksdb::Options out;
  set_common_options(out);
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  out.compression = rocksdb::kLZ4Compression;
  out.write_buffer_size = options.write_buffer_bytes;
  out.min_write_buffer_number_to_merge = 2;
  out.max_write_buffer_number = 6;
  out.max_total_wal_size = options.total_wal_bytes;
  out.max_open_files = options.max_open_files;
  out.max_background_jobs = 2;
  out.manual_wal_flush = false;
  out.avoid_flush_during_recovery = false;  // what an open finds is durable
  out.wal_bytes_per_sync = 0;               // the last batch of each round is synced anyway
  out.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  out.track_and_verify_wals_in_manifest = true;
  return out;
}

// Looks at the log's end under RocksDB's own lock, so as not to touch the log of a living process.
Result<void> check_tail_locked(const std::string& path) {
  rocksdb::Env* env = rocksdb::Env::Default();
  if (!env->FileExists(path + "/CURRENT").ok()) return {};  // no database yet
  rocksdb::FileLock* lock = nullptr;
  TRY(to_result(env->LockFile(path + "/LOCK", &lock), "opening the Raft log in " + path));
  Result<void> checked = check_wal_tail(path);
  TRY(to_result(env->UnlockFile(lock), "unlocking the Raft log in " + path));
  return checked;
}

}  // namespace

Result<std::unique_ptr<RaftLogEngine>> open_rocks_raft_log(const std::string& path, RocksRaftLogOptions options) {
  auto background_error = std::make_shared<BackgroundError>(options.on_background_error);
  rocksdb::Options db_options = raft_log_options(options);
  db_options.listeners = {make_error_listener(background_error)};
  if (!options.metrics_name.empty()) {
    db_options.statistics = rocksdb::CreateDBStatistics();
    db_options.listeners.push_back(count_events(options.metrics_name));
  }
  TRY(check_tail_locked(path));
  rocksdb::DB* db = nullptr;
  TRY(to_result(rocksdb::DB::Open(db_options, path, &db), "opening the Raft log in " + path));
  std::unique_ptr<Figures> figures;
  if (!options.metrics_name.empty()) {
    figures = std::make_unique<Figures>(Figures::Source{.name = options.metrics_name,
                                                        .db = db,
                                                        .statistics = db_options.statistics,
                                                        .families = {{"default", db->DefaultColumnFamily()}},
                                                        .block_cache_bytes = [db] {
                                                          uint64_t bytes = 0;
                                                          db->GetIntProperty(rocksdb::DB::Properties::kBlockCacheUsage,
                                                                             &bytes);
                                                          return bytes;
                                                        }});
  }
  return std::unique_ptr<RaftLogEngine>(std::make_unique<RocksRaftLog>(
      std::unique_ptr<rocksdb::DB>(db), std::move(background_error), std::move(figures)));
}

}  // namespace cairn::engine
