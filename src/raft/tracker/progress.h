// Progress: what a leader knows of one peer's log, and how fast it may send to it.
//
//              accepted                      log needed is compacted
//   kProbe  ─────────────▶ kReplicate      any ─────────────────────▶ kSnapshot
//      ▲ rejected, unreachable  │            ▲                            │
//      └────────────────────────┘            └─ kProbe: reported, or caught up another way
//
// kProbe: where the logs agree is unknown; one append at a time. kReplicate: appends are pipelined, `next` runs ahead
// of `matched`, as many as the window holds. kSnapshot: nothing is sent until the snapshot's fate is known.
//
// Owned by the Tracker. Invariant: matched < next. Tests: progress_test.cc.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "raft/raw_node.h"
#include "raft/tracker/inflights.h"

namespace cairn::raft {

struct Progress {
  using State = PeerProgress::State;

  Progress(LogIndex next_index, size_t inflight_max) : next(next_index), inflights(inflight_max) {}

  State state = State::kProbe;
  LogIndex matched;           // on the peer's disk, and equal to ours
  LogIndex next;              // the first index to send
  LogIndex pending_snapshot;  // kSnapshot: of the one under way
  LogIndex snapshot_wanted;   // the peer asked for a snapshot of at least this index
  LogIndex commit_sent;       // the greatest commit index told to the peer
  bool probe_sent = false;    // kProbe: the one append is under way
  bool heard = false;         // a message came at tick `heard_at`
  uint64_t heard_at = 0;
  uint64_t read_ack = 0;  // the newest heartbeat sequence that the peer answered (read_queue.h)
  Inflights inflights;

  void become_probe();
  void become_replicate();
  void become_snapshot(LogIndex snapshot);

  // Nothing may be sent for now.
  bool is_paused() const;
  // Entries up to `last` were sent. An empty append only counts while probing.
  void on_sent(LogIndex last, bool has_entries);
  // The peer has everything up to `index`. False: no news.
  bool on_accepted(LogIndex index);
  // The peer refused the append behind `rejected` and proposes to go on behind `hint`. False: an outdated answer.
  bool on_rejected(LogIndex rejected, LogIndex hint);
  void on_heard(uint64_t tick) {
    heard = true;
    heard_at = tick;
  }
  bool is_active(uint64_t tick, uint64_t within_ticks) const { return heard && tick - heard_at <= within_ticks; }
};

}  // namespace cairn::raft
