// Walks the live raw pairs of a range in one direction, whatever the API version: expired values and deleted keys are
// passed over, and of the versions of a key only the newest counts. Internal to rawkv/. Tests: scan_test.cc.
#pragma once

#include <memory>

#include "engine/region_store.h"
#include "rawkv/api_version.h"
#include "rawkv/value.h"

namespace cairn::rawkv {

class Cursor {
 public:
  enum class Direction : uint8_t { kForward, kBackward };
  struct Options {
    engine::Cf cf = engine::Cf::kDefault;
    Bytes lower;  // engine keys; empty: the region's bound
    Bytes upper;
    Direction direction = Direction::kForward;
    bool key_only = false;  // value() will not be asked for
    bool fill_cache = true;
    uint64_t now_s = 0;
  };
  // The snapshot must outlive the cursor.
  Cursor(const engine::RegionSnapshot& snapshot, ApiVersion version, Options options);

  // Looks at the first key, then at one more each time: a pair to be shown, one that is passed over, or none left.
  enum class Step : uint8_t { kPair, kPassed, kEnd };
  engine::Result<Step> next();
  // Of the pair under the cursor; good until it moves.
  ByteView user_key() const { return user_key_; }
  ByteView value() const { return value_.value; }

 private:
  engine::Result<Step> next_plain();
  engine::Result<Step> next_forward();
  engine::Result<Step> next_backward();
  // There is none under the iterator.
  engine::Result<Step> end() const;
  // The encoded key under the iterator; of V2.
  engine::Result<ByteView> encoded_key() const;
  engine::Result<Step> take(ByteView encoded, ByteView stored);

  const ApiVersion version_;
  const Options options_;
  std::unique_ptr<engine::Iterator> it_;
  bool is_started_ = false;
  Bytes encoded_;  // V2: the key whose versions were looked at last
  Bytes stored_;   // V2, backward: its newest value
  Bytes decoded_;  // V2: its user key
  ByteView user_key_;
  StoredValue value_;
};

}  // namespace cairn::rawkv
