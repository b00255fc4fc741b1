#include "pd/gc/gc_state.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/check.h"

namespace cairn::pd {
namespace {

constexpr const char* kNativeBr = "native_br";
constexpr size_t kDigitsMax = 20;  // of a timestamp in decimal

std::optional<uint64_t> parse_number(ByteView text, int base) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The barriers under `prefix`. Damaged records are not loaded: `on_damaged` hears of them.
using OnDamaged = std::function<void(ByteView key)>;
std::map<std::string, GcBarrier> load_barriers(const OwnRecords& records, const Bytes& prefix,
                                               const OnDamaged& on_damaged) {
  std::map<std::string, GcBarrier> out;
  records.scan_prefix(prefix, [&](ByteView key, ByteView value) {
    const auto json = nlohmann::json::parse(value, nullptr, false);
    if (!json.is_object() || !json.contains("safe_point") || !json["safe_point"].is_number_unsigned()) {
      return on_damaged(key);
    }
    GcBarrier barrier{json["safe_point"].get<uint64_t>(), kForever};
    if (json.contains("expired_at") && json["expired_at"].is_number_integer()) {
      barrier.expires_at = json["expired_at"].get<int64_t>();
    }
    out[std::string(key.substr(prefix.size()))] = barrier;
  });
  return out;
}

GcRecords load_own(const OwnRecords& own, const Keys& keys, const OnDamaged& on_damaged) {
  GcRecords records;
  const auto load_number = [&](const Bytes& key, int base, uint64_t& out) {
    const auto value = own.value(key);
    if (!value) return;
    if (const auto number = parse_number(*value, base)) {
      out = *number;
    } else {
      on_damaged(key);
    }
  };
  load_number(keys.txn_safe_point(), 10, records.txn_safe_point);
  load_number(keys.gc_safe_point(), 16, records.gc_safe_point);
  records.barriers = load_barriers(own, keys.barrier_prefix(), on_damaged);
  records.global_barriers = load_barriers(own, keys.global_barrier_prefix(), on_damaged);
  return records;
}

Bytes barrier_value(const std::string& id, const GcBarrier& barrier) {
  return nlohmann::json{{"service_id", id}, {"expired_at", barrier.expires_at}, {"safe_point", barrier.ts}}.dump();
}

// Why it cannot name a barrier; empty if it can. The old calls take any bytes for a name, and JSON holds text only.
std::string refuse_barrier_id(const std::string& id) {
  if (id.empty() || id == kGcWorker) return fmt::format("invalid gc barrier id \"{}\"", id);
  if (id.size() > kBarrierIdBytesMax) {
    return fmt::format("invalid gc barrier id: {} bytes, more than {}", id.size(), kBarrierIdBytesMax);
  }
  const auto written = nlohmann::json(id).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const bool is_text = nlohmann::json::parse(written) == id;
  return is_text ? "" : fmt::format("invalid gc barrier id {} in hexadecimal: it is not UTF-8 text", to_hex(id));
}

}  // namespace

GcRecords GcRecords::load(const MetaStore& store, const Keys& keys) {
  auto records = load_own(store.own(), keys, [](ByteView key) { CHECK(false, "{} was checked at the start", key); });
  // These come from outside: what is no number is none.
  const auto servers = KeyRange::of_prefix(kMinStartTsPrefix);
  records.has_too_many_servers = store.count(servers) > kServersMax;
  if (records.has_too_many_servers) return records;
  store.visit(servers, [&](const Bytes& key, const MetaRecord& record) {
    const uint64_t ts = record.value.size() > kDigitsMax ? 0 : parse_number(record.value, 10).value_or(0);
    if (ts != 0 && (!records.oldest_start || ts < records.oldest_start->ts)) records.oldest_start = {key, ts};
    return true;
  });
  return records;
}

std::optional<Bytes> find_damaged_gc_record(const OwnRecords& records, const Keys& keys) {
  std::optional<Bytes> damaged;
  load_own(records, keys, [&](ByteView key) { damaged = Bytes(key); });
  return damaged;
}

GcResult<TxnSafePointMove> advance_txn_safe_point(const GcRecords& records, const Keys& keys, uint64_t target,
                                                  uint64_t now_s) {
  TxnSafePointMove move;
  move.old_value = records.txn_safe_point;
  if (target < move.old_value) {
    return Err(fmt::format("trying to update txn safe point to a smaller value, current value: {}, given: {}",
                           move.old_value, target));
  }
  if (records.has_too_many_servers) {
    return Err(fmt::format("more than {} keys under {}: the oldest transaction cannot be told", kServersMax,
                           kMinStartTsPrefix));
  }
  uint64_t bound = target;
  auto hold = [&](uint64_t ts, std::string id, std::string description) {
    if (ts >= bound) return;
    bound = ts;
    move.blocker_id = std::move(id);
    move.blocker_description = std::move(description);
  };
  auto consider = [&](const std::map<std::string, GcBarrier>& barriers, const Bytes& prefix, const char* kind) {
    for (const auto& [id, barrier] : barriers) {
      if (barrier.is_expired(now_s)) {
        move.writes.del(prefix + id);
      } else {
        hold(barrier.ts, id, fmt::format("{} {{ BarrierID: \"{}\", BarrierTS: {} }}", kind, id, barrier.ts));
      }
    }
  };
  consider(records.barriers, keys.barrier_prefix(), "GCBarrier");
  consider(records.global_barriers, keys.global_barrier_prefix(), "GlobalGCBarrier");
  if (const auto& oldest = records.oldest_start) {
    hold(oldest->ts, "tidb_min_start_ts_" + oldest->key,
         fmt::format("TiDBMinStartTS {{ Key: \"{}\", MinStartTS: {} }}", oldest->key, oldest->ts));
  }
  move.new_value = std::max(move.old_value, bound);
  if (move.new_value != move.old_value) {
    const Bytes value = fmt::format("{}", move.new_value);
    move.writes.put(keys.txn_safe_point(), value).publish(kPublishedTxnSafePointKey, value);
  }
  return move;
}

GcResult<GcSafePointMove> advance_gc_safe_point(const GcRecords& records, const Keys& keys, uint64_t target) {
  GcSafePointMove move{records.gc_safe_point, target, {}};
  if (target < records.gc_safe_point) {
    return Err(fmt::format("trying to update gc safe point to a smaller value, current value: {}, given: {}",
                           records.gc_safe_point, target));
  }
  if (target > records.txn_safe_point) {
    return Err(
        fmt::format("trying to update gc safe point to a too large value that exceeds the txn safe point, "
                    "current value: {}, given: {}, current txn safe point: {}",
                    records.gc_safe_point, target, records.txn_safe_point));
  }
  if (target != records.gc_safe_point) move.writes.put(keys.gc_safe_point(), fmt::format("{:x}", target));
  return move;
}

GcResult<GcSafePointMove> update_gc_safe_point(const GcRecords& records, const Keys& keys, uint64_t target) {
  return advance_gc_safe_point(records, keys, std::max(target, records.gc_safe_point));
}

GcResult<BarrierChange> set_barrier(const std::map<std::string, GcBarrier>& barriers, uint64_t txn_safe_point,
                                    const Bytes& prefix, const std::string& id, uint64_t ts, int64_t ttl_s,
                                    uint64_t now_s) {
  if (auto reason = refuse_barrier_id(id); !reason.empty()) return Err(std::move(reason));
  if (ttl_s <= 0) return Err(fmt::format("invalid ttl {} of gc barrier \"{}\"", ttl_s, id));
  if (ts < txn_safe_point) {
    return Err(fmt::format("trying to set a gc barrier on ts {} which is already behind the txn safe point {}", ts,
                           txn_safe_point));
  }
  BarrierChange change;
  if (barriers.size() >= kBarriersMax && !barriers.contains(id)) {
    size_t gone = 0;
    for (const auto& [other, barrier] : barriers) {
      if (!barrier.is_expired(now_s)) continue;
      change.writes.del(prefix + other);
      ++gone;
    }
    if (barriers.size() - gone >= kBarriersMax) {
      return Err(fmt::format("too many gc barriers: {} are set", barriers.size()));
    }
  }
  const auto now = static_cast<int64_t>(now_s);
  change.barrier = GcBarrier{ts, ttl_s >= kForever - now ? kForever : now + ttl_s};
  change.writes.put(prefix + id, barrier_value(id, *change.barrier));
  return change;
}

GcResult<BarrierChange> delete_barrier(const std::map<std::string, GcBarrier>& barriers, const Bytes& prefix,
                                       const std::string& id) {
  if (auto reason = refuse_barrier_id(id); !reason.empty()) return Err(std::move(reason));
  BarrierChange change;
  if (auto found = barriers.find(id); found != barriers.end()) {
    change.barrier = found->second;
    change.writes.del(prefix + id);
  }
  return change;
}

GcResult<ServiceSafePoint> update_service_safe_point(const GcRecords& records, const Keys& keys,
                                                     const std::string& service, uint64_t ts, int64_t ttl_s,
                                                     uint64_t now_s) {
  ServiceSafePoint out;
  out.service_id = kGcWorker;
  out.min_safe_point = records.txn_safe_point;
  if (service == kGcWorker) {
    if (ttl_s != kForever) return Err(std::string("TTL of gc_worker's service safe point must be infinity"));
    if (ts < records.txn_safe_point) return out;  // behind already: the caller sees it
    TRY_ASSIGN(auto move, advance_txn_safe_point(records, keys, ts, now_s));
    out.min_safe_point = move.new_value;
    out.writes = std::move(move.writes);
    if (!move.blocker_id.empty()) out.service_id = move.blocker_id;
    return out;
  }
  const bool global = service == kNativeBr;
  const auto prefix = global ? keys.global_barrier_prefix() : keys.barrier_prefix();
  const auto& barriers = global ? records.global_barriers : records.barriers;
  out.ttl = kForever - static_cast<int64_t>(now_s);
  if (ttl_s <= 0) {
    TRY_ASSIGN(auto change, delete_barrier(barriers, prefix, service));
    out.writes = std::move(change.writes);
  } else if (ts >= records.txn_safe_point) {
    TRY_ASSIGN(auto change, set_barrier(barriers, records.txn_safe_point, prefix, service, ts, ttl_s, now_s));
    out.writes = std::move(change.writes);
  }
  return out;
}

}  // namespace cairn::pd
