// Package protocompat holds Cairn's .proto files to the published ones of the systems it speaks
// with. The test compiles the files of ../../proto and compares every declaration with the
// descriptors compiled into the published Go packages, which importing this file registers.
package protocompat

import (
	_ "github.com/pingcap/kvproto/pkg/apipb"
	_ "github.com/pingcap/kvproto/pkg/brpb"
	_ "github.com/pingcap/kvproto/pkg/coprocessor"
	_ "github.com/pingcap/kvproto/pkg/deadlock"
	_ "github.com/pingcap/kvproto/pkg/debugpb"
	_ "github.com/pingcap/kvproto/pkg/disaggregated"
	_ "github.com/pingcap/kvproto/pkg/disk_usage"
	_ "github.com/pingcap/kvproto/pkg/encryptionpb"
	_ "github.com/pingcap/kvproto/pkg/eraftpb"
	_ "github.com/pingcap/kvproto/pkg/errorpb"
	_ "github.com/pingcap/kvproto/pkg/gcpb"
	_ "github.com/pingcap/kvproto/pkg/import_sstpb"
	_ "github.com/pingcap/kvproto/pkg/keyspacepb"
	_ "github.com/pingcap/kvproto/pkg/kvrpcpb"
	_ "github.com/pingcap/kvproto/pkg/meta_storagepb"
	_ "github.com/pingcap/kvproto/pkg/metapb"
	_ "github.com/pingcap/kvproto/pkg/mpp"
	_ "github.com/pingcap/kvproto/pkg/pdpb"
	_ "github.com/pingcap/kvproto/pkg/raft_cmdpb"
	_ "github.com/pingcap/kvproto/pkg/raft_serverpb"
	_ "github.com/pingcap/kvproto/pkg/replication_modepb"
	_ "github.com/pingcap/kvproto/pkg/resource_manager"
	_ "github.com/pingcap/kvproto/pkg/resource_usage_agent"
	_ "github.com/pingcap/kvproto/pkg/tikvpb"
	_ "github.com/pingcap/kvproto/pkg/tracepb"
	_ "github.com/pingcap/kvproto/pkg/tsopb"
	_ "github.com/pingcap/tipb/go-tipb"
	_ "go.etcd.io/etcd/api/v3/authpb"
	_ "go.etcd.io/etcd/api/v3/etcdserverpb"
	_ "go.etcd.io/etcd/api/v3/mvccpb"
	_ "google.golang.org/grpc/health/grpc_health_v1"
)

// publishedPath maps a file of ours to the path its published twin is registered under. Files not
// named here are registered under the same path.
var publishedPath = map[string]string{
	"etcd/auth.proto":       "auth.proto",
	"etcd/kv.proto":         "kv.proto",
	"etcd/rpc.proto":        "rpc.proto",
	"grpc_health_v1.proto":  "grpc/health/v1/health.proto",
	"tipb/analyze.proto":    "analyze.proto",
	"tipb/checksum.proto":   "checksum.proto",
	"tipb/executor.proto":   "executor.proto",
	"tipb/expression.proto": "expression.proto",
	"tipb/metadata.proto":   "metadata.proto",
	"tipb/schema.proto":     "schema.proto",
	"tipb/select.proto":     "select.proto",
}
