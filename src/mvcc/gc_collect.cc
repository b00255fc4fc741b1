#include "mvcc/gc_collect.h"

#include <optional>
#include <utility>

#include "base/codec.h"
#include "mvcc/gc_rule.h"
#include "mvcc/version_search.h"

namespace cairn::mvcc {

using engine::Cf;

engine::Result<Collected> collect_garbage(const engine::Snapshot& snapshot, ByteView key, Timestamp safe_point,
                                          size_t changes_max, engine::WriteBatch& batch) {
  engine::IterOptions options;
  options.lower = Bytes(key);
  options.upper = prefix_end(key);
  options.fill_cache = false;
  const auto it = snapshot.iterator(Cf::kWrite, std::move(options));
  Collected done;
  const auto remove = [&](Timestamp commit_ts, const Write& write) {
    batch.del(Cf::kWrite, codec::append_ts(key, commit_ts));
    ++done.records;
    if (write.kind != WriteKind::kPut || write.short_value) return;
    batch.del(Cf::kDefault, codec::append_ts(key, write.start_ts));
    ++done.values;
  };
  const auto is_full = [&] { return done.records + done.values >= changes_max; };
  GcRule rule(safe_point);
  std::optional<Version> last;  // that which goes when all below it are gone
  for (it->seek(codec::append_ts(key, safe_point)); it->valid(); it->next()) {
    TRY_ASSIGN(auto at, timestamp_at(*it, key));
    if (!at) break;
    if (is_full()) break;
    TRY_ASSIGN(auto version, version_at(*it, *at));
    switch (rule.judge(version.commit_ts, version.write)) {
      case GcRule::Fate::kStays:
        break;
      case GcRule::Fate::kGoes:
        remove(version.commit_ts, version.write);
        break;
      case GcRule::Fate::kGoesLast:
        last = std::move(version);
        break;
    }
  }
  TRY(it->status());
  if (is_full()) {
    done.is_done = false;  // there may be more
  } else if (last) {
    remove(last->commit_ts, last->write);
  }
  return done;
}

}  // namespace cairn::mvcc
