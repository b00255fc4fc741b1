// The bounds of garbage collection, as PD's tools show them: in terms of service safe points.
#include "pd/http/pages.h"

namespace cairn::pd {
namespace {

http::Response safe_points(HttpParts& parts, const http::Request&) {
  const auto& leadership = parts.leadership;
  const auto records = GcRecords::load(leadership.group().store(), leadership.keys());
  const uint64_t now = leadership.wall_seconds();
  Json services = Json::array();
  // The worker's own is the txn safe point.
  uint64_t lowest = records.txn_safe_point;
  const auto add = [&](const std::string& id, const GcBarrier& barrier) {
    services.push_back({{"service_id", id}, {"expired_at", barrier.expires_at}, {"safe_point", barrier.ts}});
    if (!barrier.is_expired(now)) lowest = std::min(lowest, barrier.ts);
  };
  for (const auto& [id, barrier] : records.barriers) add(id, barrier);
  add(kGcWorker, {records.txn_safe_point, kForever});
  Json out;
  out["service_gc_safe_points"] = std::move(services);
  if (lowest != 0) out["min_service_gc_safe_point"] = lowest;
  out["gc_safe_point"] = records.gc_safe_point;
  return json_answer(out);
}

}  // namespace

void add_gc_pages(Pages& pages) {
  pages.add("GET", "/pd/api/v1/gc/safepoint", Pages::Need::kLeader, safe_points);
  pages.add_late(
      "DELETE", "/pd/api/v1/gc/safepoint/{service_id}", Pages::Need::kLeader,
      [](HttpParts& parts, const http::Request& request, http::Responder responder) {
        pdpb::DeleteGCBarrierRequest del;
        del.mutable_header()->set_cluster_id(parts.leadership.cluster_id());
        del.set_barrier_id(request.params[0]);
        auto shared = std::make_shared<http::Responder>(std::move(responder));
        parts.gc.delete_gc_barrier(api::make_call<pdpb::DeleteGCBarrierRequest, pdpb::DeleteGCBarrierResponse>(
            std::move(del), [shared](api::Reply<pdpb::DeleteGCBarrierResponse> reply) {
              if (!reply.ok()) return shared->answer(error_answer(500, reply.error().message));
              if (reply->header().has_error()) {
                return shared->answer(error_answer(500, reply->header().error().message()));
              }
              shared->answer(json_answer("Delete service GC safepoint successfully."));
            }));
      });
}

}  // namespace cairn::pd
