// The search for the version of one key that a timestamp sees, over an iterator of the write column family. Shared by
// the point readers and the scanners.
//
// Near seek: a few next() before a seek(), because most keys have few versions and a next() is far cheaper.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "engine/kv_engine.h"
#include "mvcc/write.h"
#include "mvcc/write_cursor.h"

namespace cairn::mvcc {

// Moves tried before a seek; also the run of LOCK and ROLLBACK records from which last_change is followed.
inline constexpr int kNearSeekSteps = 8;

// A write record with its place.
struct Version {
  Timestamp commit_ts;
  Write write;
  friend bool operator==(const Version&, const Version&) = default;
};

// The commit timestamp of the iterator's record if it belongs to `encoded_key`; nothing if the iterator stands
// elsewhere or nowhere (an I/O error is an error).
engine::Result<std::optional<Timestamp>> timestamp_at(const engine::Iterator& it, ByteView encoded_key);
// The record under the iterator, which stands on a version of the key.
engine::Result<Version> version_at(const engine::Iterator& it, Timestamp commit_ts);

// The iterator stands at or before the newest version of the key that `ts` sees, on the key or just before it: moves it
// to that version.
engine::Result<std::optional<Timestamp>> move_to_version(WriteCursor& it, ByteView encoded_key, Timestamp ts);
// The iterator stands on the newest version that `ts` sees: the newest PUT or DELETE from here down; nothing if there
// is none or if it is fenced off. Leaves the iterator somewhere on the key or just behind.
engine::Result<std::optional<Version>> find_change(WriteCursor& it, ByteView encoded_key, Timestamp ts);

}  // namespace cairn::mvcc
