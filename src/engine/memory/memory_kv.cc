// The ordered store over a MemoryDisk: batches, snapshots (copies of persistent maps), iterators, ingestion.
#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/codec.h"
#include "engine/memory/disk_state.h"
#include "engine/memory/memory_engine.h"
#include "engine/memory/memory_files.h"

namespace cairn::engine {
namespace {

using namespace memory;  // NOLINT(google-build-using-namespace): the twin's own parts

class MemoryBatch final : public WriteBatch {
 public:
  void put(Cf cf, ByteView key, ByteView value) override { add(KvOp::Kind::kPut, cf, key, value); }
  void del(Cf cf, ByteView key) override { add(KvOp::Kind::kDelete, cf, key, {}); }
  void delete_range(Cf cf, ByteView begin, ByteView end) override {
    if (begin < end) add(KvOp::Kind::kDeleteRange, cf, begin, end);
  }
  void set_save_point() override { save_points_.push_back({ops_->size(), bytes_}); }
  void rollback_to_save_point() override {
    CHECK(!save_points_.empty(), "no save point to go back to");
    auto [count, bytes] = save_points_.back();
    save_points_.pop_back();
    mutable_ops().resize(count);
    bytes_ = bytes;
  }
  void pop_save_point() override {
    CHECK(!save_points_.empty(), "no save point to forget");
    save_points_.pop_back();
  }
  bool empty() const override { return ops_->empty(); }
  size_t count() const override { return ops_->size(); }
  size_t bytes() const override { return bytes_; }
  void clear() override {
    ops_ = std::make_shared<KvOps>();
    bytes_ = 0;
    save_points_.clear();
  }

  std::shared_ptr<const KvOps> ops() const { return ops_; }

 private:
  void add(KvOp::Kind kind, Cf cf, ByteView first, ByteView second) {
    mutable_ops().push_back({kind, cf, std::make_shared<const Entry>(Entry{Bytes(first), Bytes(second)})});
    bytes_ += first.size() + second.size() + 8;
  }
  // A write shares the list with the engine; whoever goes on with the batch gets a list of its own.
  KvOps& mutable_ops() {
    if (ops_.use_count() > 1) ops_ = std::make_shared<KvOps>(*ops_);
    return *ops_;
  }

  std::shared_ptr<KvOps> ops_ = std::make_shared<KvOps>();
  size_t bytes_ = 0;
  std::vector<std::pair<size_t, size_t>> save_points_;
};

ByteView prefix_of(ByteView key) { return key.substr(0, key.size() - std::min(key.size(), codec::kTimestampSize)); }

Error not_cached() { return {Error::Kind::kNotCached, "not cached"}; }

class MemoryIterator final : public Iterator {
 public:
  // `disk` says what is cached.
  MemoryIterator(std::shared_ptr<MemoryDisk> disk, const PersistentMap& map, IterOptions options, bool by_prefix)
      : disk_(std::move(disk)), cursor_(map), options_(std::move(options)), by_prefix_(by_prefix) {}

  void seek(ByteView target) override {
    cursor_.seek(std::max<ByteView>(target, options_.lower));
    settle(target);
  }
  void seek_for_prev(ByteView target) override {
    if (!options_.upper.empty() && target >= ByteView(options_.upper)) {
      cursor_.seek_before(options_.upper);
    } else {
      cursor_.seek_for_prev(target);
    }
    settle(target);
  }
  void seek_to_first() override {
    cursor_.seek(options_.lower);
    settle_at_entry();
  }
  void seek_to_last() override {
    if (options_.upper.empty()) {
      cursor_.seek_to_last();
    } else {
      cursor_.seek_before(options_.upper);
    }
    settle_at_entry();
  }
  void next() override {
    CHECK(valid(), "next() of an iterator at its end");
    cursor_.next();
    clip();
  }
  void prev() override {
    CHECK(valid(), "prev() of an iterator at its end");
    cursor_.prev();
    clip();
  }
  bool valid() const override { return cursor_.valid(); }
  ByteView key() const override { return cursor_.entry().key; }
  ByteView value() const override { return cursor_.entry().value; }
  Result<void> status() const override {
    if (is_cold_) return Err(not_cached());
    return {};
  }

 private:
  void settle(ByteView target) {
    if (by_prefix_) prefix_ = prefix_of(target);
    clip();
  }
  void settle_at_entry() {
    if (by_prefix_ && cursor_.valid()) prefix_ = prefix_of(cursor_.entry().key);
    clip();
  }
  // After each move.
  void clip() {
    is_cold_ = options_.tier == ReadTier::kCache && disk_->state().is_cold();
    if (is_cold_) return cursor_.clear();
    if (!cursor_.valid()) return;
    ByteView key = cursor_.entry().key;
    bool outside = key < ByteView(options_.lower) || (!options_.upper.empty() && key >= ByteView(options_.upper));
    if (outside || (by_prefix_ && prefix_of(key) != ByteView(prefix_))) cursor_.clear();
  }

  std::shared_ptr<MemoryDisk> disk_;
  PersistentMap::Cursor cursor_;
  IterOptions options_;
  bool by_prefix_;
  bool is_cold_ = false;  // the last move would have read the disk
  Bytes prefix_;
};

std::optional<Bytes> get_from(const KvImage& image, Cf cf, ByteView key) {
  const Entry* entry = image.of(cf).find(key);
  if (entry == nullptr) return std::nullopt;
  return entry->value;
}

class MemorySnapshot final : public Snapshot {
 public:
  MemorySnapshot(std::shared_ptr<MemoryDisk> disk, std::shared_ptr<const KvImage> image)
      : disk_(std::move(disk)), image_(std::move(image)) {}
  Result<std::optional<Bytes>> get(Cf cf, ByteView key, ReadTier tier) const override {
    if (tier == ReadTier::kCache && disk_->state().is_cold()) return Err(not_cached());
    if (tier == ReadTier::kDisk) disk_->state().wait(DiskAccess::kKvRead, 0);
    MutexLock lock(disk_->state().mutex);
    return get_from(*image_, cf, key);
  }
  std::unique_ptr<Iterator> iterator(Cf cf, IterOptions options) const override {
    if (options.tier == ReadTier::kDisk) disk_->state().wait(DiskAccess::kKvRead, 0);
    bool by_prefix = options.prefix_same_as_start && (cf == Cf::kDefault || cf == Cf::kWrite);
    MutexLock lock(disk_->state().mutex);
    return std::make_unique<MemoryIterator>(disk_, image_->of(cf), std::move(options), by_prefix);
  }

 private:
  std::shared_ptr<MemoryDisk> disk_;
  std::shared_ptr<const KvImage> image_ CAIRN_GUARDED_BY(disk_->state().mutex);
};

// Whether the change touches [first, last] of the column family.
bool touches(const KvOp& op, Cf cf, ByteView first, ByteView last) {
  if (op.cf != cf || ByteView(op.entry->key) > last) return false;
  return op.kind == KvOp::Kind::kDeleteRange ? ByteView(op.entry->value) > first : ByteView(op.entry->key) >= first;
}

class MemoryKvEngine final : public KvEngine {
 public:
  explicit MemoryKvEngine(std::shared_ptr<MemoryDisk> disk)
      : disk_(std::move(disk)), state_(disk_->state()), kv_(adopt(state_)), files_(state_, kv_) {}
  ~MemoryKvEngine() override {
    MutexLock lock(state_.mutex);
    kv_->open = false;
  }

  std::unique_ptr<WriteBatch> new_batch() const override { return std::make_unique<MemoryBatch>(); }

  Result<uint64_t> write(WriteBatch& batch) override {
    auto& mine = static_cast<MemoryBatch&>(batch);
    state_.wait(DiskAccess::kKvWrite, mine.bytes());
    MutexLock lock(state_.mutex);
    TRY(check_alive());
    TRY(state_.access(DiskAccess::kKvWrite, mine.bytes()));
    ++state_.counters.kv_writes;
    if (mine.empty()) return kv_->sequence;
    kv_->current.apply(*mine.ops());
    kv_->sequence += mine.count();
    kv_->unflushed.push_back({kv_->sequence, mine.bytes(), mine.ops()});
    kv_->unflushed_bytes += mine.bytes();
    state_.tick_flush();
    if (kv_->unflushed_bytes > state_.options.flush_bytes) kv_->begin_flush(state_.options.flush_lag);
    return kv_->sequence;
  }

  Result<std::optional<Bytes>> get(Cf cf, ByteView key) const override {
    MutexLock lock(state_.mutex);
    return get_from(kv_->current, cf, key);
  }
  std::shared_ptr<const Snapshot> snapshot() const override {
    MutexLock lock(state_.mutex);
    return std::make_shared<MemorySnapshot>(disk_, kv_->take_snapshot());
  }

  uint64_t flushed_sequence() const override {
    MutexLock lock(state_.mutex);
    if (!kv_->dead) state_.tick_flush();
    return kv_->durable_sequence;
  }
  Result<void> flush() override {
    state_.wait(DiskAccess::kKvFlush, 0);
    MutexLock lock(state_.mutex);
    TRY(check_alive());
    return flush_locked();
  }
  void flush_soon() override {
    MutexLock lock(state_.mutex);
    if (!kv_->dead) kv_->begin_flush(state_.options.flush_lag);
  }

  FileStore& files() override { return files_; }
  Result<std::unique_ptr<SstWriter>> new_sst(Cf, const std::string& path) override {
    return new_memory_sst(files_, path);
  }
  Result<void> ingest(Cf cf, const std::vector<std::string>& paths) override;
  Result<void> clear_range(ByteView begin, ByteView end) override;
  void set_compaction_filters(std::shared_ptr<CompactionFilterFactory> factory) override {
    MutexLock lock(state_.mutex);
    filters_ = std::move(factory);
  }
  Result<void> compact(Cf cf, ByteView begin, ByteView end, std::atomic<bool>& canceled) override;
  Result<std::vector<TableStats>> tables(Cf cf) const override;

  uint64_t approximate_size(ByteView begin, ByteView end) const override {
    MutexLock lock(state_.mutex);
    uint64_t sum = 0;
    for (Cf cf : kDataCfs) sum += kv_->current.of(cf).bytes_between(begin, end);
    return sum;
  }
  Space space() const override {
    MutexLock lock(state_.mutex);
    uint64_t used = state_.used(), capacity = state_.options.capacity_bytes;
    bool full = used >= capacity || state_.health == MemoryDisk::Health::kFull;
    return {capacity, full ? 0 : capacity - used, used};
  }
  bool is_write_stalled() const override {
    MutexLock lock(state_.mutex);
    return state_.stalled;
  }

 private:
  // Takes over what the disk has. What an engine before left unflushed without a crash was closed in order.
  static std::shared_ptr<KvState> adopt(DiskState& state) {
    MutexLock lock(state.mutex);
    CHECK(!state.kv->open, "the disk's ordered store is open already");
    state.kv->open = true;
    if (state.health == MemoryDisk::Health::kGood) state.kv->flush_all();
    return state.kv;
  }
  Result<void> check_alive() const CAIRN_REQUIRES(state_.mutex) {
    if (kv_->dead) return Err(Error{Error::Kind::kIo, "the node crashed"});
    return {};
  }
  // Whether a crash could lose a change of [first, last] of the column family.
  bool is_unflushed(Cf cf, ByteView first, ByteView last) const CAIRN_REQUIRES(state_.mutex) {
    return std::any_of(kv_->unflushed.begin(), kv_->unflushed.end(), [&](const auto& batch) {
      return std::any_of(batch.ops->begin(), batch.ops->end(),
                         [&](const KvOp& op) { return touches(op, cf, first, last); });
    });
  }
  Result<void> flush_locked() CAIRN_REQUIRES(state_.mutex) {
    TRY(state_.access(DiskAccess::kKvFlush, kv_->unflushed_bytes));
    kv_->flush_all();
    ++state_.counters.kv_flushes;
    return {};
  }

  std::shared_ptr<MemoryDisk> disk_;
  DiskState& state_;
  std::shared_ptr<KvState> kv_ CAIRN_GUARDED_BY(state_.mutex);
  MemoryFiles files_;
  std::shared_ptr<CompactionFilterFactory> filters_ CAIRN_GUARDED_BY(state_.mutex);
  uint64_t passes_ CAIRN_GUARDED_BY(state_.mutex) = 0;  // of compactions
  struct Looked {
    PersistentMap durable;
    std::vector<TableStats> tables;
  };
  mutable std::array<Looked, kCfCount> looked_ CAIRN_GUARDED_BY(state_.mutex);  // by tables(), last
};

// Ingested entries are durable at once, so they overtake what is unflushed. That is harmless only where the two do not
// touch: else all that is unflushed is flushed first, as RocksDB does it.
Result<void> MemoryKvEngine::ingest(Cf cf, const std::vector<std::string>& paths) {
  state_.wait(DiskAccess::kKvIngest, 0);
  MutexLock lock(state_.mutex);
  TRY(check_alive());
  TRY(state_.access(DiskAccess::kKvIngest, 0));
  std::vector<std::vector<EntryPtr>> tables;
  for (const std::string& path : paths) {
    auto file = state_.files.find(path);
    if (file == state_.files.end()) return Err(Error{Error::Kind::kIo, "no such file: " + path});
    TRY_ASSIGN(auto entries, parse_memory_sst(path, file->second->bytes));
    tables.push_back(std::move(entries));
  }
  std::sort(tables.begin(), tables.end(), [](const auto& a, const auto& b) { return a.front()->key < b.front()->key; });
  for (size_t i = 1; i < tables.size(); ++i) {
    if (tables[i - 1].back()->key >= tables[i].front()->key) {
      return Err(Error{Error::Kind::kInvalid, "the files of one ingestion overlap"});
    }
  }
  bool overlap = false;
  for (const auto& entries : tables) {
    overlap = overlap || is_unflushed(cf, entries.front()->key, entries.back()->key);
  }
  if (overlap) TRY(flush_locked());
  for (const auto& entries : tables) {
    for (const EntryPtr& entry : entries) {
      kv_->durable.of(cf).put(entry);
      kv_->current.of(cf).put(entry);
      if (kv_->flush) kv_->flush->image.of(cf).put(entry);
    }
  }
  for (const std::string& path : paths) state_.remove_file(path);
  return {};
}

// Durable at once, as ingested files are; here, too, what it covers is flushed first if it is not yet. The end counts
// as covered, as in RocksDB's look at its memtables.
Result<void> MemoryKvEngine::clear_range(ByteView begin, ByteView end) {
  if (end <= begin) return {};
  state_.wait(DiskAccess::kKvIngest, 0);
  MutexLock lock(state_.mutex);
  TRY(check_alive());
  TRY(state_.access(DiskAccess::kKvIngest, 0));
  bool overlap = false;
  for (Cf cf : kDataCfs) overlap = overlap || is_unflushed(cf, begin, end);
  if (overlap) TRY(flush_locked());
  for (Cf cf : kDataCfs) {
    kv_->durable.of(cf).erase_range(begin, end);
    kv_->current.of(cf).erase_range(begin, end);
    if (kv_->flush) kv_->flush->image.of(cf).erase_range(begin, end);
  }
  return {};
}

// What is durable passes the filter, also where something newer and unflushed stands over it, as memtables are no part
// of a compaction. A quarter of the keys lies in a level that the pass does not reach: another quarter each time, by a
// coin of the key.
Result<void> MemoryKvEngine::compact(Cf cf, ByteView begin, ByteView end, std::atomic<bool>& canceled) {
  std::shared_ptr<CompactionFilterFactory> filters;
  PersistentMap durable;
  uint64_t pass = 0;
  {
    MutexLock lock(state_.mutex);
    TRY(check_alive());
    TRY(state_.access(DiskAccess::kKvCompact, 0));
    if (cf == Cf::kDefault || cf == Cf::kWrite) filters = filters_;
    durable = kv_->durable.of(cf);
    pass = ++passes_;
  }
  state_.wait(DiskAccess::kKvCompact, 0);
  auto filter = filters ? filters->begin(cf) : nullptr;
  if (!filter) return {};
  std::vector<const Entry*> dropped;
  PersistentMap::Cursor cursor(durable);
  for (cursor.seek(begin); cursor.valid() && (end.empty() || ByteView(cursor.entry().key) < end); cursor.next()) {
    if (canceled) return {};  // a compaction that does not end changes nothing
    const Entry& entry = cursor.entry();
    if (((PersistentMap::priority_of(entry.key) >> 8) + pass) % 4 == 0) continue;
    if (filter->judge(entry.key, entry.value) == CompactionFilter::Verdict::kDrop) dropped.push_back(&entry);
  }
  state_.wait(DiskAccess::kKvCompact, 0);
  MutexLock lock(state_.mutex);
  TRY(check_alive());
  auto drop_from = [cf](KvImage& image, const Entry* entry) {
    if (image.of(cf).find(entry->key) == entry) image.of(cf).erase(entry->key);
  };
  for (const Entry* entry : dropped) {
    drop_from(kv_->durable, entry);
    drop_from(kv_->current, entry);
    if (kv_->flush) drop_from(kv_->flush->image, entry);
    for (const auto& snapshot : kv_->snapshots) {
      if (const auto image = snapshot.lock()) drop_from(*image, entry);
    }
  }
  return {};
}

// One table holds all that is durable of the column family.
Result<std::vector<TableStats>> MemoryKvEngine::tables(Cf cf) const {
  PersistentMap durable;
  {
    MutexLock lock(state_.mutex);
    TRY(check_alive());
    durable = kv_->durable.of(cf);
    const Looked& looked = looked_[static_cast<size_t>(cf)];
    if (looked.durable.is_copy_of(durable)) return looked.tables;
  }
  std::vector<TableStats> out;
  PersistentMap::Cursor cursor(durable);
  ByteView row;
  for (cursor.seek_to_first(); cursor.valid(); cursor.next()) {
    const Entry& entry = cursor.entry();
    if (out.empty()) out.push_back({.smallest = entry.key, .largest = {}});
    TableStats& table = out.back();
    table.largest = entry.key;
    table.bytes += entry.key.size() + entry.value.size();
    ++table.entries;
    if (cf != Cf::kWrite) continue;
    if (table.versions++ == 0 || prefix_of(entry.key) != row) ++table.rows;
    row = prefix_of(entry.key);
    if (is_deletion_record(entry.value)) ++table.deletes;
  }
  MutexLock lock(state_.mutex);
  looked_[static_cast<size_t>(cf)] = {std::move(durable), out};
  return out;
}

}  // namespace

std::unique_ptr<KvEngine> open_memory_kv(std::shared_ptr<MemoryDisk> disk) {
  CHECK(disk != nullptr, "an engine in memory needs a disk");
  return std::make_unique<MemoryKvEngine>(std::move(disk));
}

}  // namespace cairn::engine
