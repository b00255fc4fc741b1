#include "rpc/metrics.h"

#include <cctype>
#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"

namespace cairn::rpc {
namespace {

constexpr std::string_view kTikv = "/tikvpb.Tikv/";
// From 50 microseconds to 104 seconds.
constexpr metrics::Buckets kCallTimes{.first = 50'000, .count = 22, .unit = metrics::Unit::kSeconds};

// "KvBatchGet" as TiKV labels it: "kv_batch_get".
std::string snake(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    const auto is_upper = [&](size_t at) { return std::isupper(static_cast<unsigned char>(name[at])) != 0; };
    if (i > 0 && is_upper(i) && (!is_upper(i - 1) || (i + 1 < name.size() && !is_upper(i + 1)))) out += '_';
    out += static_cast<char>(std::tolower(static_cast<unsigned char>(name[i])));
  }
  return out;
}

metrics::Labels grpc_labels(std::string_view path) {
  const size_t slash = path.rfind('/');
  return {{"grpc_type", "unary"},
          {"grpc_service", std::string(path.substr(1, slash - 1))},
          {"grpc_method", std::string(path.substr(slash + 1))}};
}

metrics::Counter& handled(std::string_view path, const char* code) {
  auto labels = grpc_labels(path);
  labels["grpc_code"] = code;
  return metrics::counter("grpc_server_handled_total", "Calls that were answered, by how", labels);
}

const char* name_of(api::Code code) {
  switch (code) {
    case api::Code::kOk:
      return "OK";
    case api::Code::kCancelled:
      return "Canceled";
    case api::Code::kInvalidArgument:
      return "InvalidArgument";
    case api::Code::kDeadlineExceeded:
      return "DeadlineExceeded";
    case api::Code::kUnavailable:
      return "Unavailable";
    case api::Code::kUnimplemented:
      return "Unimplemented";
    case api::Code::kResourceExhausted:
      return "ResourceExhausted";
    case api::Code::kNotFound:
      return "NotFound";
    case api::Code::kAlreadyExists:
      return "AlreadyExists";
    case api::Code::kPermissionDenied:
      return "PermissionDenied";
    case api::Code::kFailedPrecondition:
      return "FailedPrecondition";
    case api::Code::kAborted:
      return "Aborted";
    case api::Code::kOutOfRange:
      return "OutOfRange";
    case api::Code::kDataLoss:
      return "DataLoss";
    case api::Code::kUnauthenticated:
      return "Unauthenticated";
    case api::Code::kInternal:
      return "Internal";
    case api::Code::kUnknown:
      return "Unknown";
  }
  return "Unknown";
}

metrics::Histogram& time_of(std::string_view path) {
  if (path.starts_with(kTikv)) {
    return metrics::histogram("tikv_grpc_msg_duration_seconds", "How long calls take", kCallTimes,
                              {{"type", snake(path.substr(kTikv.size()))}, {"priority", "medium"}});
  }
  return metrics::histogram("grpc_server_handling_seconds", "How long calls take", kCallTimes, grpc_labels(path));
}

}  // namespace

Instant measured_now() {
  return {std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch())};
}

MethodMetrics::MethodMetrics(std::string_view path)
    : is_tikv_(path.starts_with(kTikv)), method_(path), time_(time_of(path)) {
  if (is_tikv_) {
    failed_ = &metrics::counter("tikv_grpc_msg_fail_total", "Calls that failed",
                                {{"type", snake(path.substr(kTikv.size()))}});
  } else {
    received_ = &metrics::counter("grpc_server_msg_received_total", "Messages that came", grpc_labels(path));
    ok_ = &handled(path, "OK");
  }
}

const MethodMetrics& MethodMetrics::of(std::string_view path) {
  struct Known {
    Mutex mutex;
    std::map<std::string, std::unique_ptr<MethodMetrics>, std::less<>> by_path CAIRN_GUARDED_BY(mutex);
  };
  static auto* known = new Known();
  MutexLock lock(known->mutex);
  auto found = known->by_path.find(path);
  if (found == known->by_path.end()) {
    found = known->by_path.emplace(std::string(path), std::make_unique<MethodMetrics>(path)).first;
  }
  return *found->second;
}

void MethodMetrics::note_received() const {
  if (received_ != nullptr) received_->add();
}

void MethodMetrics::note(const api::Status& status, Instant begun) const {
  time_.observe(measured_now() - begun);
  if (is_tikv_) {
    if (!status.ok()) failed_->add();
  } else if (status.ok()) {
    ok_->add();
  } else {
    handled(method_, name_of(status.code)).add();
  }
}

const NetworkMetrics& NetworkMetrics::get() {
  static const NetworkMetrics of_all;
  return of_all;
}

metrics::Histogram& pd_request_time(const char* method) {
  return metrics::histogram("tikv_pd_request_duration_seconds", "How long calls to PD take", metrics::kJobTimes,
                            {{"type", method}});
}

}  // namespace cairn::rpc
