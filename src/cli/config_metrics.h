// The settings that are numbers, as metrics under TiKV's names: sizes in bytes, durations in seconds.
// Tests: process_metrics_test.cc.
#pragma once

#include "config/settings.h"

namespace cairn::cli {

// Sets tikv_config_raftstore, tikv_config_rocksdb_db and tikv_config_rocksdb_cf to what the table holds now.
void show_settings(const config::Settings& table);

}  // namespace cairn::cli
