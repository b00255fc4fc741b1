// The Raft log store over a MemoryDisk.
#include <utility>

#include "base/check.h"
#include "engine/memory/disk_state.h"
#include "engine/memory/memory_engine.h"

namespace cairn::engine {
namespace {

using namespace memory;  // NOLINT(google-build-using-namespace): the twin's own parts

class MemoryRaftLogBatch final : public RaftLogBatch {
 public:
  void put_state(RegionId region, ByteView raft_state) override {
    add({RaftLogOp::Kind::kState, region, 0, 0, copy(raft_state)});
  }
  void put_entry(RegionId region, LogIndex index, ByteView entry) override {
    add({RaftLogOp::Kind::kEntry, region, index.value, index.value, copy(entry)});
  }
  void cut_suffix(RegionId region, LogIndex from, LogIndex last) override {
    if (from <= last) add({RaftLogOp::Kind::kCut, region, from.value, last.value, nullptr});
  }
  void cut_prefix(RegionId region, LogIndex from, LogIndex to) override {
    if (from < to) add({RaftLogOp::Kind::kCut, region, from.value, to.value - 1, nullptr});
  }
  void remove_region(RegionId region, LogIndex first, LogIndex last) override {
    add({RaftLogOp::Kind::kRemove, region, first.value, last.value, nullptr});
  }
  void put_meta(RegionId region, uint8_t slot, ByteView value) override {
    add({RaftLogOp::Kind::kMeta, region, slot, slot, value.empty() ? nullptr : copy(value)});
  }
  bool empty() const override { return ops_->empty(); }
  size_t bytes() const override { return bytes_; }
  void clear() override {
    ops_ = std::make_shared<RaftLogOps>();
    bytes_ = 0;
  }

  std::shared_ptr<const RaftLogOps> ops() const { return ops_; }

 private:
  static std::shared_ptr<const Bytes> copy(ByteView bytes) { return std::make_shared<const Bytes>(bytes); }
  void add(RaftLogOp op) {
    if (ops_.use_count() > 1) ops_ = std::make_shared<RaftLogOps>(*ops_);  // a write shares the list with the engine
    bytes_ += 16 + (op.bytes ? op.bytes->size() : 0);
    ops_->push_back(std::move(op));
  }

  std::shared_ptr<RaftLogOps> ops_ = std::make_shared<RaftLogOps>();
  size_t bytes_ = 0;
};

Error gone() { return {Error::Kind::kIo, "the node crashed"}; }

std::optional<Bytes> value_of(const std::shared_ptr<const Bytes>& bytes) {
  return bytes ? std::optional<Bytes>(*bytes) : std::nullopt;
}

class MemoryRaftLog final : public RaftLogEngine {
 public:
  explicit MemoryRaftLog(std::shared_ptr<MemoryDisk> disk)
      : disk_(std::move(disk)), state_(disk_->state()), log_(adopt(state_)) {}
  ~MemoryRaftLog() override {
    MutexLock lock(state_.mutex);
    log_->open = false;
  }

  std::unique_ptr<RaftLogBatch> new_batch() const override { return std::make_unique<MemoryRaftLogBatch>(); }

  Result<void> write(RaftLogBatch& batch, Sync sync) override {
    auto& mine = static_cast<MemoryRaftLogBatch&>(batch);
    state_.wait(DiskAccess::kLogWrite, mine.bytes());
    {
      MutexLock lock(state_.mutex);
      if (log_->dead) return Err(gone());
      TRY(state_.access(DiskAccess::kLogWrite, mine.bytes()));
      ++state_.counters.log_writes;
      if (!mine.empty()) {
        log_->current.apply(*mine.ops());
        log_->unsynced.push_back(mine.ops());
      }
    }
    if (sync == Sync::kNo) return {};
    state_.wait(DiskAccess::kLogSync, mine.bytes());
    MutexLock lock(state_.mutex);
    if (log_->dead) return Err(gone());
    TRY(state_.access(DiskAccess::kLogSync, 0));
    log_->sync();
    ++state_.counters.log_syncs;
    return {};
  }

  Result<std::vector<RegionId>> regions() const override {
    MutexLock lock(state_.mutex);
    std::vector<RegionId> ids;
    for (const auto& [id, region] : log_->current.regions) {
      if (region.state) ids.push_back(id);
    }
    return ids;
  }
  Result<std::optional<Bytes>> state(RegionId region) const override {
    MutexLock lock(state_.mutex);
    const RegionLog* log = find(region);
    return log != nullptr ? value_of(log->state) : std::nullopt;
  }
  Result<std::optional<Bytes>> meta(RegionId region, uint8_t slot) const override {
    MutexLock lock(state_.mutex);
    const RegionLog* log = find(region);
    if (log == nullptr) return std::optional<Bytes>();
    auto it = log->meta.find(slot);
    return it != log->meta.end() ? value_of(it->second) : std::nullopt;
  }
  Result<std::optional<Bytes>> entry(RegionId region, LogIndex index) const override {
    MutexLock lock(state_.mutex);
    const RegionLog* log = find(region);
    if (log == nullptr) return std::optional<Bytes>();
    auto it = log->entries.find(index.value);
    return it != log->entries.end() ? value_of(it->second) : std::nullopt;
  }
  Result<size_t> entries(RegionId region, LogIndex from, LogIndex to, size_t max_bytes,
                         std::vector<Bytes>& out) const override {
    MutexLock lock(state_.mutex);
    const RegionLog* log = find(region);
    size_t count = 0, bytes = 0;
    if (log == nullptr) return count;
    auto it = log->entries.lower_bound(from.value);
    for (uint64_t index = from.value; index < to.value && it != log->entries.end(); ++index, ++it) {
      if (it->first != index) break;
      bytes += it->second->size();
      if (count > 0 && bytes > max_bytes) break;
      out.push_back(*it->second);
      ++count;
    }
    return count;
  }
  uint64_t used_bytes() const override {
    MutexLock lock(state_.mutex);
    return log_->current.bytes;
  }

 private:
  static std::shared_ptr<RaftLogState> adopt(DiskState& state) {
    MutexLock lock(state.mutex);
    CHECK(!state.log->open, "the disk's Raft log is open already");
    state.log->open = true;
    state.log->sync();  // as recovery writes what it finds into files of its own
    return state.log;
  }
  const RegionLog* find(RegionId region) const CAIRN_REQUIRES(state_.mutex) {
    auto it = log_->current.regions.find(region);
    return it != log_->current.regions.end() ? &it->second : nullptr;
  }

  std::shared_ptr<MemoryDisk> disk_;
  DiskState& state_;
  std::shared_ptr<RaftLogState> log_ CAIRN_GUARDED_BY(state_.mutex);
};

}  // namespace

std::unique_ptr<RaftLogEngine> open_memory_raft_log(std::shared_ptr<MemoryDisk> disk) {
  CHECK(disk != nullptr, "an engine in memory needs a disk");
  return std::make_unique<MemoryRaftLog>(std::move(disk));
}

}  // namespace cairn::engine
