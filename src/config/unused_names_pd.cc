// The settings of PD that Cairn's PD takes without using them.
#include "config/unused_names.h"

namespace cairn::config {
namespace {

constexpr UnusedNames kPd[] = {
    // The process.
    {"log", "format", "the log has PD's text format; there is no JSON"},
    {"log", "development disable-caller disable-stacktrace disable-timestamp disable-error-verbose error-output-path",
     "each line of the log has its time and the place in the source"},
    {"log", "sampling", "every line is written"},
    {"log.sampling", "*", "every line is written"},
    {"log.file", "compression", "full log files are kept as they are"},
    {"metric", "job address interval", "Prometheus fetches the figures from status-addr"},
    {"", "cluster-version", "it follows from the versions of the stores"},
    {"", "labels", "members have no labels"},
    {"labels", "*", "members have no labels"},

    // Members.
    {"", "initial-cluster-state", "whether a member is new is seen by its data"},
    {"", "force-new-cluster", "a group that lost its majority is not forced yet"},
    {"", "initial-cluster-token", "groups are told apart by their members"},
    {"", "tick-interval election-interval enable-prevote", "the time between elections follows from lease"},
    {"", "auto-compaction-mode auto-compaction-retention auto-compaction-retention-v2",
     "the last 65,536 changes of etcd's keys are kept, or 32 MiB of them"},
    {"", "max-concurrent-tso-proxy-streamings tso-proxy-recv-from-client-timeout enable-local-tso",
     "PD's leader hands out the timestamps itself"},
    {"micro-service",
     "enable-scheduling-fallback enable-tso-dynamic-switching enable-resource-manager-fallback "
     "enable-multi-timelines",
     "PD is one process"},
    {"replication-mode", "replication-mode", "a majority of a region's replicas acknowledges each write"},
    {"replication-mode.dr-auto-sync",
     "label-key primary dr primary-replicas dr-replicas wait-store-timeout wait-recover-timeout pause-region-split",
     "a majority of a region's replicas acknowledges each write"},

    // Security.
    {"security", "SSLCABytes SSLCertBytes SSLKEYBytes", "certificates come from files"},
    {"security.encryption", "data-encryption-method data-key-rotation-period",
     "what is on the disk is not encrypted yet"},
    {"security.encryption.master-key", "*", "what is on the disk is not encrypted yet"},

    // What PD does.
    {"pd-server", "use-region-storage", "regions are kept in memory, and reported anew after a restart"},
    {"pd-server", "max-gap-reset-ts", "timestamps are not set back or forth by hand"},
    {"pd-server", "key-type", "regions are split as the stores find right, whatever their keys are"},
    {"pd-server", "runtime-services metric-storage dashboard-address trace-region-flow", "there is no dashboard yet"},
    {"pd-server", "flow-round-by-digit min-resolved-ts-persistence-interval", "there are no resolved timestamps yet"},
    {"pd-server", "server-memory-limit server-memory-limit-gc-trigger enable-gogc-tuner gc-tuner-threshold",
     "PD is not written in Go: there is no collector of its own memory"},
    {"pd-server", "block-safe-point-v1 enable-governance-kv-storage", "both kinds of safe points are served"},
    {"dashboard",
     "tidb-cacert-path tidb-cert-path tidb-key-path public-path-prefix temp-dir internal-proxy enable-telemetry "
     "enable-experimental disable-custom-prom-addr",
     "there is no dashboard yet"},
    {"label-property", "*", "stores are not told apart by their labels yet"},
    {"keyspace", "wait-region-split wait-region-split-timeout check-region-split-interval meta-service-groups",
     "a keyspace is there at once; its region is split off as it grows"},
    {"controller",
     "degraded-mode-wait-duration ltb-max-wait-duration ltb-token-rpc-max-delay enable-controller-trace-log *",
     "clients of resource groups have their own defaults"},
    {"metering", "*", "what resource groups use is not added up"},
    {"replication", "enable-placement-rules enable-placement-rules-cache",
     "every region has replication.max-replicas voters, apart by replication.location-labels"},
    {"schedule",
     "max-merge-region-size max-merge-region-keys split-merge-interval enable-one-way-merge "
     "enable-cross-table-merge merge-schedule-limit max-affinity-merge-region-size affinity-schedule-limit",
     "regions are not merged yet"},
    {"schedule",
     "hot-region-schedule-limit hot-region-cache-hits-threshold hot-regions-write-interval "
     "hot-regions-reserved-days max-movable-hot-peer-size",
     "hot regions are not told apart yet"},
    {"schedule", "store-balance-rate store-limit store-limit-version store-limit-mode",
     "schedule.default-store-limit.add-peer and remove-peer are the limits of all stores"},
    {"schedule.store-limit", "*", "schedule.default-store-limit.add-peer and remove-peer are the limits of all stores"},
    {"schedule", "scheduler-max-waiting-operator", "an operator begins at once or not at all: none waits"},
    {"schedule",
     "split-scatter-schedule-limit max-store-preparing-time slow-store-evicting-affected-store-ratio-threshold",
     "what it is for is not there yet"},
    {"schedule", "schedulers schedulers-v2 schedulers-payload",
     "schedulers are added and removed by PD's HTTP API; leaders and regions are balanced from the first"},
    {"schedule",
     "disable-raft-learner disable-remove-down-replica disable-replace-offline-replica disable-make-up-replica "
     "disable-remove-extra-replica disable-location-replacement disable-namespace-relocation",
     "the settings that begin with enable- say it"},
    {"schedule", "enable-joint-consensus", "a peer that moves comes, votes and then the other one goes"},
    {"schedule", "patrol-region-worker-count", "one thread looks at all regions"},
    {"schedule",
     "enable-debug-metrics enable-heartbeat-breakdown-metrics enable-heartbeat-concurrent-runner enable-diagnostic",
     "all figures are kept"},
    {"schedule", "enable-tikv-split-region", "stores split their regions as they find right"},
    {"schedule", "enable-witness switch-witness-interval witness-schedule-limit", "there are no witnesses"},
};

}  // namespace

std::span<const UnusedNames> unused_names_of_pd() { return kPd; }

}  // namespace cairn::config
