// The cells in which counters and histograms count. A cell is a number of which each thread has a part that it alone
// writes; its value is the sum of all parts, those of threads that are gone included. Parts are made where a thread
// first counts, by the chunk.
//
//   thread 1:  chunk 0 [cell 0 | cell 1 | ...]  chunk 1 -
//   thread 2:  chunk 0 -                        chunk 1 [cell 1024 | ...]
//   gone:      chunk 0 [cell 0 | cell 1 | ...]
//
// A part is an atomic only so that others may read it: its owner adds by a relaxed load and a relaxed store.
// Tests: metrics_test.cc.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace cairn::metrics {

// The place of a cell in each thread's parts.
using Cell = uint32_t;

inline constexpr size_t kCellsOfAChunk = 1024;
inline constexpr size_t kChunksMax = 256;

struct CellChunk {
  std::array<std::atomic<uint64_t>, kCellsOfAChunk> parts{};
};

// One thread's parts.
struct ThreadCells {
  std::array<std::atomic<CellChunk*>, kChunksMax> chunks{};
};

// Of the thread that runs; nullptr before it first counts, and when it is about to end.
extern constinit thread_local ThreadCells* own_cells;

// That chunk of the parts that this thread counts in, made if need be. What a thread counts while its thread-local
// objects are being destroyed goes to the parts of those that are gone, which any thread may write: then `is_shared`.
struct ChunkToWrite {
  CellChunk* chunk;
  bool is_shared;
};
ChunkToWrite chunk_to_write(size_t chunk);

// Adds to the part of this thread. Unsigned numbers wrap around, so adding a negative one takes away.
inline void add(Cell cell, uint64_t n) {
  CellChunk* chunk = nullptr;
  if (own_cells != nullptr) chunk = own_cells->chunks[cell / kCellsOfAChunk].load(std::memory_order_relaxed);
  if (chunk == nullptr) {
    const auto [made, is_shared] = chunk_to_write(cell / kCellsOfAChunk);
    if (is_shared) {
      made->parts[cell % kCellsOfAChunk].fetch_add(n, std::memory_order_relaxed);
      return;
    }
    chunk = made;
  }
  auto& part = chunk->parts[cell % kCellsOfAChunk];
  part.store(part.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

// `count` cells that lie in one chunk, at most kCellsOfAChunk.
Cell allocate_cells(size_t count);

// Sums up the parts of `count` cells from `first` on, which lie in one chunk, into `out`.
void sum_up(Cell first, size_t count, uint64_t* out);
inline uint64_t sum(Cell cell) {
  uint64_t out = 0;
  sum_up(cell, 1, &out);
  return out;
}

}  // namespace cairn::metrics
