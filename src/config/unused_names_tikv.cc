// The settings of TiKV that a store of Cairn takes without using them.
#include "config/unused_names.h"

namespace cairn::config {
namespace {

constexpr std::string_view kFamilies = "rocksdb.defaultcf rocksdb.writecf rocksdb.lockcf rocksdb.raftcf";
constexpr std::string_view kAllFamilies =
    "rocksdb.defaultcf rocksdb.writecf rocksdb.lockcf rocksdb.raftcf raftdb.defaultcf";

constexpr UnusedNames kTikv[] = {
    // The process.
    {"", "log-format", "the log has TiKV's text format; there is no JSON"},
    {"log", "format", "the log has TiKV's text format; there is no JSON"},
    {"log", "enable-timestamp", "each line of the log begins with its time"},
    {"", "log-rotation-timespan", "log.file.max-days says how long full log files are kept"},
    {"", "log-rotation-size", "log.file.max-size says how large a log file may grow"},
    {"", "slow-log-file", "there is one log for everything"},
    {"", "cfg-path", "the file is named by --config"},
    {"", "panic-when-unexpected-key-or-data abort-on-panic", "a process that finds itself in the wrong always ends"},
    {"", "enable-io-snoop", "reads and writes are not counted by their purpose"},
    {"", "memory-usage-limit memory-usage-high-water",
     "each cache and queue has a bound of its own: storage.block-cache.capacity, rocksdb.write-buffer-limit, "
     "storage.scheduler-pending-write-threshold"},
    {"", "refresh-config-interval", "the file is read at the start"},
    {"memory", "enable-heap-profiling profiling-sample-per-bytes enable-thread-exclusive-arena",
     "jemalloc is set up by MALLOC_CONF"},
    {"metric", "job interval address", "Prometheus fetches the figures from the status port"},
    {"quota",
     "foreground-cpu-time foreground-write-bandwidth foreground-read-bandwidth max-delay-duration background-cpu-time "
     "background-write-bandwidth background-read-bandwidth background-iops-limit enable-auto-tune",
     "nothing is held up on purpose; clients share the read pool by the time that they use"},

    // Threads for reads.
    {"readpool.unified", "min-thread-count auto-adjust-pool-size cpu-threshold",
     "the pool has readpool.unified.max-thread-count threads all the time"},
    {"readpool.unified", "stack-size", "threads have the system's stack size"},
    {"readpool.storage readpool.coprocessor",
     "use-unified-pool high-concurrency normal-concurrency low-concurrency max-tasks-per-worker-high "
     "max-tasks-per-worker-normal max-tasks-per-worker-low stack-size",
     "there is one read pool, readpool.unified"},
    {"readpool", "high-concurrency normal-concurrency low-concurrency", "there is one read pool, readpool.unified"},

    // The network.
    {"server", "grpc-concurrent-stream grpc-raft-conn-num grpc-stream-initial-window-size",
     "the network layer is Cairn's own and sets its connections, streams and windows itself"},
    {"server", "status-thread-pool-size stats-concurrency background-thread-count", "one thread does this"},
    {"server", "max-grpc-send-msg-len grpc-memory-pool-quota",
     "messages and what waits of them are bounded by the network layer"},
    {"server",
     "raft-client-grpc-send-msg-buffer raft-client-queue-size raft-client-max-backoff "
     "raft-client-initial-reconnect-backoff raft-msg-max-batch-size heavy-load-threshold heavy-load-wait-duration",
     "messages to other stores are gathered as they come, in a bounded queue"},
    {"server", "grpc-gzip-compression-level",
     "answers are compressed as fast as can be (server.grpc-compression-type)"},
    {"server", "grpc-keepalive-time grpc-keepalive-timeout", "connections are looked after by the network layer"},
    {"server",
     "end-point-recursion-limit end-point-stream-channel-size end-point-batch-row-limit "
     "end-point-stream-batch-row-limit end-point-enable-batch-if-possible end-point-request-max-handle-duration "
     "end-point-max-concurrency end-point-max-bg-concurrency end-point-perf-level end-point-memory-quota "
     "end-point-slow-log-threshold end-point-concurrency end-point-stack-size end-point-max-tasks",
     "the bounds of the coprocessor are fixed yet"},
    {"server", "snap-io-max-bytes-per-sec snap-max-write-bytes-per-sec",
     "snapshots are bounded in number: server.concurrent-send-snap-limit and server.concurrent-recv-snap-limit"},
    {"server", "snap-max-total-size snap-min-ingest-size", "files of a snapshot go when it has been sent or applied"},
    {"server", "enable-request-batch", "requests that come in one message are always served together"},
    {"server", "forward-max-connections-per-address", "requests are not forwarded for clients"},
    {"server", "reject-messages-on-memory-ratio", "queues have bounds of their own"},
    {"server", "simplify-metrics", "all figures are kept"},
    {"server", "inspect-network-interval", "the disk alone counts in the score of slowness"},
    {"server", "store-max-peer-count", "PD sees to the number of peers"},

    // Storage.
    {"storage", "engine", "there is one kind of engine, RocksDB with a Raft log of its own beside it"},
    {"storage", "gc-ratio-threshold", "it is gc.ratio-threshold"},
    {"storage", "scheduler-concurrency scheduler-worker-pool-size scheduler-notify-capacity",
     "writes are ordered by the threads that own the regions, raftstore.store-pool-size"},
    {"storage", "reserve-raft-space", "storage.reserve-space holds for the whole disk"},
    {"storage", "enable-async-apply-prewrite", "a write is answered once it is applied"},
    {"storage", "background-error-recovery-window", "a disk that fails ends the process at once"},
    {"storage", "ttl-check-poll-interval", "values that have expired go with the compactions that come anyway"},
    {"storage", "memory-quota", "waiting writes are bounded by storage.scheduler-pending-write-threshold"},
    {"storage.flow-control", "enable", "the engine's own slowing of writes is always on"},
    {"storage.block-cache", "shared", "there is one cache for all column families"},
    {"storage.block-cache",
     "num-shard-bits strict-capacity-limit high-pri-pool-ratio low-pri-pool-ratio memory-allocator",
     "the cache is set up as suits it; its size is storage.block-cache.capacity"},
    {"storage.io-rate-limit",
     "max-bytes-per-sec mode strict foreground-read-priority foreground-write-priority flush-priority "
     "level-zero-compaction-priority compaction-priority replication-priority load-balance-priority gc-priority "
     "import-priority export-priority other-priority",
     "reads and writes of the disk are not rationed"},
    {"storage.max-ts", "action-on-invalid-update", "a timestamp that is too far ahead is refused with an error"},

    // PD.
    {"pd", "retry-max-count", "PD is asked until it answers"},
    {"pd", "retry-log-every", "that PD does not answer is logged now and then"},
    {"pd", "update-interval enable-forwarding", "the client of PD finds the leader by itself"},

    // Raft.
    {"raftstore", "prevote", "a vote is always preceded by a test vote"},
    {"raftstore", "sync-log", "nothing is acknowledged before it is on the disks of a majority"},
    {"raftstore", "raftdb-path", "the Raft log is kept in storage.data-dir"},
    {"raftstore", "capacity", "PD is told the size of the disk"},
    {"raftstore", "raft-min-election-timeout-ticks raft-max-election-timeout-ticks",
     "at random between one and two times raftstore.raft-election-timeout-ticks"},
    {"raftstore",
     "raft-msg-flush-interval raft-write-size-limit raft-write-batch-size-hint raft-write-wait-duration "
     "adaptive-batch-enabled adaptive-high-qps-threshold",
     "what a turn of a shard has gathered goes in one batch, within bounds of its own"},
    {"raftstore", "cmd-batch cmd-batch-concurrent-ready-max-count",
     "what a turn of a shard has gathered is proposed together"},
    {"raftstore", "raft-log-compact-sync-interval raft-engine-purge-interval",
     "a log is cut when raftstore.raft-log-gc-tick-interval says so"},
    {"raftstore", "request-voter-replicated-index-interval raft-log-reserve-max-ticks",
     "logs are cut by raftstore.raft-log-gc-threshold, -count-limit and -size-limit"},
    {"raftstore", "max-apply-unpersisted-log-limit", "an entry is applied once it is on this store's disk"},
    {"raftstore", "raft-read-index-retry-interval-ticks follower-read-max-log-gap",
     "a read that waits for the leader's word asks again after a while"},
    {"raftstore", "disk-hang-timeout", "how slow the disk is shows in the score of raftstore.inspect-interval"},
    {"raftstore",
     "inspect-kvdb-interval inspect-network-interval inspect-cpu-util-thd slow-trend-unsensitive-cause "
     "slow-trend-unsensitive-result slow-trend-network-io-factor",
     "the writes of the Raft log alone count in the score, see raftstore.inspect-interval"},
    {"raftstore", "max-manual-flush-rate", "memtables are flushed as rocksdb.write-buffer-limit says"},
    {"raftstore", "raft-entry-cache-life-time evict-cache-on-memory-ratio max-entry-cache-warmup-duration",
     "each region keeps up to 1 MiB of recent entries in memory"},
    {"raftstore",
     "raft-reject-transfer-leader-duration allow-remove-leader leader-transfer-max-log-lag "
     "check-then-compact-force-bottommost-level check-then-compact-top-n compaction-filter-enabled",
     "TiKV does not let anybody set it either"},
    {"raftstore", "region-split-check-diff", "each region's size is counted as it is written"},
    {"raftstore", "region-max-size region-split-size", "regions are split by coprocessor.region-split-size"},
    {"raftstore",
     "region-compact-check-interval region-compact-check-step region-compact-min-tombstones "
     "region-compact-tombstones-percent region-compact-min-redundant-rows region-compact-redundant-rows-percent",
     "ranges to compact are found by gc.auto-compaction"},
    {"raftstore", "periodic-full-compact-start-times periodic-full-compact-start-max-cpu",
     "ranges to compact are found by gc.auto-compaction"},
    {"raftstore", "pd-report-min-resolved-ts-interval", "there are no resolved timestamps yet"},
    {"raftstore", "snap-mgr-gc-tick-interval snap-gc-timeout",
     "a snapshot's files go when it has been sent or applied"},
    {"raftstore", "snap-wait-split-duration", "a snapshot waits for the splits of its own keys"},
    {"raftstore", "snap-apply-batch-size snap-apply-copy-symlink", "the files of a snapshot become the engine's own"},
    {"raftstore", "lock-cf-compact-interval lock-cf-compact-bytes-threshold use-delete-range clean-stale-ranges-tick",
     "ranges to compact are found by gc.auto-compaction; whole ranges are cleared as they go"},
    {"raftstore",
     "notify-capacity messages-per-tick store-io-notify-capacity io-reschedule-concurrent-max-count "
     "io-reschedule-hotpot-duration apply-yield-duration apply-yield-write-size local-read-batch-size",
     "queues and turns have bounds of their own"},
    {"raftstore",
     "apply-max-batch-size apply-pool-size apply-reschedule-duration apply-low-priority-pool-size "
     "store-max-batch-size store-reschedule-duration store-low-priority-pool-size store-io-pool-size "
     "future-poll-size region-worker-tick-interval",
     "each shard has a thread for its log and one for applying: raftstore.store-pool-size is their number"},
    {"raftstore",
     "abnormal-leader-missing-duration peer-stale-state-check-interval gc-peer-check-interval "
     "check-peers-availability-interval min-pending-apply-region-count",
     "a peer without a leader asks others, and PD after raftstore.max-leader-missing-duration"},
    {"raftstore", "consistency-check-interval", "`cairn ctl digest` compares stores that are stopped"},
    {"raftstore", "report-region-flow-interval", "it goes with each heartbeat to PD"},
    {"raftstore", "raft-store-max-leader-lease check-leader-lease-interval renew-leader-lease-advance-duration",
     "a lease is as long as elections allow, and heartbeats renew it"},
    {"raftstore", "right-derive-when-split", "the right part of a split keeps its id, as in TiKV"},
    {"raftstore", "merge-max-log-gap merge-check-tick-interval", "regions are not merged yet"},
    {"raftstore", "cleanup-import-sst-interval", "there is no import yet"},
    {"raftstore", "hibernate-regions hibernate-timeout", "regions do not hibernate"},
    {"raftstore", "dev-assert perf-level waterfall-metrics", "it is for those who develop TiKV"},
    {"raftstore",
     "reactive-memory-lock-tick-interval reactive-memory-lock-timeout-tick clean-stale-peer-delay apply-early",
     "pessimistic locks of memory go with the leader when it is handed over"},
    {"raftstore", "report-region-buckets-tick-interval", "there are no buckets"},
    {"raftstore", "check-long-uncommitted-interval long-uncommitted-base-threshold",
     "what waits for long shows in the figures"},
    {"raftstore", "unreachable-backoff", "a store that cannot be reached is reported once a heartbeat"},
    {"raftstore",
     "check-request-snapshot-interval enable-v2-compatible-learner enable-partitioned-raft-kv-compatible-learner",
     "there is one kind of engine"},
    {"coprocessor", "split-region-on-table batch-split-limit region-size-threshold-for-approximate",
     "regions are split by their size"},
    {"coprocessor", "region-max-size", "a region is split at one and a half times coprocessor.region-split-size"},
    {"coprocessor", "region-max-keys region-split-keys", "regions are split by their size alone"},
    {"coprocessor", "consistency-check-method", "`cairn ctl digest` compares stores that are stopped"},
    {"coprocessor", "perf-level", "there are no counters of RocksDB in answers"},
    {"coprocessor", "enable-region-bucket region-bucket-size prefer-approximate-bucket region-bucket-merge-size-ratio",
     "there are no buckets"},
    {"coprocessor-v2", "coprocessor-plugin-directory", "there are no plug-ins"},
    {"split",
     "qps-threshold split-balance-score split-contained-score detect-times sample-num sample-threshold byte-threshold "
     "grpc-thread-cpu-overload-threshold-ratio unified-read-pool-thread-cpu-overload-threshold-ratio "
     "region-cpu-overload-threshold-ratio size-threshold key-threshold",
     "regions are not split by load yet"},

    // The Raft log.
    {"raft-engine",
     "enable dir batch-compression-threshold bytes-per-sync target-file-size purge-threshold "
     "purge-rewrite-threshold purge-rewrite-garbage-ratio recovery-mode recovery-read-block-size recovery-threads "
     "memory-limit format-version enable-log-recycle prefill-for-recycle compression-level spill-dir",
     "the Raft log is a RocksDB in storage.data-dir, see raftdb.max-total-wal-size"},

    // The engines.
    {"rocksdb raftdb", "info-log-level info-log-max-size info-log-roll-time info-log-keep-log-file-num info-log-dir",
     "RocksDB's own log is in its directory, and small"},
    {"rocksdb", "wal-recovery-mode wal-dir wal-ttl-seconds wal-size-limit max-total-wal-size wal-bytes-per-sync",
     "the engine has no log of its own: the Raft log is the only one"},
    {"raftdb", "wal-recovery-mode wal-dir wal-ttl-seconds wal-size-limit wal-bytes-per-sync",
     "the Raft log is synced with each batch, and read until a torn last one"},
    {"rocksdb raftdb", "max-open-files",
     "the files that a process may have open (ulimit -n) are shared out at the start"},
    {"raftdb", "max-background-jobs", "the Raft log needs two threads"},
    {"rocksdb raftdb",
     "max-background-flushes max-manifest-file-size create-if-missing enable-statistics stats-dump-period "
     "compaction-readahead-size max-sub-compactions writable-file-max-buffer-size "
     "use-direct-io-for-flush-and-compaction enable-pipelined-write enable-unordered-write "
     "allow-concurrent-memtable-write enable-snapshot-sequence-number-check bytes-per-sync",
     "it is set as Cairn's writes need it"},
    {"rocksdb", "rate-bytes-per-sec rate-limiter-refill-period rate-limiter-mode auto-tuned rate-limiter-auto-tuned",
     "flushes and compactions are not rationed; rocksdb.max-background-jobs bounds them"},
    {"rocksdb",
     "enable-multi-batch-write write-buffer-stall-ratio write-buffer-flush-oldest-first "
     "track-and-verify-wals-in-manifest",
     "it is set as Cairn's writes need it"},
    {"rocksdb.titan raftdb.titan", "enabled dirname disable-gc max-background-gc purge-obsolete-files-period",
     "long values are stored with their keys: there is no Titan"},
    {"rocksdb.defaultcf.titan rocksdb.writecf.titan rocksdb.lockcf.titan rocksdb.raftcf.titan raftdb.defaultcf.titan",
     "min-blob-size blob-file-compression zstd-dict-size shared-blob-cache blob-cache-size min-gc-batch-size "
     "max-gc-batch-size discardable-ratio merge-small-file-threshold blob-run-mode level-merge range-merge "
     "max-sorted-runs gc-merge-rewrite sample-ratio",
     "long values are stored with their keys: there is no Titan"},
    {kFamilies, "block-cache-size", "all column families share storage.block-cache.capacity"},
    {kAllFamilies,
     "block-size disable-block-cache cache-index-and-filter-blocks pin-l0-filter-and-index-blocks use-bloom-filter "
     "optimize-filters-for-hits optimize-filters-for-memory whole-key-filtering bloom-filter-bits-per-key "
     "block-based-bloom-filter ribbon-filter-above-level read-amp-bytes-per-bit prepopulate-block-cache "
     "format-version checksum",
     "the layout of tables suits the column family and is not a setting"},
    {kAllFamilies,
     "compression-per-level bottommost-level-compression bottommost-zstd-compression-dict-size "
     "bottommost-zstd-compression-sample-size",
     "how tables are compressed is not a setting"},
    {"rocksdb.writecf", "write-buffer-size",
     "rocksdb.defaultcf.write-buffer-size holds for the write column family, too"},
    {kAllFamilies, "write-buffer-limit", "the memtables of all column families share rocksdb.write-buffer-limit"},
    {kAllFamilies, "max-write-buffer-number min-write-buffer-number-to-merge",
     "storage.flow-control.memtables-threshold says how many memtables there may be"},
    {kAllFamilies, "level0-slowdown-writes-trigger level0-stop-writes-trigger",
     "storage.flow-control.l0-files-threshold says from how many files on writes are slowed down"},
    {kAllFamilies, "soft-pending-compaction-bytes-limit hard-pending-compaction-bytes-limit disable-write-stall",
     "storage.flow-control holds for all column families"},
    {kAllFamilies,
     "max-bytes-for-level-base target-file-size-base level0-file-num-compaction-trigger max-compaction-bytes "
     "compaction-pri dynamic-level-bytes num-levels max-bytes-for-level-multiplier compaction-style "
     "disable-auto-compactions max-compactions ttl periodic-compaction-seconds",
     "RocksDB's levels are set as suits the column family; gc.auto-compaction finds what needs more"},
    {kAllFamilies,
     "force-consistency-checks prop-size-index-distance prop-keys-index-distance enable-doubly-skiplist "
     "enable-compaction-guard compaction-guard-min-output-file-size compaction-guard-max-output-file-size",
     "the layout of tables suits the column family and is not a setting"},

    // Security.
    {"security", "override-ssl-target", "certificates are checked against the name that was dialled"},
    {"security.encryption",
     "data-encryption-method data-key-rotation-period enable-file-dictionary-log file-dictionary-rewrite-threshold",
     "what is on the disk is not encrypted yet"},
    {"security.encryption.master-key security.encryption.previous-master-key security.encryption", "*",
     "what is on the disk is not encrypted yet"},

    // What is not there yet.
    {"import", "num-threads stream-channel-window import-mode-timeout memory-use-ratio", "there is no import yet"},
    {"backup",
     "num-threads batch-size sst-max-size enable-auto-tune auto-tune-remain-threads auto-tune-refresh-interval "
     "io-thread-size s3-multi-part-size gcp-v2-enable",
     "there is no backup yet"},
    {"backup.hadoop", "home linux-user", "there is no backup yet"},
    {"log-backup backup-stream",
     "min-ts-interval max-flush-interval num-threads enable gcp-v2-enable temp-path file-size-limit "
     "temp-file-memory-quota initial-scan-pending-memory-quota initial-scan-rate-limit initial-scan-concurrency "
     "s3-multi-part-size",
     "there is no backup yet"},
    {"cdc",
     "min-ts-interval hibernate-regions-compatible incremental-scan-threads incremental-scan-concurrency "
     "incremental-scan-concurrency-limit incremental-scan-speed-limit incremental-fetch-speed-limit "
     "incremental-scan-ts-filter-ratio tso-worker-threads sink-memory-quota old-value-cache-memory-quota "
     "old-value-cache-size",
     "there is no change data capture yet"},
    {"resolved-ts",
     "enable advance-ts-interval scan-lock-pool-size memory-quota incremental-scan-concurrency "
     "memory-quota-active-check-interval memory-quota-exceeded-backoff-duration",
     "there are no resolved timestamps yet"},
    {"resource-metering",
     "receiver-address agent-address report-receiver-interval report-agent-interval max-resource-groups precision "
     "enabled enable-network-io-collection",
     "what each group of requests uses is not counted"},
    {"resource-control",
     "enabled priority-ctl-strategy bg-cpu-throttle-threshold fg-cpu-throttle-threshold "
     "bg-compaction-pressure-threshold bg-write-io-ceiling bg-write-io-floor enable-fair-scheduling "
     "enable-read-admission-control enable-write-admission-control historical-usage-window-mins baseline-burst-pct "
     "admission-max-delayed-count",
     "there are no resource groups yet; clients share the read pool by the time that they use"},
    {"in-memory-engine",
     "enable capacity evict-threshold stop-load-threshold gc-run-interval load-evict-interval "
     "mvcc-amplification-threshold cross-check-interval expected-region-size",
     "there is no second engine in memory"},
    {"pessimistic-txn", "enabled", "pessimistic transactions are always served"},
    {"gc", "max-write-bytes-per-sec num-threads",
     "old versions go with the compactions; what those leave over goes in small slices"},
    {"gc", "compaction-filter-skip-version-check", "nothing of an older version has to be looked after"},
    {"gc.auto-compaction", "bottommost-level-force mvcc-read-aware-enabled mvcc-scan-threshold mvcc-read-weight",
     "gc.auto-compaction goes by what the tables hold"},
};

}  // namespace

std::span<const UnusedNames> unused_names_of_tikv() { return kTikv; }

}  // namespace cairn::config
