#include "base/metric_cells.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "base/mutex.h"

namespace cairn::metrics {

constinit thread_local ThreadCells* own_cells = nullptr;

namespace {

// All threads that count. Never destroyed: threads may count until the very end of the process.
struct Threads {
  Mutex mutex;
  std::vector<ThreadCells*> living CAIRN_GUARDED_BY(mutex);
  ThreadCells gone;  // what the threads that have ended had counted; its parts are added to by fetch_add
  Cell next CAIRN_GUARDED_BY(mutex) = 0;
};

Threads& threads() {
  static auto* instance = new Threads();
  return *instance;
}

CellChunk* chunk_of_gone(Threads& all, size_t chunk) {
  auto& place = all.gone.chunks[chunk];
  if (auto* found = place.load(std::memory_order_acquire)) return found;
  auto* made = new CellChunk();
  CellChunk* none = nullptr;
  if (place.compare_exchange_strong(none, made, std::memory_order_acq_rel)) return made;
  delete made;
  return none;
}

constinit thread_local bool has_left = false;

// Leaves what the thread has counted to those that are gone, when the thread ends.
struct Leaving {
  Leaving() {
    own_cells = new ThreadCells();
    auto& all = threads();
    MutexLock lock(all.mutex);
    all.living.push_back(own_cells);
  }
  ~Leaving() {
    auto& all = threads();
    MutexLock lock(all.mutex);
    std::unique_ptr<ThreadCells> mine(own_cells);
    own_cells = nullptr;
    has_left = true;
    all.living.erase(std::find(all.living.begin(), all.living.end(), mine.get()));
    for (size_t i = 0; i < kChunksMax; ++i) {
      const std::unique_ptr<CellChunk> chunk(mine->chunks[i].load(std::memory_order_relaxed));
      if (!chunk) continue;
      auto* to = chunk_of_gone(all, i);
      for (size_t k = 0; k < kCellsOfAChunk; ++k) {
        const uint64_t part = chunk->parts[k].load(std::memory_order_relaxed);
        if (part != 0) to->parts[k].fetch_add(part, std::memory_order_relaxed);
      }
    }
  }
  Leaving(const Leaving&) = delete;
  Leaving& operator=(const Leaving&) = delete;
};

}  // namespace

ChunkToWrite chunk_to_write(size_t chunk) {
  if (has_left) return {chunk_of_gone(threads(), chunk), true};
  static thread_local const Leaving leaving;
  auto& place = own_cells->chunks[chunk];
  if (place.load(std::memory_order_relaxed) == nullptr) place.store(new CellChunk(), std::memory_order_release);
  return {place.load(std::memory_order_relaxed), false};
}

Cell allocate_cells(size_t count) {
  CHECK(count > 0 && count <= kCellsOfAChunk, "a metric has {} cells", count);
  auto& all = threads();
  MutexLock lock(all.mutex);
  const size_t left = kCellsOfAChunk - all.next % kCellsOfAChunk;
  if (count > left) all.next += static_cast<Cell>(left);
  const Cell first = all.next;
  all.next += static_cast<Cell>(count);
  CHECK(all.next <= kCellsOfAChunk * kChunksMax, "{} cells are too many: some label has too many values", all.next);
  return first;
}

void sum_up(Cell first, size_t count, uint64_t* out) {
  const size_t chunk = first / kCellsOfAChunk;
  const size_t offset = first % kCellsOfAChunk;
  std::fill_n(out, count, 0);
  auto& all = threads();
  MutexLock lock(all.mutex);
  const auto take = [&](const ThreadCells& cells) {
    const auto* parts = cells.chunks[chunk].load(std::memory_order_acquire);
    if (parts == nullptr) return;
    for (size_t i = 0; i < count; ++i) out[i] += parts->parts[offset + i].load(std::memory_order_relaxed);
  };
  take(all.gone);
  for (const auto* cells : all.living) take(*cells);
}

}  // namespace cairn::metrics
