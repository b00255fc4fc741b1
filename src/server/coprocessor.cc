// Coprocessor: plans that are run where the data lie. It raises max_ts and looks for memory locks as a scan does
// (reads.cc), takes its snapshot, and then runs on the read pool in slices, between which others go first, and where it
// ends if nobody waits for it any more or its time is over. A request may carry tasks for other regions of this store:
// they follow one after the other, and each has its own answer.
//
// What refuses it:   the region, a full pool, too little memory, the deadline    region_error
//                    a lock                                                      locked
//                    a plan that this store cannot run, a write conflict         other_error
//                    an evaluation that fails, a row that does not decode        in the plan's own answer
// Tests: coprocessor_test.cc.
#include "coprocessor/request.h"

#include <fmt/format.h>

#include "base/codec.h"
#include "server/coprocessor_metrics.h"
#include "server/node.h"
#include "server/parts.h"
#include "tipb/select.pb.h"
#include "txn/reads.h"

namespace cairn::server {
namespace {

namespace cop = cairn::coprocessor;
using Call = api::Call<::coprocessor::Request, ::coprocessor::Response>;

// A part of a request that concerns one region, and what came of it.
struct Part {
  engine::RegionRequest region;
  cop::Question question;
  mvcc::ReadOptions options;
  std::optional<uint64_t> cached_version;  // the client has an answer of that version of the region's data

  std::optional<errorpb::Error> region_error;
  std::optional<kvrpcpb::LockInfo> locked;
  std::string other_error;
  cop::Answer answer;
  bool is_cache_hit = false;
  uint64_t data_version = 0;
  mvcc::ReadFigures figures;
  engine::ReadWork work;
  ReadStages stages;
  uint64_t steps = 0;
  const CoprocessorMetrics* metrics = nullptr;  // of its kind; null: it did not begin

  bool is_answered() const { return region_error || locked || !other_error.empty(); }
};

std::vector<cop::KeyRange> ranges_of(const google::protobuf::RepeatedPtrField<::coprocessor::KeyRange>& ranges) {
  std::vector<cop::KeyRange> result;
  result.reserve(static_cast<size_t>(ranges.size()));
  for (const auto& range : ranges) result.push_back({range.start(), range.end()});
  return result;
}

// Plans of older clients have the timestamp inside.
Timestamp start_ts_of(const ::coprocessor::Request& request) {
  if (request.start_ts() != 0) return Timestamp(request.start_ts());
  tipb::DAGRequest plan;
  if (request.tp() != static_cast<int64_t>(cop::Kind::kDag) || !plan.ParseFromString(request.data())) return {};
  return Timestamp(plan.start_ts_fallback());
}

cop::Question question_of(const Parts& parts, const ::coprocessor::Request& request) {
  cop::Question question;
  question.kind = request.tp();
  question.plan = request.data();
  question.ranges = ranges_of(request.ranges());
  question.page_rows = request.paging_size();
  question.page_bytes = request.paging_size_bytes();
  question.keys_max = request.max_keys_read();
  question.answer_bytes_max = parts.options.answer_bytes_max;
  question.memory_max = parts.options.plan_bytes_max;
  question.stopwatch = [clock = &parts.clock] { return static_cast<uint64_t>(clock->now().since_start.count()); };
  question.now_micros = parts.clock.wall_now().since_epoch / std::chrono::microseconds(1);
  return question;
}

Part main_part(const Parts& parts, const ::coprocessor::Request& request, const Admitted& admitted, Timestamp ts) {
  Part part;
  part.region = admitted.region;
  part.question = question_of(parts, request);
  part.options = read_options(request.context(), ts);
  if (request.is_cache_enabled()) part.cached_version = request.cache_if_match_version();
  return part;
}

Part part_of(const Parts& parts, const ::coprocessor::Request& request, const ::coprocessor::StoreBatchTask& task,
             const Part& main) {
  Part part;
  part.region = main.region;
  part.region.region = RegionId(task.region_id());
  part.region.peer = PeerId(task.peer().id());
  part.region.store = StoreId(task.peer().store_id());
  part.region.epoch = {task.region_epoch().conf_ver(), task.region_epoch().version()};
  part.region.term = {};
  part.question = question_of(parts, request);
  part.question.ranges = ranges_of(task.ranges());
  part.question.page_rows = part.question.page_bytes = part.question.keys_max = 0;
  part.options = main.options;
  return part;
}

// The range that leaves the region; nothing if all are inside.
std::optional<engine::RegionError> range_outside(const engine::RegionSnapshot& snapshot,
                                                 const std::vector<cop::KeyRange>& ranges) {
  for (const auto& range : ranges) {
    const Bytes start = codec::encode_bytes(range.start), end = codec::encode_bytes(range.end);
    const bool is_inside = start >= snapshot.start_key() && (snapshot.end_key().empty() || end <= snapshot.end_key());
    if (is_inside) continue;
    engine::RegionDescription region;
    region.id = snapshot.region_id();
    region.start_key = Bytes(snapshot.start_key());
    region.end_key = Bytes(snapshot.end_key());
    return engine::RegionError(engine::KeyNotInRegion{start < snapshot.start_key() ? start : end, std::move(region)});
  }
  return std::nullopt;
}

void put_key_error(Part& part, const mvcc::KeyError& error) {
  if (const auto* locked = std::get_if<mvcc::KeyIsLocked>(&error)) {
    part.locked = to_proto(locked->lock);
  } else if (const auto* conflict = std::get_if<mvcc::WriteConflict>(&error)) {
    // Clients look for the first two words.
    part.other_error = fmt::format(
        "write conflict, txn start ts {}, conflict start ts {}, conflict commit ts {}, key {}", conflict->start_ts,
        conflict->conflict_start_ts, conflict->conflict_commit_ts, to_hex(conflict->key));
  } else {
    part.other_error = to_proto(error).abort();
  }
}

engine::RegionError busy(std::string reason) { return engine::RegionError(engine::ServerIsBusy{std::move(reason)}); }

void put_failure(Part& part, cop::Failure&& failure) {
  if (auto* error = std::get_if<cop::EvalError>(&failure)) {
    part.answer.data = cop::answer_of(*error);
  } else if (auto* plan = std::get_if<cop::PlanError>(&failure)) {
    part.other_error = std::move(plan->text);
  } else if (auto* engine = std::get_if<engine::Error>(&failure)) {
    part.region_error = to_proto(*engine);
  } else if (auto* key = std::get_if<mvcc::KeyError>(&failure)) {
    put_key_error(part, *key);
  } else {
    part.region_error = to_proto(busy("Coprocessor task canceled due to exceeding memory quota"));
  }
}

// Raises max_ts and looks for memory locks: before any snapshot is taken (INV-READ-MAX-TS).
void look_before(const Parts& parts, Part& part, bool is_stale) {
  for (const auto& range : part.question.ranges) {
    auto locked = txn::before_range_read(parts.store.concurrency(), part.options, {range.start, range.end}, is_stale);
    if (!locked) continue;
    put_key_error(part, *locked);
    return;
  }
  if (part.question.ranges.empty() && !is_stale) parts.store.concurrency().update_max_ts(part.options.read_ts);
}

// Holds a plan's share of the memory that all of them may have together.
class MemoryShare {
 public:
  MemoryShare(std::atomic<size_t>& total, size_t max) : total_(total), max_(max) {}
  MemoryShare(const MemoryShare&) = delete;
  MemoryShare& operator=(const MemoryShare&) = delete;
  ~MemoryShare() { CoprocessorTotals::get().memory.set(static_cast<double>(total_.fetch_sub(share_) - share_)); }
  // False: there is not so much.
  bool set(size_t bytes) {
    const size_t before = bytes > share_ ? total_.fetch_add(bytes - share_) : total_.fetch_sub(share_ - bytes);
    const bool fits = bytes <= share_ || before + (bytes - share_) <= max_;
    share_ = bytes;
    CoprocessorTotals::get().memory.set(static_cast<double>(total_.load()));
    return fits;
  }

 private:
  std::atomic<size_t>& total_;
  const size_t max_;
  size_t share_ = 0;
};

// Runs the plan to its end, or up to what ends it.
runtime::Task<void> run(const Parts* parts, Part* part, engine::RegionSnapshotPtr snapshot, runtime::Slices* slices) {
  auto begun = cop::Request::begin(part->question, std::move(snapshot), part->options);
  if (!begun.ok()) {
    put_failure(*part, std::move(begun).error());
    co_return;
  }
  cop::Request& request = **begun;
  part->metrics = &coprocessor_metrics_of(part->question.kind, request.shape());
  if (!request.shape().executors.empty()) {
    CoprocessorTotals::get().plans.add();
    note_executors(request.shape().executors);
  }
  MemoryShare share(parts->plan_bytes, parts->options.plans_bytes_max);
  while (co_await slices->turn()) {
    auto is_through = request.step();
    ++part->steps;
    part->figures = request.figures();
    if (is_through.ok() && !share.set(request.memory())) is_through = Err(cop::Failure(cop::QuotaExceeded{}));
    if (!is_through.ok()) {
      put_failure(*part, std::move(is_through).error());
      co_return;
    }
    if (*is_through) {
      part->answer = request.finish();
      co_return;
    }
  }
}

runtime::Task<void> answer_part(const Parts* parts, Part* part, runtime::Executor* lane, runtime::Slices* slices) {
  if (part->is_answered()) co_return;
  part->stages.begun = parts->clock.now();
  auto snapshot = co_await parts->store.snapshot(part->region, *lane);
  part->stages.ready = parts->clock.now();
  if (!snapshot.ok()) {
    part->region_error = to_proto(snapshot.error());
    co_return;
  }
  part->data_version = (*snapshot)->applied_index().value;
  if (part->cached_version == part->data_version) {
    part->is_cache_hit = true;
    co_return;
  }
  if (const auto outside = range_outside(**snapshot, part->question.ranges)) {
    part->region_error = to_proto(*outside);
    co_return;
  }
  SlicedWork work(**snapshot, parts->clock);
  slices->set_watch(&work);
  co_await run(parts, part, *snapshot, slices);
  slices->set_watch(nullptr);
  part->work = work.end();
  part->stages.suspended = work.suspended();
}

const char* reason_of(const Part& part) {
  if (part.region_error) return server::reason_of(*part.region_error);
  return part.locked ? "meet_lock" : "other";
}

// A part is answered: what it cost goes to the metrics.
void note(const Parts& parts, const Part& part) {
  if (part.is_answered()) note_coprocessor_error(reason_of(part));
  CoprocessorTotals::get().answer_bytes.add(part.answer.data.size());
  if (part.metrics == nullptr) return;
  const auto& metrics = *part.metrics;
  const Instant now = parts.clock.now();
  metrics.time.observe(now - part.stages.arrived);
  metrics.wait.observe(part.stages.ready - part.stages.arrived);
  metrics.schedule_wait.observe(part.stages.begun - part.stages.arrived);
  metrics.snapshot_wait.observe(part.stages.ready - part.stages.begun);
  metrics.handle.observe(now - part.stages.ready - part.stages.suspended);
  metrics.keys_looked_at.observe(part.figures.versions);
  metrics.keys_found.observe(part.figures.found);
  metrics.versions.add(part.figures.versions);
  metrics.found.add(part.figures.found);
  metrics.work.note(part.work);
  if (part.question.kind != static_cast<int64_t>(cop::Kind::kAnalyze)) return;
  CoprocessorTotals::get().analyze_reads.add(part.work.blocks_read);
  CoprocessorTotals::get().analyze_looks.add(part.figures.versions);
  CoprocessorTotals::get().analyze_steps.add(part.steps);
}

template <class Resp>
void put_part(const Parts& parts, Part& part, Resp& response) {
  if (part.region_error) {
    *response.mutable_region_error() = std::move(*part.region_error);
  } else if (part.locked) {
    *response.mutable_locked() = std::move(*part.locked);
  } else if (!part.other_error.empty()) {
    response.set_other_error(part.other_error);
  } else {
    response.set_data(std::move(part.answer.data));
  }
  put_read_figures(*response.mutable_exec_details_v2(), part.figures);
  put_read_work(*response.mutable_exec_details_v2(), part.work);
  if (part.stages.ready != Instant()) {
    put_read_times(*response.mutable_exec_details_v2(), part.stages, parts.clock.now());
  }
}

void put_main(const Parts& parts, Part& part, bool wants_cache, ::coprocessor::Response& response) {
  const bool is_whole = !part.is_answered();
  if (is_whole && part.answer.consumed) {
    response.mutable_range()->set_start(part.answer.consumed->start);
    response.mutable_range()->set_end(part.answer.consumed->end);
  }
  if (is_whole && wants_cache) {
    response.set_is_cache_hit(part.is_cache_hit);
    response.set_can_be_cached(part.answer.can_be_cached);
    response.set_cache_last_version(part.data_version);
  }
  put_part(parts, part, response);
}

runtime::Task<void> answer_all(const Parts* parts, Call call, Admitted admitted, std::vector<Part> all,
                               std::shared_ptr<runtime::Executor> lane) {
  runtime::Slices slices(*lane, parts->clock, parts->options.read_slices,
                         [&] { return is_in_vain(*parts, call, admitted); });
  for (auto& part : all) {
    if (ends_in_vain(*parts, call, admitted)) co_return;
    part.stages.arrived = admitted.arrived;
    co_await answer_part(parts, &part, lane.get(), &slices);
    note(*parts, part);
    // A lane that has stopped leaves the call to its own end.
    if (slices.is_given_up()) {
      static_cast<void>(ends_in_vain(*parts, call, admitted));
      co_return;
    }
  }
  const auto& request = call.request();
  put_main(*parts, all.front(), request.is_cache_enabled(), call.response());
  for (int i = 0; i < request.tasks_size(); ++i) {
    auto& response = *call.response().add_batch_responses();
    response.set_task_id(request.tasks(i).task_id());
    put_part(*parts, all[static_cast<size_t>(i) + 1], response);
  }
  account(*parts, call, parts->clock.now() - admitted.arrived);
  call.finish();
}

}  // namespace

void Node::coprocessor(api::Call<::coprocessor::Request, ::coprocessor::Response> call) {
  const Timestamp ts = start_ts_of(call.request());
  auto admitted = admit(*parts_, call, Family::kTransaction, ts);
  if (!admitted) return;
  const auto& request = call.request();
  const bool is_stale = request.context().stale_read();
  if (!is_stale && !believes(*this, *parts_, call, {ts.value}, &Node::coprocessor)) return;

  std::vector<Part> all;
  all.push_back(main_part(*parts_, request, *admitted, ts));
  for (const auto& task : request.tasks()) all.push_back(part_of(*parts_, request, task, all.front()));
  const Instant looked = parts_->clock.now();
  for (auto& part : all) look_before(*parts_, part, is_stale);
  (all.front().locked ? CoprocessorTotals::get().lock_check_locked : CoprocessorTotals::get().lock_check)
      .observe(parts_->clock.now() - looked);

  const auto lane = lane_for(*parts_, call, *admitted);
  if (!lane) return;
  runtime::spawn(*lane, answer_all(parts_.get(), std::move(call), std::move(*admitted), std::move(all), lane));
}

}  // namespace cairn::server
