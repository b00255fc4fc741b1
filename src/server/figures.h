// What an answer says of its own cost: kvrpcpb.ExecDetailsV2. Figures that nobody counts here stay unset.
// Tests: node_answers_test.cc.
#pragma once

#include "base/time.h"
#include "kvrpcpb.pb.h"
#include "mvcc/write_cursor.h"
#include "txn/scheduler.h"

namespace cairn::server {

// When a read came to its stages; the rest of its time is reading.
struct ReadStages {
  Instant arrived;
  Instant begun;         // on its thread
  Instant ready;         // it has its view
  Duration suspended{};  // from there on, while others had their turn
};

// What was looked at and found.
void put_read_figures(kvrpcpb::ExecDetailsV2& details, const mvcc::ReadFigures& figures);
// What that cost the engine.
void put_read_work(kvrpcpb::ExecDetailsV2& details, const engine::ReadWork& work);
// Where the time of a read went that ends now.
void put_read_times(kvrpcpb::ExecDetailsV2& details, const ReadStages& stages, Instant now);
// What a command looked at, and where its time went.
void put_write_figures(kvrpcpb::ExecDetailsV2& details, const txn::CommandFigures& figures);
// The time of a whole request, without saying where it went.
void put_total_time(kvrpcpb::ExecDetailsV2& details, Duration took);

}  // namespace cairn::server
