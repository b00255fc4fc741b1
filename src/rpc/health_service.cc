#include "rpc/health_service.h"

#include "grpc_health_v1.pb.h"
#include "rpc/unary.h"

namespace cairn::rpc {
namespace health = ::grpc::health::v1;

void serve_health(Router& router, std::shared_ptr<HealthState> state) {
  add_unary<health::HealthCheckRequest, health::HealthCheckResponse>(
      router, "/grpc.health.v1.Health/Check",
      [state](api::Call<health::HealthCheckRequest, health::HealthCheckResponse> call) {
        if (!call.request().service().empty()) {
          call.finish({api::Code::kNotFound, "unknown service " + call.request().service()});
          return;
        }
        call.response().set_status(static_cast<health::HealthCheckResponse::ServingStatus>(state->get()));
        call.finish();
      });
  add_unary<health::HealthListRequest, health::HealthListResponse>(
      router, "/grpc.health.v1.Health/List",
      [state](api::Call<health::HealthListRequest, health::HealthListResponse> call) {
        auto& entry = (*call.response().mutable_statuses())[""];
        entry.set_status(static_cast<health::HealthCheckResponse::ServingStatus>(state->get()));
        call.finish();
      });
}

}  // namespace cairn::rpc
