// The translation between raft's structs and the bytes that PD's group keeps in its log and sends between members:
// eraftpb messages and raft_serverpb's state. Decoders return false on bytes that are not of the form.
// Tests: through meta_group_test.cc.
#pragma once

#include "base/bytes.h"
#include "raft/types.h"

namespace cairn::pd {

Bytes encode_entry(const raft::Entry& entry);
[[nodiscard]] bool decode_entry(ByteView bytes, raft::Entry& entry);

Bytes encode_message(const raft::Message& message);
[[nodiscard]] bool decode_message(ByteView bytes, raft::Message& message);

// The hard state together with the index of the last entry.
Bytes encode_local_state(const raft::HardState& state, LogIndex last_index);
[[nodiscard]] bool decode_local_state(ByteView bytes, raft::HardState& state, LogIndex& last_index);

// A position in the log.
struct LogPosition {
  LogIndex index;
  Term term;
  friend bool operator==(const LogPosition&, const LogPosition&) = default;
};
Bytes encode_position(LogPosition position);
[[nodiscard]] bool decode_position(ByteView bytes, LogPosition& position);

// A snapshot's payload: the pairs of the image, one after another.
void append_pair(Bytes& out, ByteView key, ByteView value);
// Takes the next pair off `in`.
[[nodiscard]] bool take_pair(ByteView& in, ByteView& key, ByteView& value);

}  // namespace cairn::pd
