// Who collects this cluster's garbage: PD's own collector (gc/), or somebody else. A SQL server that is registered, or
// a caller from outside that moves a safe point, is somebody else: it has its own idea of how long old versions are to
// be kept, so the own collector stands back at once, and for a long while after the last sign of the other. What was
// seen is remembered in the meta store, so a restart of PD forgets nothing. Pure. Tests: gc_owner_test.cc.
#pragma once

#include <optional>
#include <string>

#include "base/time.h"
#include "pd/meta/keys.h"
#include "pd/meta/meta_store.h"

namespace cairn::pd {

struct GcOwnership {
  std::string sql_server;  // the key of one that is registered now; empty: none is
  std::string other;       // whoever else was seen last; empty: nobody ever was
  uint64_t seen_at = 0;    // when, in Unix seconds; exact to a minute

  static GcOwnership load(const MetaStore& store, const Keys& keys);
  // Takes the record of the other owner; false if it is not of the form.
  bool parse_other(ByteView value);

  // Why the own collector must stand back; nothing: it may work. `takeover_delay` is how long it waits after the last
  // sign of another.
  std::optional<std::string> objection(uint64_t now_s, Duration takeover_delay) const;
};

// Adds to `writes` what remembers that `who` was seen now; nothing if that is remembered well enough.
void remember_other_owner(const GcOwnership& ownership, const Keys& keys, const std::string& who, uint64_t now_s,
                          MetaTxn& writes);

}  // namespace cairn::pd
