// PdLeader: PD's leader, as `cairn ctl` asks it, with what its commands have in common. Tests:
// tests/process/remove_test.go.
#pragma once

#include <fmt/format.h>

#include <future>
#include <memory>
#include <string>
#include <utility>

#include "pdpb.pb.h"
#include "rpc/client.h"

namespace CLI {
class App;
}

namespace cairn::cli {

class PdLeader {
 public:
  // `tls` may be null.
  PdLeader(std::string pd, std::shared_ptr<net::Tls> tls) : pd_(std::move(pd)), loop_(std::move(tls)) {}

  // The answer to one call, or in words why there is none. PD's refusals stand in the header.
  template <class Resp, class Req>
  Result<Resp, std::string> ask(const char* method, Req request) {
    if (cluster_id_ == 0) {
      TRY_ASSIGN(const auto members, call<pdpb::GetMembersResponse>("/pdpb.PD/GetMembers", pdpb::GetMembersRequest()));
      cluster_id_ = members.header().cluster_id();
      if (members.leader().client_urls_size() > 0) pd_ = members.leader().client_urls(0);
    }
    request.mutable_header()->set_cluster_id(cluster_id_);
    TRY_ASSIGN(auto response, call<Resp>(method, request));
    if (response.header().has_error()) return Err(response.header().error().message());
    return response;
  }

  // Options of a command that asks PD.
  static void add_options(CLI::App& command, std::string& pd, net::TlsOptions& security);
  // Null: plain text. An https URL is enough for TLS: then the system's CAs are trusted.
  static Result<std::shared_ptr<net::Tls>, std::string> tls_for(const std::string& pd, const net::TlsOptions& security);
  // The exit code.
  static int complain(const std::string& what);
  // As JSON has it.
  static std::string quoted(const std::string& text);

 private:
  static constexpr Duration kTimeout = std::chrono::seconds(10);

  template <class Resp, class Req>
  Result<Resp, std::string> call(const char* method, const Req& request) {
    auto promise = std::make_shared<std::promise<api::Reply<Resp>>>();
    auto future = promise->get_future();
    rpc::call_unary<Resp>(*loop_.channel(pd_), method, request, kTimeout,
                          [promise](api::Reply<Resp> reply) { promise->set_value(std::move(reply)); });
    auto reply = future.get();
    if (!reply.ok()) return Err(fmt::format("PD at {}: {}", pd_, reply.error().message));
    return std::move(*reply);
  }

  std::string pd_;
  uint64_t cluster_id_ = 0;
  rpc::ClientLoop loop_;
};

}  // namespace cairn::cli
