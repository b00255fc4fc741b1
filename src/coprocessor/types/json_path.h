// Paths into JSON documents: '$', then legs.
//
//   .key  ."any key"  .*      a member, all members
//   [3]  [last]  [last-2]     an element
//   [*]  [1 to 3]             all elements, some of them
//   **                        the value and all below it, before a last leg
//
// Tests: functions_test.cc.
#pragma once

#include <optional>
#include <vector>

#include "coprocessor/types/json.h"

namespace cairn::coprocessor::json {

struct Leg {
  enum class Kind : uint8_t { kKey, kAnyKey, kIndex, kRange, kAnyIndex, kAnyDepth };
  // From the begin, or from the end.
  struct Index {
    bool is_from_end = false;
    uint32_t number = 0;
    // Of an array of so many elements; may be beyond it, and nothing is before the begin.
    std::optional<size_t> at(size_t count) const {
      if (!is_from_end) return number;
      return number < count ? std::optional<size_t>(count - 1 - number) : std::nullopt;
    }
  };

  Kind kind = Kind::kKey;
  Bytes key;
  Index index, end;
};

struct Path {
  std::vector<Leg> legs;
  // Whether it may lead to more than one value.
  bool has_wildcards() const;
};

// Nothing: it is no path.
std::optional<Path> parse_path(ByteView text);

// The values that the path leads to.
std::vector<View> extract(const View& document, const Path& path);

enum class Change : uint8_t { kInsert, kReplace, kSet, kAppend };
// The document with the value at the path, as JSON_INSERT, JSON_REPLACE, JSON_SET and JSON_ARRAY_APPEND have it.
Bytes with_value(const View& document, const Path& path, Change change, const Bytes& value);
// The document without what the path leads to.
Bytes without(const View& document, const Path& path);

// JSON_MERGE_PRESERVE and JSON_MERGE_PATCH of two.
Bytes merge(const View& a, const View& b);
Bytes merge_patch(const View& target, const View& patch);

// Whether the candidate is in the target, as JSON_CONTAINS has it.
bool contains(const View& target, const View& candidate);
int depth(const View& value);

}  // namespace cairn::coprocessor::json
