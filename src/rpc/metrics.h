// The network's metrics: calls by their method, batches, messages between stores, calls to PD; under TiKV's names, and
// those of gRPC's own libraries for what is no service of TiKV's. They decide nothing. Tests: services_test.cc.
#pragma once

#include <string_view>

#include "api/status.h"
#include "base/metrics.h"
#include "base/time.h"

namespace cairn::rpc {

// The clock by which calls are measured.
Instant measured_now();

// Of the calls of one method.
class MethodMetrics {
 public:
  // By the path: "/tikvpb.Tikv/KvGet". Lives as long as the process. Looks in a map: once for each method.
  static const MethodMetrics& of(std::string_view path);

  void note_received() const;
  // A call is answered.
  void note(const api::Status& status, Instant begun) const;

  explicit MethodMetrics(std::string_view path);

 private:
  const bool is_tikv_;
  const std::string method_;
  metrics::Histogram& time_;
  metrics::Counter* failed_ = nullptr;    // of TiKV's
  metrics::Counter* received_ = nullptr;  // of others
  metrics::Counter* ok_ = nullptr;
};

struct NetworkMetrics {
  // BatchCommands.
  metrics::Histogram& requests_a_message = sizes("tikv_server_grpc_req_batch_size", "Requests in a client's message");
  metrics::Histogram& answers_a_message = sizes("tikv_server_grpc_resp_batch_size", "Answers in a message to a client");
  metrics::Histogram& batch_wait =
      metrics::histogram("tikv_grpc_batch_commands_wait_duration_seconds",
                         "From the arrival of a client's message until its requests begin", metrics::kStepTimes);
  // Raft messages.
  metrics::Histogram& raft_messages_a_batch =
      sizes("tikv_server_raft_message_batch_size", "Raft messages that leave together");
  metrics::Counter& raft_flushes_full = flushes("full");
  metrics::Counter& raft_flushes_all = flushes("wake");  // with all that waited
  metrics::Counter& raft_received =
      metrics::counter("tikv_server_raft_message_recv_total", "Raft messages that came from other stores");
  metrics::Histogram& raft_send_wait = metrics::histogram(
      "tikv_server_raft_message_duration_seconds", "How long the oldest Raft message of a batch has waited to leave",
      metrics::kStepTimes, {{"type", "send_wait"}});
  metrics::Histogram& resolve_time = metrics::histogram(
      "tikv_server_address_resolve_duration_secs", "How long PD takes to tell a store's address", metrics::kJobTimes);
  metrics::Histogram& snapshot_time = metrics::histogram("tikv_server_send_snapshot_duration_seconds",
                                                         "How long Raft snapshots take to be sent", metrics::kJobTimes);
  metrics::Counter& snapshots_sent = snapshots("send");
  metrics::Counter& snapshots_received = snapshots("recv");
  // PD.
  metrics::Counter& heartbeats_sent = heartbeats("send");
  metrics::Counter& heartbeats_answered = heartbeats("noop");  // and nothing is to be done
  metrics::Counter& heartbeats_commanded = heartbeats("command");
  metrics::Gauge& heartbeats_waiting =
      metrics::gauge("tikv_pd_pending_heartbeat_total", "Region heartbeats that wait to be sent to PD");
  metrics::Gauge& timestamps_waiting =
      metrics::gauge("tikv_pd_pending_tso_request_total", "Requests for timestamps that PD has not answered");
  metrics::Counter& pd_found = reconnects("success");
  metrics::Counter& pd_not_found = reconnects("failure");

  static const NetworkMetrics& get();

 private:
  static metrics::Histogram& sizes(const char* name, const char* help) {
    return metrics::histogram(name, help, metrics::kNumbers);
  }
  static metrics::Counter& flushes(const char* reason) {
    return metrics::counter("tikv_server_raft_message_flush_total", "Batches of Raft messages, by why they left",
                            {{"reason", reason}});
  }
  static metrics::Counter& snapshots(const char* type) {
    return metrics::counter("tikv_server_snapshot_task_total", "Raft snapshots that began to be sent and received",
                            {{"type", type}});
  }
  static metrics::Counter& heartbeats(const char* type) {
    return metrics::counter("tikv_pd_heartbeat_message_total", "Region heartbeats, and PD's words on them",
                            {{"type", type}});
  }
  static metrics::Counter& reconnects(const char* type) {
    return metrics::counter("tikv_pd_reconnect_total", "Searches for PD's leader", {{"type", type}});
  }
};

// Of calls to PD; `method` as its C++ interface has it: "get_region_by_id".
metrics::Histogram& pd_request_time(const char* method);

}  // namespace cairn::rpc
