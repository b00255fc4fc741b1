// The actor behind PdClient: who leads, what waits for a leader, and the streams to it. All state is used on the
// executor only; the public methods post there. Internal to pd_client.cc and pd_client_core.cc. Tests:
// pd_client_test.cc.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "rpc/pd_client.h"

namespace cairn::rpc {

// One call under way.
struct PdWork {
  std::string method;
  Instant deadline;
  std::function<Payload(uint64_t cluster_id)> serialize;
  std::function<void(api::Status, Payload)> done;  // once
};

// One stream to the leader, of whichever method. A new one is made whenever the last one broke.
struct PdStream {
  std::shared_ptr<ClientStream> stream;  // nullptr: not open
  bool is_writable = false;
  uint64_t generation = 0;  // events of earlier streams are ignored
  std::string address;      // of the PD that it reaches
};

// Calls of one method that travel in order on one stream.
struct PdOrdered {
  std::string method;
  PdStream io;
  std::deque<std::shared_ptr<PdWork>> to_send;
  std::deque<std::shared_ptr<PdWork>> sent;
  Instant waits_since;  // the first of `sent` for its answer
  bool is_watched = false;
};

// One region heartbeat stream of the caller.
struct PdHeartbeats {
  api::RegionHeartbeatSink sink;
  PdStream io;
  std::deque<pdpb::RegionHeartbeatRequest> to_send;
  bool is_closed = false;
};

class PdClient::Core : public std::enable_shared_from_this<PdClient::Core> {
 public:
  Core(PdClientOptions options, ClientLoop& loop, const runtime::Clock& clock,
       std::shared_ptr<runtime::Executor> executor)
      : options_(std::move(options)), loop_(loop), clock_(clock), executor_(std::move(executor)) {}

  // Any thread.
  void submit(std::shared_ptr<PdWork> work);
  void submit_ordered(std::shared_ptr<PdWork> work);
  std::shared_ptr<PdHeartbeats> open_heartbeats(api::RegionHeartbeatSink sink);
  void send_heartbeat(std::shared_ptr<PdHeartbeats> heartbeats, pdpb::RegionHeartbeatRequest request);
  void close_heartbeats(std::shared_ptr<PdHeartbeats> heartbeats);
  void stop();

 private:
  static constexpr size_t kOrderedInFlightMax = 64;
  static constexpr size_t kHeartbeatsWaitingMax = 65536;

  template <class F>
  void post(F job) {
    executor_->post([self = shared_from_this(), job = std::move(job)]() mutable { job(*self); });
  }

  // Finding the leader.
  void need_leader();  // starts looking, unless that is under way
  // Asks all endpoints at once: one that stands still must not hold up the look at the others.
  void ask_members();
  void on_members(const std::string& endpoint, api::Reply<pdpb::GetMembersResponse> reply);
  // That look has found none; another follows after the back-off.
  void found_none();
  void lost_leader(const std::string& address, const api::Status& why);
  void look_again();  // after the back-off
  std::vector<std::string> endpoints() const;

  // Calls.
  void attempt(std::shared_ptr<PdWork> work);
  void on_reply(std::shared_ptr<PdWork> work, const std::string& address, api::Status status, Payload payload);
  void resume();  // a leader is known: all that waits goes on
  void expire();  // calls beyond their budget fail
  api::Status unreachable() const;

  // Streams.
  std::shared_ptr<ClientStreamEvents> events_for(std::function<void(Core&)> on_writable,
                                                 std::function<void(Core&, Payload)> on_message,
                                                 std::function<void(Core&, api::Status)> on_closed);
  void pump(PdOrdered& ordered);
  // Looks after a while whether answers come.
  void watch(PdOrdered& ordered);
  // Streams to a PD that leads no more end.
  void leave_former_leaders();
  void on_ordered_closed(PdOrdered& ordered, const std::string& address, api::Status status);
  void pump(const std::shared_ptr<PdHeartbeats>& heartbeats);

  const PdClientOptions options_;
  ClientLoop& loop_;
  const runtime::Clock& clock_;
  const std::shared_ptr<runtime::Executor> executor_;
  std::atomic<bool> is_stopped_{false};

  std::shared_ptr<Channel> leader_;  // nullptr: not known
  uint64_t cluster_id_ = 0;
  std::vector<std::string> members_;  // as the last answer named them
  bool is_looking_ = false;
  bool is_asking_ = false;       // else it waits for the next look
  uint64_t looks_ = 0;           // their number
  std::set<std::string> asked_;  // endpoints whose answer is still to come
  Duration backoff_{};
  Instant last_complaint_;
  std::string complaint_;  // as it was logged; empty: PD was there since
  api::Status last_error_{api::Code::kUnavailable, "no endpoint was tried yet"};
  std::deque<std::shared_ptr<PdWork>> waiting_;
  std::map<std::string, PdOrdered> ordered_;  // by method
  std::vector<std::shared_ptr<PdHeartbeats>> heartbeats_;
  uint64_t last_generation_ = 0;
};

}  // namespace cairn::rpc
