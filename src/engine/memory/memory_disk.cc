// The disk of a simulated node: faults, flushes under way, and what a crash leaves.
#include <utility>

#include "base/check.h"
#include "engine/memory/disk_state.h"
#include "engine/memory/memory_engine.h"

namespace cairn::engine {
namespace memory {

void KvImage::apply(const KvOps& ops) {
  for (const KvOp& op : ops) {
    PersistentMap& family = of(op.cf);
    switch (op.kind) {
      case KvOp::Kind::kPut:
        family.put(op.entry);
        break;
      case KvOp::Kind::kDelete:
        family.erase(op.entry->key);
        break;
      case KvOp::Kind::kDeleteRange:
        family.erase_range(op.entry->key, op.entry->value);
        break;
    }
  }
}

uint64_t KvImage::bytes() const {
  uint64_t sum = 0;
  for (const PersistentMap& family : families) sum += family.bytes();
  return sum;
}

std::shared_ptr<KvImage> KvState::take_snapshot() {
  std::erase_if(snapshots, [](const auto& snapshot) { return snapshot.expired(); });
  auto snapshot = std::make_shared<KvImage>(current);
  snapshots.push_back(snapshot);
  return snapshot;
}

void KvState::begin_flush(int lag) {
  if (flush || unflushed.empty()) return;
  flush = Flush{current, sequence, lag};
}

void KvState::end_flush() {
  if (!flush) return;
  CHECK(flush->sequence >= durable_sequence, "a flush up to {} ends after one up to {}", flush->sequence,
        durable_sequence);
  durable = std::move(flush->image);
  durable_sequence = flush->sequence;
  flush.reset();
  while (!unflushed.empty() && unflushed.front().sequence <= durable_sequence) {
    unflushed_bytes -= unflushed.front().bytes;
    unflushed.pop_front();
  }
}

void KvState::flush_all() {
  flush.reset();
  begin_flush(0);
  end_flush();
  CHECK(unflushed.empty() && unflushed_bytes == 0, "{} bytes are left after a whole flush", unflushed_bytes);
}

void RaftLogImage::apply(const RaftLogOps& ops) {
  auto replace = [this](std::shared_ptr<const Bytes>& slot, const std::shared_ptr<const Bytes>& value) {
    bytes -= slot ? slot->size() : 0;
    bytes += value ? value->size() : 0;
    slot = value;
  };
  auto cut = [this](RegionLog& log, uint64_t first, uint64_t last) {
    auto it = log.entries.lower_bound(first);
    while (it != log.entries.end() && it->first <= last) {
      bytes -= it->second->size();
      it = log.entries.erase(it);
    }
  };
  for (const RaftLogOp& op : ops) {
    RegionLog& log = regions[op.region];
    log.changed_at = ++changes;
    switch (op.kind) {
      case RaftLogOp::Kind::kState:
        replace(log.state, op.bytes);
        break;
      case RaftLogOp::Kind::kEntry:
        replace(log.entries[op.first], op.bytes);
        break;
      case RaftLogOp::Kind::kCut:
        cut(log, op.first, op.last);
        break;
      case RaftLogOp::Kind::kMeta: {
        auto slot = static_cast<uint8_t>(op.first);
        replace(log.meta[slot], op.bytes);
        if (!op.bytes) log.meta.erase(slot);
        break;
      }
      case RaftLogOp::Kind::kRemove:
        cut(log, op.first, op.last);
        replace(log.state, nullptr);
        for (auto& [slot, value] : log.meta) replace(value, nullptr);
        log.meta.clear();
        break;
    }
    if (!log.state && log.meta.empty() && log.entries.empty()) regions.erase(op.region);
  }
}

void RaftLogState::sync() {
  for (const auto& batch : unsynced) durable.apply(*batch);
  unsynced.clear();
}

Result<void> DiskState::access(DiskAccess kind, uint64_t bytes) {
  if (hook) {
    if (auto error = hook(kind, bytes)) return Err(std::move(*error));
  }
  if (health == MemoryDisk::Health::kFailing) return Err(Error{Error::Kind::kIo, "the disk fails"});
  bool needs_space = kind != DiskAccess::kFileRead && kind != DiskAccess::kKvRead && kind != DiskAccess::kLogSync &&
                     kind != DiskAccess::kFileSync;
  if (!needs_space) return {};
  // The sum over all files is taken only where it can matter: this disk lies in memory, of which nobody has so much.
  constexpr uint64_t kNeverReached = uint64_t{1} << 39;
  bool full = health == MemoryDisk::Health::kFull || bytes > options.capacity_bytes;
  if (!full && bytes > 0 && options.capacity_bytes < kNeverReached) {
    full = used() > options.capacity_bytes - bytes;
  }
  if (full) return Err(Error{Error::Kind::kNoSpace, "the disk is full"});
  return {};
}

void DiskState::remove_file(const std::string& path) {
  constexpr size_t kRemovedMax = 64;
  auto found = files.find(path);
  if (found == files.end()) return;
  if (found->second->synced > 0) removed[path] = found->second;
  if (removed.size() > kRemovedMax) removed.erase(removed.begin());
  files.erase(found);
}

uint64_t DiskState::used() const {
  uint64_t sum = kv->current.bytes() + log->current.bytes;
  for (const auto& [path, file] : files) sum += file->bytes.size();
  return sum;
}

void DiskState::tick_flush() {
  if (!kv->flush || --kv->flush->lag > 0) return;
  if (!access(DiskAccess::kKvFlush, 0).ok()) {
    kv->flush->lag = 1;  // try again at the next event
    return;
  }
  kv->end_flush();
  ++counters.kv_flushes;
}

}  // namespace memory

using memory::DiskState;

MemoryDisk::MemoryDisk(MemoryDiskOptions options) : state_(std::make_unique<DiskState>()) {
  MutexLock lock(state_->mutex);
  state_->options = options;
}

MemoryDisk::~MemoryDisk() = default;

namespace {

std::shared_ptr<memory::KvState> kv_after_crash(const memory::KvState& before, runtime::Random& dice) {
  auto after = std::make_shared<memory::KvState>();
  after->current = before.durable;
  after->sequence = before.durable_sequence;
  uint64_t kept = dice.below(before.unflushed.size() + 1);
  for (uint64_t i = 0; i < kept; ++i) {
    after->current.apply(*before.unflushed[i].ops);
    after->sequence = before.unflushed[i].sequence;
  }
  after->durable = after->current;
  after->durable_sequence = after->sequence;
  return after;
}

std::shared_ptr<memory::RaftLogState> log_after_crash(const memory::RaftLogState& before, runtime::Random& dice,
                                                      CrashKind kind) {
  auto after = std::make_shared<memory::RaftLogState>();
  after->durable = before.durable;
  if (kind == CrashKind::kProcess) {
    after->current = before.current;
    after->unsynced = before.unsynced;
    return after;
  }
  uint64_t kept = dice.below(before.unsynced.size() + 1);
  for (uint64_t i = 0; i < kept; ++i) after->durable.apply(*before.unsynced[i]);
  after->current = after->durable;
  return after;
}

}  // namespace

void MemoryDisk::crash(runtime::Random& dice, CrashKind kind) {
  MutexLock lock(state_->mutex);
  state_->kv->dead = true;
  state_->log->dead = true;
  state_->kv = kv_after_crash(*state_->kv, dice);
  state_->log = log_after_crash(*state_->log, dice, kind);
  if (kind == CrashKind::kProcess) return;
  for (auto it = state_->files.begin(); it != state_->files.end();) {
    memory::File& file = *it->second;
    size_t unsynced = file.bytes.size() - file.synced;
    if (unsynced > 0 || file.synced == 0) {
      auto survivor = std::make_shared<memory::File>();  // a writer of before holds the old one
      survivor->synced = file.synced + dice.below(unsynced + 1);
      survivor->bytes = file.bytes.substr(0, survivor->synced);
      it->second = std::move(survivor);
    }
    bool lost = it->second->synced == 0 && dice.chance(0.5);
    it = lost ? state_->files.erase(it) : std::next(it);
  }
  for (const auto& [path, file] : std::exchange(state_->removed, {})) {
    if (dice.chance(0.5)) state_->files.emplace(path, file);
  }
}

void MemoryDisk::set_health(Health health) {
  MutexLock lock(state_->mutex);
  state_->health = health;
}

void MemoryDisk::set_capacity(uint64_t bytes) {
  MutexLock lock(state_->mutex);
  state_->options.capacity_bytes = bytes;
}

uint64_t MemoryDisk::used() const {
  MutexLock lock(state_->mutex);
  return state_->used();
}

void MemoryDisk::set_hook(Hook hook) {
  MutexLock lock(state_->mutex);
  state_->hook = std::move(hook);
}

void MemoryDisk::set_pace(Pace pace) {
  MutexLock lock(state_->mutex);
  state_->pace = std::move(pace);
}

void MemoryDisk::set_cold(Cold cold) { state_->cold = std::move(cold); }

void MemoryDisk::set_write_stalled(bool stalled) {
  MutexLock lock(state_->mutex);
  state_->stalled = stalled;
}

void MemoryDisk::complete_flush() {
  MutexLock lock(state_->mutex);
  if (!state_->kv->flush) return;
  state_->kv->flush->lag = 0;
  state_->tick_flush();
}

uint64_t MemoryDisk::digest() const {
  MutexLock lock(state_->mutex);
  uint64_t hash = 0;
  auto mix = [&hash](ByteView bytes) {
    hash = (hash ^ memory::PersistentMap::priority_of(bytes)) * 0x9E3779B97F4A7C15ULL;
    hash ^= hash >> 29;
  };
  for (const auto* image : {&state_->kv->durable, &state_->kv->current}) {
    for (const auto& family : image->families) {
      memory::PersistentMap::Cursor cursor(family);
      for (cursor.seek_to_first(); cursor.valid(); cursor.next()) {
        mix(cursor.entry().key);
        mix(cursor.entry().value);
      }
    }
  }
  for (const auto* image : {&state_->log->durable, &state_->log->current}) {
    for (const auto& [region, log] : image->regions) {
      if (log.state) mix(*log.state);
      for (const auto& [slot, value] : log.meta) mix(*value);
      for (const auto& [index, entry] : log.entries) mix(*entry);
    }
  }
  for (const auto& [path, file] : state_->files) {
    mix(path);
    mix(file->bytes);
  }
  return hash;
}

MemoryDisk::Stats MemoryDisk::stats() const {
  MutexLock lock(state_->mutex);
  Stats stats = state_->counters;
  stats.kv_unflushed_batches = state_->kv->unflushed.size();
  stats.kv_unflushed_bytes = state_->kv->unflushed_bytes;
  stats.log_unsynced_batches = state_->log->unsynced.size();
  stats.files = state_->files.size();
  for (const auto& [path, file] : state_->files) stats.file_bytes += file->bytes.size();
  return stats;
}

}  // namespace cairn::engine
