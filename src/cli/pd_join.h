// How a new process finds its place in a group of PD's members: by its data, by --initial-cluster, or by --join.
#pragma once

#include <memory>

#include "config/pd_config.h"
#include "engine/kv_engine.h"
#include "net/tls.h"

namespace cairn::cli {

// Fills in who this member is and who the others are. What the data directory says counts most. With --join and no data
// it asks the cluster for its place, and waits for a while where it has no leader just now.
config::Parsed<void> find_place(config::PdConfig& config, engine::KvEngine& kv, const std::shared_ptr<net::Tls>& tls);

}  // namespace cairn::cli
