// The ordered store over RocksDB.
//
// flushed_sequence. Flushes are atomic over the column families: RocksDB switches all memtables that hold something at
// one sequence number S, and installs all their files in one step of its manifest, before it tells of any of them.
// There is one flush thread (2 to 7 background jobs give one), so flushes finish in the order in which they began.
// Hence, when a file of a flush is told of, everything up to the largest sequence number in it is on disk in every
// column family. That number may fall short of S (a sequence number that an ingestion took lies in no memtable);
// flush() and flush_soon() make up for it when they find nothing unflushed.
//
// Ingested files are durable at once and overtake what lies in memtables; where the two overlap, RocksDB flushes first.
// Ranges are cleared that way, too: by files that hold a tombstone.
#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/listener.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/write_batch.h>
#include <rocksdb/write_buffer_manager.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/mutex.h"
#include "engine/rocks/compaction_filters.h"
#include "engine/rocks/perf.h"
#include "engine/rocks/posix_files.h"
#include "engine/rocks/rocks_engine.h"
#include "engine/rocks/rocks_metrics.h"
#include "engine/rocks/rocks_options.h"
#include "engine/rocks/rocks_status.h"
#include "engine/rocks/watched_reads.h"

namespace cairn::engine {
namespace {

using namespace rocks;  // NOLINT(google-build-using-namespace): this folder's own parts

constexpr const char* kTombstoneFolder = "tombstones";  // on their way into the engine; a crash may leave some
constexpr std::array<Cf, kCfCount> kAllCfs = {Cf::kDefault, Cf::kLock, Cf::kWrite, Cf::kRaft};

rocksdb::Slice slice(ByteView bytes) { return {bytes.data(), bytes.size()}; }
ByteView view(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

// What RocksDB tells of its background work.
class KvListener final : public rocksdb::EventListener {
 public:
  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo& info) override { advance(info.largest_seqno); }
  void OnStallConditionsChanged(const rocksdb::WriteStallInfo& info) override {
    if (info.condition.cur != rocksdb::WriteStallCondition::kNormal) maybe_stalled.store(true);
  }
  void advance(uint64_t sequence) {
    uint64_t seen = flushed.load();
    while (seen < sequence && !flushed.compare_exchange_weak(seen, sequence)) {
    }
  }

  std::atomic<uint64_t> flushed{0};
  std::atomic<bool> maybe_stalled{false};  // something was said of a stall; whether it lasts is to be asked
};

// The open database; snapshots hold it too, so that it closes after the last of them.
struct Database {
  std::shared_ptr<KvListener> listener = std::make_shared<KvListener>();
  std::shared_ptr<BackgroundError> background_error;
  std::shared_ptr<FilterSlot> filters = std::make_shared<FilterSlot>();
  std::array<rocksdb::ColumnFamilyHandle*, kCfCount> handles{};
  std::unique_ptr<rocksdb::DB> db;

  rocksdb::ColumnFamilyHandle* of(Cf cf) const { return handles[static_cast<size_t>(cf)]; }
  std::vector<rocksdb::ColumnFamilyHandle*> all() const { return {handles.begin(), handles.end()}; }
  ~Database() {
    if (!db) return;
    for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle);
    rocksdb::Status closed = db->Close();  // flushes what is unflushed
    if (!closed.ok()) LOG_WARN("closing the engine: {}", closed.ToString());
  }
};

Error not_cached() { return {Error::Kind::kNotCached, "not cached"}; }  // said often: without words
Error unreadable(const char* doing) { return {Error::Kind::kIo, fmt::format("{}: a file cannot be read", doing)}; }

// A read of the data that the disk has not answered, or not as it was written.
void note_unreadable(const char* type) {
  metrics::counter("tikv_critical_error_total", "Errors that end the process, and data that cannot be read",
                   {{"type", type}})
      .add();
}

WatchedReads::Files files_of(ReadTier tier) {
  return tier == ReadTier::kCache ? WatchedReads::Files::kRefused : WatchedReads::Files::kAllowed;
}

class RocksBatch final : public WriteBatch {
 public:
  explicit RocksBatch(const Database& database) : database_(database) {}
  void put(Cf cf, ByteView key, ByteView value) override {
    done(batch_.Put(database_.of(cf), slice(key), slice(value)));
  }
  void del(Cf cf, ByteView key) override { done(batch_.Delete(database_.of(cf), slice(key))); }
  void delete_range(Cf cf, ByteView begin, ByteView end) override {
    if (begin < end) done(batch_.DeleteRange(database_.of(cf), slice(begin), slice(end)));
  }
  void set_save_point() override { batch_.SetSavePoint(); }
  void rollback_to_save_point() override { done(batch_.RollbackToSavePoint()); }
  void pop_save_point() override { done(batch_.PopSavePoint()); }
  bool empty() const override { return batch_.Count() == 0; }
  size_t count() const override { return batch_.Count(); }
  size_t bytes() const override { return empty() ? 0 : batch_.GetDataSize(); }
  void clear() override { batch_.Clear(); }

  rocksdb::WriteBatch& batch() { return batch_; }

 private:
  static void done(const rocksdb::Status& status) {
    CHECK(status.ok(), "a batch takes every change, but: {}", status.ToString());
  }

  const Database& database_;
  rocksdb::WriteBatch batch_;
};

class RocksIterator final : public Iterator {
 public:
  RocksIterator(const Database& database, Cf cf, const rocksdb::Snapshot* snapshot, IterOptions options)
      : bounds_(std::move(options)), lower_(slice(bounds_.lower)), upper_(slice(bounds_.upper)) {
    rocksdb::ReadOptions read;
    read.snapshot = snapshot;
    read.fill_cache = bounds_.fill_cache;
    if (!bounds_.lower.empty()) read.iterate_lower_bound = &lower_;
    if (!bounds_.upper.empty()) read.iterate_upper_bound = &upper_;
    // Without total order, RocksDB may skip keys that do not share the sought key's prefix: raw keys would get lost.
    read.prefix_same_as_start = bounds_.prefix_same_as_start && (cf == Cf::kDefault || cf == Cf::kWrite);
    read.total_order_seek = !read.prefix_same_as_start;
    const WatchedReads watched(files_of(bounds_.tier));
    iterator_.reset(database.db->NewIterator(read, database.of(cf)));
    is_made_cold_ = is_cold_ = watched.has_refused();  // of the cache's tier only
    is_broken_ = watched.has_failed();
  }

  void seek(ByteView target) override {
    move([&] { iterator_->Seek(slice(target)); });
  }
  void seek_for_prev(ByteView target) override {
    move([&] { iterator_->SeekForPrev(slice(target)); });
  }
  void seek_to_first() override {
    move([&] { iterator_->SeekToFirst(); });
  }
  void seek_to_last() override {
    move([&] { iterator_->SeekToLast(); });
  }
  void next() override {
    move([&] { iterator_->Next(); });
  }
  void prev() override {
    move([&] { iterator_->Prev(); });
  }
  bool valid() const override { return is_valid_; }
  ByteView key() const override { return key_; }
  ByteView value() const override { return view(iterator_->value()); }
  Result<void> status() const override {
    if (is_cold_) return Err(not_cached());
    TRY(to_result(iterator_->status(), "scanning"));
    if (is_broken_) return Err(unreadable("scanning"));
    return {};
  }

 private:
  template <class Move>
  void move(Move how) {
    const WatchedReads watched(files_of(bounds_.tier));
    how();
    const bool has_key = iterator_->Valid();
    if (bounds_.tier == ReadTier::kCache) {
      // A part of the iterator may remember what it was told at an earlier move.
      is_cold_ = is_made_cold_ || watched.has_refused() || iterator_->status().IsIncomplete();
    }
    is_broken_ = is_broken_ || watched.has_failed();
    is_valid_ = has_key && !is_cold_ && !is_broken_;
    key_ = is_valid_ ? view(iterator_->key()) : ByteView();
    if (is_broken_ || (!has_key && !is_cold_ && !iterator_->status().ok())) note_unreadable("rocksdb iter");
  }

  IterOptions bounds_;
  rocksdb::Slice lower_, upper_;
  bool is_made_cold_ = false;  // it has not all of the files
  bool is_cold_ = false;       // the last move would have read the disk
  bool is_broken_ = false;     // a file could not be read, once: nothing is believed any more
  bool is_valid_ = false;
  ByteView key_;  // of the last move; who scans asks for it more than once
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

Result<std::optional<Bytes>> get_from(const Database& database, Cf cf, ByteView key, const rocksdb::Snapshot* snapshot,
                                      ReadTier tier) {
  rocksdb::ReadOptions read;
  read.snapshot = snapshot;
  Bytes value;
  const WatchedReads watched(files_of(tier));
  rocksdb::Status status = database.db->Get(read, database.of(cf), slice(key), &value);
  if (watched.has_refused()) return Err(not_cached());
  const bool is_known = status.ok() || status.IsNotFound();
  if (!is_known || watched.has_failed()) note_unreadable("rocksdb get");
  if (watched.has_failed() && is_known) return Err(unreadable("reading a key"));
  if (status.IsNotFound()) return std::optional<Bytes>();
  if (!status.ok()) return Err(to_error(status, "reading a key"));
  return std::optional<Bytes>(std::move(value));
}

class RocksSnapshot final : public Snapshot {
 public:
  explicit RocksSnapshot(std::shared_ptr<const Database> database)
      : database_(std::move(database)), snapshot_(database_->db->GetSnapshot()) {}
  ~RocksSnapshot() override { database_->db->ReleaseSnapshot(snapshot_); }
  RocksSnapshot(const RocksSnapshot&) = delete;
  RocksSnapshot& operator=(const RocksSnapshot&) = delete;

  Result<std::optional<Bytes>> get(Cf cf, ByteView key, ReadTier tier) const override {
    return get_from(*database_, cf, key, snapshot_, tier);
  }
  std::unique_ptr<Iterator> iterator(Cf cf, IterOptions options) const override {
    return std::make_unique<RocksIterator>(*database_, cf, snapshot_, std::move(options));
  }
  ReadWork work_of_thread() const override { return read_work_of_thread(); }

 private:
  std::shared_ptr<const Database> database_;
  const rocksdb::Snapshot* snapshot_;
};

class RocksSstWriter final : public SstWriter {
 public:
  RocksSstWriter(PosixFiles& files, std::string path, const rocksdb::Options& options)
      : files_(files), path_(std::move(path)), writer_(rocksdb::EnvOptions(), options) {}
  ~RocksSstWriter() override {
    if (!finished_) static_cast<void>(files_.remove(path_).ok());  // a destructor has nobody to tell
  }
  Result<void> open(const std::string& full_path) {
    full_path_ = full_path;
    return to_result(writer_.Open(full_path), "making an SST");
  }
  Result<void> put(ByteView key, ByteView value) override {
    return to_result(writer_.Put(slice(key), slice(value)), "writing an SST");
  }
  uint64_t bytes() const override { return const_cast<rocksdb::SstFileWriter&>(writer_).FileSize(); }
  Result<SstFile> finish() override {
    CHECK(!finished_, "an SST is finished once");
    rocksdb::ExternalSstFileInfo info;
    TRY(to_result(writer_.Finish(&info), "finishing an SST"));
    finished_ = true;
    TRY(sync_directory(full_path_.substr(0, full_path_.rfind('/'))));
    return SstFile{path_, info.file_size, info.num_entries};
  }

 private:
  PosixFiles& files_;
  std::string path_;
  std::string full_path_;
  rocksdb::SstFileWriter writer_;
  bool finished_ = false;
};

class RocksKvEngine final : public KvEngine {
 public:
  RocksKvEngine(std::shared_ptr<Database> database, std::string path, std::string file_directory,
                std::unique_ptr<Figures> figures)
      : database_(std::move(database)),
        path_(std::move(path)),
        files_(std::move(file_directory)),
        figures_(std::move(figures)) {}

  std::unique_ptr<WriteBatch> new_batch() const override { return std::make_unique<RocksBatch>(*database_); }

  Result<uint64_t> write(WriteBatch& batch) override {
    TRY(database_->background_error->check());
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    static const WritePerf perf("tikv_raftstore_apply_perf_context_time_duration_secs");
    TRY(to_result(perf.run([&] { return db().Write(options, &static_cast<RocksBatch&>(batch).batch()); }),
                  "writing a batch"));
    return uint64_t{db().GetLatestSequenceNumber()};
  }

  Result<std::optional<Bytes>> get(Cf cf, ByteView key) const override {
    return get_from(*database_, cf, key, nullptr, ReadTier::kDisk);
  }
  std::shared_ptr<const Snapshot> snapshot() const override { return std::make_shared<RocksSnapshot>(database_); }

  uint64_t flushed_sequence() const override { return database_->listener->flushed.load(); }
  Result<void> flush() override {
    uint64_t sequence = db().GetLatestSequenceNumber();
    rocksdb::FlushOptions options;
    options.wait = true;
    options.allow_write_stall = true;
    TRY(to_result(db().Flush(options, database_->all()), "flushing"));
    TRY(database_->background_error->check());
    database_->listener->advance(sequence);
    return {};
  }
  void flush_soon() override;

  FileStore& files() override { return files_; }
  Result<std::unique_ptr<SstWriter>> new_sst(Cf cf, const std::string& path) override {
    TRY_ASSIGN(std::string full_path, files_.prepare(path));
    auto writer = std::make_unique<RocksSstWriter>(files_, path, db().GetOptions(database_->of(cf)));
    TRY(writer->open(full_path));
    return std::unique_ptr<SstWriter>(std::move(writer));
  }
  Result<void> ingest(Cf cf, const std::vector<std::string>& paths) override;
  Result<void> clear_range(ByteView begin, ByteView end) override;
  void set_compaction_filters(std::shared_ptr<CompactionFilterFactory> factory) override {
    database_->filters->set(std::move(factory));
  }
  Result<void> compact(Cf cf, ByteView begin, ByteView end, std::atomic<bool>& canceled) override;
  Result<std::vector<TableStats>> tables(Cf cf) const override;

  uint64_t approximate_size(ByteView begin, ByteView end) const override;
  Space space() const override;
  bool is_write_stalled() const override;

 private:
  rocksdb::DB& db() const { return *database_->db; }
  uint64_t property(Cf cf, const std::string& name) const {
    uint64_t value = 0;
    return db().GetIntProperty(database_->of(cf), name, &value) ? value : 0;
  }

  Result<std::string> write_tombstone(Cf cf, ByteView begin, ByteView end) CAIRN_REQUIRES(clearing_);
  Result<void> ingest_tombstones(const std::vector<Cf>& cfs, ByteView begin, ByteView end) CAIRN_REQUIRES(clearing_);
  bool has_whole_files(Cf cf, ByteView begin, ByteView end) const;

  std::shared_ptr<Database> database_;
  std::string path_;
  PosixFiles files_;
  Mutex clearing_;                                       // one range at a time: the folder of tombstones is its own
  uint64_t tombstones_ CAIRN_GUARDED_BY(clearing_) = 0;  // written so far
  const std::unique_ptr<Figures> figures_;               // may be null
};

void RocksKvEngine::flush_soon() {
  uint64_t sequence = db().GetLatestSequenceNumber();
  bool active = false, queued = false;
  // In this order: what leaves the active memtable after it was looked at is seen among the queued ones.
  for (Cf cf : kAllCfs) active = active || property(cf, rocksdb::DB::Properties::kNumEntriesActiveMemTable) > 0;
  for (Cf cf : kAllCfs) queued = queued || property(cf, rocksdb::DB::Properties::kNumImmutableMemTable) > 0;
  if (!active && !queued) return database_->listener->advance(sequence);
  if (queued) return;  // one is under way; the next asks again
  rocksdb::FlushOptions options;
  options.wait = false;
  options.allow_write_stall = true;
  rocksdb::Status asked = db().Flush(options, database_->all());
  if (!asked.ok()) LOG_WARN("asking the engine for a flush: {}", asked.ToString());
}

Result<void> RocksKvEngine::ingest(Cf cf, const std::vector<std::string>& paths) {
  if (paths.empty()) return {};
  TRY(database_->background_error->check());
  std::vector<std::string> full_paths;
  for (const std::string& path : paths) {
    TRY_ASSIGN(std::string full_path, files_.full_path(path));
    full_paths.push_back(std::move(full_path));
  }
  rocksdb::IngestExternalFileOptions options;
  options.move_files = true;
  options.write_global_seqno = false;  // the manifest has it: files stay as they were sent
  options.verify_checksums_before_ingest = true;
  TRY(to_result(db().IngestExternalFile(database_->of(cf), full_paths, options), "ingesting"));
  for (const std::string& path : paths) TRY(files_.remove(path));
  return {};
}

// A file that holds nothing but the tombstone of the range.
Result<std::string> RocksKvEngine::write_tombstone(Cf cf, ByteView begin, ByteView end) {
  const std::string path = fmt::format("{}/{}.sst", kTombstoneFolder, tombstones_++);
  TRY_ASSIGN(std::string full_path, files_.prepare(path));
  rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), db().GetOptions(database_->of(cf)));
  TRY(to_result(writer.Open(full_path), "making a tombstone"));
  TRY(to_result(writer.DeleteRange(slice(begin), slice(end)), "writing a tombstone"));
  TRY(to_result(writer.Finish(), "finishing a tombstone"));
  return full_path;
}

Result<void> RocksKvEngine::ingest_tombstones(const std::vector<Cf>& cfs, ByteView begin, ByteView end) {
  TRY(database_->background_error->check());
  std::vector<rocksdb::IngestExternalFileArg> args;
  for (Cf cf : cfs) {
    auto& arg = args.emplace_back();
    TRY_ASSIGN(std::string path, write_tombstone(cf, begin, end));
    arg.column_family = database_->of(cf);
    arg.external_files = {std::move(path)};
    arg.options.move_files = true;
    arg.options.write_global_seqno = false;
  }
  auto status = db().IngestExternalFiles(args);
  TRY(files_.remove_tree(kTombstoneFolder));
  return to_result(status, "clearing a range");
}

// Whether files below the first level hold nothing but keys of the range. Others are not dropped whole.
bool RocksKvEngine::has_whole_files(Cf cf, ByteView begin, ByteView end) const {
  rocksdb::ColumnFamilyMetaData family;
  db().GetColumnFamilyMetaData(database_->of(cf), &family);
  for (const auto& level : family.levels) {
    if (level.level == 0) continue;
    for (const auto& file : level.files) {
      if (begin <= ByteView(file.smallestkey) && ByteView(file.largestkey) < end) return true;
    }
  }
  return false;
}

// RocksDB flushes before it ingests if a memtable overlaps one of the files, and then all column families at once: so
// the tombstones overtake nothing that they cover, and a crash does not bring it back.
//
// Files go at once only if every open snapshot is younger than the tombstones: RocksDB drops files without a look at
// snapshots. A tombstone may have reached a file that is dropped with the rest, hence the second one.
Result<void> RocksKvEngine::clear_range(ByteView begin, ByteView end) {
  if (end <= begin) return {};
  MutexLock lock(clearing_);
  TRY(ingest_tombstones({std::begin(kDataCfs), std::end(kDataCfs)}, begin, end));
  const uint64_t deleted_at = db().GetLatestSequenceNumber();
  const uint64_t oldest_view = property(Cf::kDefault, rocksdb::DB::Properties::kOldestSnapshotSequence);
  if (oldest_view != 0 && oldest_view < deleted_at) return {};  // 0: no snapshot is open
  std::vector<Cf> dropped;
  for (Cf cf : kDataCfs) {
    if (has_whole_files(cf, begin, end)) dropped.push_back(cf);
  }
  if (dropped.empty()) return {};
  rocksdb::Slice first = slice(begin), last = slice(end);
  rocksdb::RangePtr range(&first, &last);
  for (Cf cf : dropped) {
    TRY(to_result(rocksdb::DeleteFilesInRanges(&db(), database_->of(cf), &range, 1, /*include_end=*/false),
                  "dropping files"));
  }
  return ingest_tombstones(dropped, begin, end);
}

Result<void> RocksKvEngine::compact(Cf cf, ByteView begin, ByteView end, std::atomic<bool>& canceled) {
  TRY(database_->background_error->check());
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;  // those that RocksDB chooses go on beside it
  options.canceled = &canceled;
  // The lowest level, too, is rewritten: most old versions lie there, and tombstones that nothing else would move.
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  rocksdb::Slice first = slice(begin), last = slice(end);
  auto status =
      db().CompactRange(options, database_->of(cf), begin.empty() ? nullptr : &first, end.empty() ? nullptr : &last);
  if (status.IsIncomplete() && canceled) return {};
  return to_result(status, "compacting");
}

Result<std::vector<TableStats>> RocksKvEngine::tables(Cf cf) const {
  rocksdb::TablePropertiesCollection properties;
  TRY(to_result(db().GetPropertiesOfAllTables(database_->of(cf), &properties), "looking at the tables"));
  // The two lists name a file in different ways: they are joined by what comes behind the last slash.
  const auto file_name = [](const std::string& path) { return path.substr(path.rfind('/') + 1); };
  std::map<std::string, const rocksdb::TableProperties*> by_file;
  for (const auto& [path, one] : properties) by_file[file_name(path)] = one.get();
  std::vector<rocksdb::LiveFileMetaData> files;
  db().GetLiveFilesMetaData(&files);
  std::vector<TableStats> out;
  for (const auto& file : files) {
    if (file.column_family_name != cf_name(cf)) continue;
    const auto found = by_file.find(file_name(file.name));
    if (found == by_file.end()) continue;  // it came between the two looks
    TableStats stats = stats_of(*found->second);
    stats.smallest = file.smallestkey;
    stats.largest = file.largestkey;
    stats.bytes = file.size;
    out.push_back(std::move(stats));
  }
  return out;
}

uint64_t RocksKvEngine::approximate_size(ByteView begin, ByteView end) const {
  if (!end.empty() && end <= begin) return 0;
  static const Bytes kLastKey(64, '\xff');
  rocksdb::SizeApproximationOptions options;
  options.include_memtables = true;
  options.include_files = true;
  options.files_size_error_margin = 0.1;
  rocksdb::Range range(slice(begin), end.empty() ? slice(kLastKey) : slice(end));
  uint64_t sum = 0;
  for (Cf cf : kDataCfs) {
    uint64_t size = 0;
    if (db().GetApproximateSizes(options, database_->of(cf), &range, 1, &size).ok()) sum += size;
  }
  return sum;
}

KvEngine::Space RocksKvEngine::space() const {
  Space space;
  struct statvfs info{};
  if (::statvfs(path_.c_str(), &info) == 0) {
    space.capacity = uint64_t{info.f_blocks} * info.f_frsize;
    space.available = uint64_t{info.f_bavail} * info.f_frsize;
  }
  for (Cf cf : kAllCfs) space.used += property(cf, rocksdb::DB::Properties::kTotalSstFilesSize);
  return space;
}

bool RocksKvEngine::is_write_stalled() const {
  std::atomic<bool>& flag = database_->listener->maybe_stalled;
  if (!flag.load()) return false;
  flag.store(false);
  // Writes that are slowed down are not: they queue up where it is counted, and clients are told only beyond a bound.
  bool stalled = property(Cf::kDefault, rocksdb::DB::Properties::kIsWriteStopped) > 0;
  if (stalled) flag.store(true);
  return stalled;
}

rocksdb::DBOptions database_options(const RocksKvOptions& options, const Database& database) {
  rocksdb::DBOptions out;
  set_common_options(out);
  out.env = watched_env();
  out.create_missing_column_families = true;
  out.atomic_flush = true;
  out.avoid_flush_during_shutdown = false;
  out.max_open_files = options.max_open_files;
  out.max_background_jobs = std::clamp(options.background_jobs, 2, 64);
  out.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(options.total_write_buffer_bytes);
  out.listeners = {database.listener, make_error_listener(database.background_error)};
  if (!options.metrics_name.empty()) {
    out.statistics = rocksdb::CreateDBStatistics();
    out.listeners.push_back(count_events(options.metrics_name));
  }
  return out;
}

}  // namespace

namespace {

class LruCache final : public BlockCache {
 public:
  explicit LruCache(uint64_t bytes) : cache_(rocksdb::NewLRUCache(bytes, -1, false, 0.5)) {}
  void resize(uint64_t bytes) override { cache_->SetCapacity(bytes); }
  const std::shared_ptr<rocksdb::Cache>& cache() const { return cache_; }

 private:
  const std::shared_ptr<rocksdb::Cache> cache_;
};

}  // namespace

std::shared_ptr<BlockCache> BlockCache::make(uint64_t bytes) { return std::make_shared<LruCache>(bytes); }

Result<std::unique_ptr<KvEngine>> open_rocks_kv(const std::string& path, RocksKvOptions options) {
  std::string file_directory = options.file_directory.empty() ? path + "-snap" : options.file_directory;
  auto database = std::make_shared<Database>();
  database->background_error = std::make_shared<BackgroundError>(options.on_background_error);
  if (!options.block_cache) options.block_cache = BlockCache::make(options.block_cache_bytes);
  const auto& cache = static_cast<const LruCache&>(*options.block_cache).cache();
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (Cf cf : kAllCfs) {
    auto family = column_family_options(cf, options, cache);
    if (cf == Cf::kDefault || cf == Cf::kWrite) {
      family.compaction_filter_factory = filter_factory(cf, database->filters);
    }
    if (cf == Cf::kWrite) family.table_properties_collector_factories = {version_counter()};
    families.emplace_back(cf_name(cf), std::move(family));
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  TRY(to_result(rocksdb::DB::Open(database_options(options, *database), path, families, &handles, &db),
                "opening the engine in " + path));
  database->db.reset(db);
  CHECK(handles.size() == kCfCount, "{} column families are open", handles.size());
  std::copy(handles.begin(), handles.end(), database->handles.begin());
  std::unique_ptr<Figures> figures;
  if (!options.metrics_name.empty()) {
    Figures::Source source{.name = options.metrics_name,
                           .db = db,
                           .statistics = db->GetDBOptions().statistics,
                           .families = {},
                           .block_cache_bytes = [cache] { return cache->GetUsage(); }};
    for (Cf cf : kAllCfs) source.families.emplace_back(cf_name(cf), database->of(cf));
    figures = std::make_unique<Figures>(std::move(source));
  }
  TRY(make_directories(file_directory));
  TRY(PosixFiles(file_directory).remove_tree(kTombstoneFolder));
  database->listener->advance(db->GetLatestSequenceNumber());
  return std::unique_ptr<KvEngine>(
      std::make_unique<RocksKvEngine>(std::move(database), path, std::move(file_directory), std::move(figures)));
}

}  // namespace cairn::engine
