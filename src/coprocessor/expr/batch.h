// Rows on their way through the executors: columns of as many rows, of which a selection counts.
#pragma once

#include <span>
#include <vector>

#include "coprocessor/arena.h"
#include "coprocessor/column.h"

namespace cairn::coprocessor {

struct Batch {
  std::vector<Column> columns;
  size_t rows = 0;  // of each column
  // The rows that count, ascending; meaningless unless `has_selection`: then all count.
  std::vector<uint32_t> selection;
  bool has_selection = false;
  Arena arena;  // of the columns' bytes

  size_t count() const { return has_selection ? selection.size() : rows; }
  // The row that is the `i`-th of those that count.
  size_t row(size_t i) const { return has_selection ? selection[i] : i; }
  void select_all() {
    has_selection = false;
    selection.clear();
  }
};

}  // namespace cairn::coprocessor
