package process

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/coprocessor"
	"github.com/pingcap/kvproto/pkg/eraftpb"
	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/pingcap/kvproto/pkg/raft_serverpb"
	"github.com/pingcap/kvproto/pkg/tikvpb"
	"github.com/stretchr/testify/require"
	"github.com/tikv/client-go/v2/config"
	"github.com/tikv/client-go/v2/rawkv"
	"github.com/tikv/client-go/v2/txnkv"
	"github.com/tikv/client-go/v2/util/codec"
	pd "github.com/tikv/pd/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"cairn.test/harness"
)

// asIs passes messages that are encoded already.
type asIs struct{}

func (asIs) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (asIs) Unmarshal(data []byte, v any) error { *v.(*[]byte) = append([]byte{}, data...); return nil }
func (asIs) Name() string                       { return "proto" }

// A protobuf message, field by field.
type message []byte

func (m message) number(field int, value uint64) message {
	return binary.AppendUvarint(binary.AppendUvarint(m, uint64(field)<<3), value)
}
func (m message) bytes(field int, value []byte) message {
	m = binary.AppendUvarint(binary.AppendUvarint(m, uint64(field)<<3|2), uint64(len(value)))
	return append(m, value...)
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.Dial(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// door is the store that leads the region of a transaction's key, and how requests for it are addressed.
type door struct {
	tikvpb.TikvClient
	context *kvrpcpb.Context
	region  *metapb.Region
	leader  *metapb.Peer
}

func doorOf(t *testing.T, c *harness.Cluster, pdc pd.Client, key []byte) *door {
	t.Helper()
	store := leader(t, c, pdc, codec.EncodeBytes(nil, key))
	found, err := pdc.GetRegion(context.Background(), codec.EncodeBytes(nil, key))
	require.NoError(t, err)
	return &door{tikvpb.NewTikvClient(dial(t, store.Address)),
		&kvrpcpb.Context{RegionId: found.Meta.Id, RegionEpoch: found.Meta.RegionEpoch, Peer: found.Leader},
		found.Meta, found.Leader}
}

const board, rows = 77, 200

func rowKey(row int64) []byte {
	key := append([]byte("t"), codec.EncodeInt(nil, board)...)
	return codec.EncodeInt(append(key, "_r"...), row)
}

// askRarely asks for what ordinary clients seldom ask for: plans of the coprocessor, scans of locks, the end of ranges,
// QueryRegion, all locks of a transaction.
func askRarely(t *testing.T, c *harness.Cluster, pdc pd.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client, err := txnkv.NewClient(c.PDs())
	require.NoError(t, err)
	defer client.Close()
	txn, err := client.Begin()
	require.NoError(t, err)
	for row := int64(0); row < rows; row++ {
		require.NoError(t, txn.Set(rowKey(row), []byte{0x80, 0, 0, 0, 0, 0})) // a row without columns
	}
	require.NoError(t, txn.Commit(ctx))
	now, err := client.CurrentTimestamp("global")
	require.NoError(t, err)

	d := doorOf(t, c, pdc, rowKey(0))
	handle := message{}.number(1, 1).number(2, 8).number(21, 1) // BIGINT, the row's own number
	scan := message{}.number(1, 0).bytes(2, message{}.number(1, board).bytes(2, handle))
	limit := message{}.number(1, 5).bytes(7, message{}.number(1, 50))
	plan := message{}.bytes(2, scan).bytes(2, limit).number(5, 0).number(8, 0)
	checksum := message{}.number(2, 0).number(3, 0)
	statistics := message{}.number(1, 0).bytes(5, message{}.number(1, 8).number(2, 1))
	index := func(n int64) []byte {
		return codec.EncodeInt(append(append([]byte("t"), codec.EncodeInt(nil, board)...), "_i"...), n)
	}
	for tp, data := range map[int64]message{103: plan, 104: statistics, 105: checksum} {
		of := &coprocessor.KeyRange{Start: rowKey(0), End: rowKey(rows)}
		if tp == 104 {
			of = &coprocessor.KeyRange{Start: index(1), End: index(2)}
		}
		answer, err := d.Coprocessor(ctx, &coprocessor.Request{Context: d.context, Tp: tp, Data: data, StartTs: now,
			Ranges: []*coprocessor.KeyRange{of}})
		require.NoError(t, err)
		require.Empty(t, answer.OtherError)
		require.Nil(t, answer.RegionError)
	}
	answer, err := d.Coprocessor(ctx, &coprocessor.Request{Context: d.context, Tp: 1, StartTs: now})
	require.NoError(t, err)
	require.NotEmpty(t, answer.OtherError)

	// A pessimistic lock that nobody commits, and the look for it.
	lock, err := d.KvPessimisticLock(ctx, &kvrpcpb.PessimisticLockRequest{Context: d.context, PrimaryLock: rowKey(1),
		Mutations: []*kvrpcpb.Mutation{{Op: kvrpcpb.Op_PessimisticLock, Key: rowKey(1)}}, StartVersion: now,
		ForUpdateTs: now, LockTtl: 1000})
	require.NoError(t, err)
	require.Empty(t, lock.Errors)
	locks, err := d.KvScanLock(ctx, &kvrpcpb.ScanLockRequest{Context: d.context, MaxVersion: now})
	require.NoError(t, err)
	require.NotEmpty(t, locks.Locks)
	_, err = d.KvResolveLock(ctx, &kvrpcpb.ResolveLockRequest{Context: d.context, StartVersion: now})
	require.NoError(t, err)
	_, err = d.KVPessimisticRollback(ctx, &kvrpcpb.PessimisticRollbackRequest{Context: d.context, StartVersion: now,
		ForUpdateTs: now, Keys: [][]byte{rowKey(1)}})
	require.NoError(t, err)
	// Old versions that go in time: records of transactions that were rolled back, and one that is no record.
	for start := now + 1; start < now+100; start++ {
		_, err = d.KvBatchRollback(ctx, &kvrpcpb.BatchRollbackRequest{Context: d.context, StartVersion: start, Keys: [][]byte{rowKey(2)}})
		require.NoError(t, err)
	}
	require.NoError(t, rawClient(t, c).Put(ctx, append(codec.EncodeBytes(nil, rowKey(3)), "12345678"...), []byte("no record"),
		rawkv.SetColumnFamily("write")))
	_, err = d.UnsafeDestroyRange(ctx, &kvrpcpb.UnsafeDestroyRangeRequest{Context: d.context,
		StartKey: codec.EncodeBytes(nil, rowKey(rows/2)), EndKey: codec.EncodeBytes(nil, rowKey(rows))})
	require.NoError(t, err)

	cluster := message{}.number(1, pdc.GetClusterID(ctx))
	query := []byte(message{}.bytes(1, cluster).bytes(4, codec.EncodeBytes(nil, rowKey(0))).bytes(5, codec.EncodeBytes(nil, rowKey(0))).number(3, d.region.Id))
	for _, member := range c.Members {
		stream, err := dial(t, member.Address).NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true},
			"/pdpb.PD/QueryRegion", grpc.ForceCodec(asIs{}))
		require.NoError(t, err)
		var reply []byte
		if stream.SendMsg(&query) == nil {
			_ = stream.RecvMsg(&reply)
		}
	}
}

// garbage is load whose failures do not matter: large writes and reads by many clients at once.
func garbage(t *testing.T, c *harness.Cluster, length time.Duration, writers, readers, bytesEach int) {
	t.Helper()
	raw, err := rawkv.NewClient(context.Background(), c.PDs(), config.Security{})
	require.NoError(t, err)
	defer raw.Close()
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	value := make([]byte, bytesEach)
	rand.New(rand.NewSource(1)).Read(value) //nolint:gosec
	var all sync.WaitGroup
	for n := 0; n < writers+readers; n++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := 0; ctx.Err() == nil; i++ {
				if n < writers {
					raw.Put(ctx, []byte(fmt.Sprintf("raw-heavy-%d-%d", n, i%20)), value)
				} else {
					raw.Scan(ctx, []byte(fmt.Sprintf("raw-%d-", n%4)), nil, 3000)
				}
			}
		}()
	}
	all.Wait()
}

// makeTrouble moves what stands still while all is well.
func makeTrouble(t *testing.T, c *harness.Cluster, pdc pd.Client, w *watch) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	stores := []*harness.Process{c.Stores[0], c.Stores[2], c.Stores[3]}
	c.Stores[1].Kill() // it has no region any more
	step := func(what string, began time.Time) {
		t.Logf("%s: %v", what, time.Since(began).Round(100*time.Millisecond))
	}

	// Settings, requests that nobody can be served, messages that no store sends.
	began := time.Now()
	set := func(p *harness.Process, name, value string) {
		code, out := run(t, "ctl", "config", "--status-addr", p.Status, "set", name, value, "--for-now")
		require.Zero(t, code, out)
	}
	set(stores[0], "raftstore.raft-log-gc-threshold", "60")
	for _, member := range c.Members {
		set(member, "schedule.replica-schedule-limit", "8")
	}
	d := doorOf(t, c, pdc, []byte("txn-1"))
	ofAnotherCluster, reply := []byte(message{}.bytes(1, message{}.number(35, 1)).bytes(2, []byte("k")).number(3, 1)), []byte{}
	require.Error(t, dial(t, leader(t, c, pdc, codec.EncodeBytes(nil, []byte("txn-1"))).Address).Invoke(ctx, "/tikvpb.Tikv/KvGet",
		&ofAnotherCluster, &reply, grpc.ForceCodec(asIs{})))
	stream, err := d.Raft(ctx)
	require.NoError(t, err)
	require.NoError(t, stream.Send(&raft_serverpb.RaftMessage{RegionId: d.region.Id, FromPeer: d.leader, ToPeer: d.leader,
		RegionEpoch: d.region.RegionEpoch, Message: &eraftpb.Message{MsgType: eraftpb.MessageType_MsgAppend,
			From: d.leader.Id, To: d.leader.Id + 1, Term: 1}}))
	step("settings and bad requests", began)

	harness.Eventually(t, 10*time.Second, "what was bad is counted", func() bool {
		return w.hasMoved("tikv_grpc_msg_fail_total", "tikv_raftstore_raft_dropped_message_total")
	})

	// PD stands still, and so does a store, whose regions have other leaders then, who want to know the time. They die, and
	// come back with fewer CPUs and less memory.
	began = time.Now()
	away := append([]*harness.Process{stores[0]}, c.Members...)
	for _, p := range away {
		p.Signal(syscall.SIGSTOP)
	}
	time.Sleep(2500 * time.Millisecond) // longer than an election
	for _, p := range away {
		p.Kill()
	}
	for _, p := range away {
		c.RestartUnder(p, "taskset", "-c", "0", "prlimit", "--as=17179869184")
	}
	harness.Eventually(t, 30*time.Second, "the store serves again", func() bool { return harness.StatusOK(stores[0]) })
	settle(t, c, pdc)
	step("PD is away", began)

	// Every store dies and comes back with narrow bounds and another machine.
	began = time.Now()
	c.SetStoreConfig("[raftstore]\npd-heartbeat-tick-interval = \"1s\"\nsplit-region-check-tick-interval = \"500ms\"\n" +
		"max-leader-missing-duration = \"1s\"\ninspect-interval = \"1ms\"\nraft-log-gc-tick-interval = \"500ms\"\n" +
		"[coprocessor]\nregion-split-size = \"4MiB\"\n[readpool.unified]\nmax-thread-count = 1\nmax-tasks-per-worker = 2\n" +
		"[storage]\nscheduler-pending-write-threshold = \"1MiB\"\n[storage.block-cache]\ncapacity = \"1MiB\"\n" +
		"[storage.flow-control]\nmemtables-threshold = 2\nl0-files-threshold = 4\n[rocksdb.defaultcf]\nwrite-buffer-size = \"128KiB\"\n" +
		"[rocksdb]\nmax-background-jobs = 3\n[gc.auto-compaction]\ncheck-interval = \"1s\"\nredundant-rows-threshold = 1\n" +
		"redundant-rows-percent-threshold = 1\ntombstones-num-threshold = 1\ntombstones-percent-threshold = 1\n")
	for _, p := range stores {
		p.Kill()
		c.RestartUnder(p, "taskset", "-c", "0", "prlimit", "--as=17179869184")
		harness.Eventually(t, 30*time.Second, "the store serves again", func() bool { return harness.StatusOK(p) })
	}
	settle(t, c, pdc)
	step("stores die", began)
	began = time.Now()
	heavy := make(chan struct{})
	go func() {
		defer close(heavy)
		garbage(t, c, 6*time.Second, 64, 32, 256<<10)
	}()
	putLoad(t, c, 6*time.Second)
	<-heavy
	step("narrow bounds", began)

	// Two of three stand still: nobody leads.
	began = time.Now()
	for _, p := range stores[:2] {
		p.Signal(syscall.SIGSTOP)
	}
	garbage(t, c, 4*time.Second, 4, 4, 4096)
	for _, p := range stores[:2] {
		p.Signal(syscall.SIGCONT)
	}
	settle(t, c, pdc)
	step("no majority", began)

	// What expires, in a store whose data may.
	began = time.Now()
	expire(t, w)
	step("expiry", began)
	harness.Eventually(t, 120*time.Second, "old versions are collected", func() bool {
		putLoad(t, c, 2*time.Second) // a compaction that came too early finds nothing, and the next needs new garbage
		return w.hasMoved("tikv_gc_compaction_filtered", "tikv_gc_compaction_mvcc_rollback")
	})

	// The disks are damaged while they are read; the stores end when a compaction finds that.
	began = time.Now()
	read := make(chan struct{})
	go func() {
		defer close(read)
		garbage(t, c, 3*time.Second, 0, 8, 1)
	}()
	time.Sleep(500 * time.Millisecond) // of reading
	for _, n := range []int{1, 3, 4} {
		files, err := filepath.Glob(filepath.Join(c.StoreDir(n), "db", "*.sst"))
		require.NoError(t, err)
		for _, path := range files {
			damage(t, path)
		}
	}
	<-read
	step("damaged disks", began)
}

// damage overwrites the first blocks of a file.
func damage(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return // it was compacted away
	}
	defer file.Close()
	info, err := file.Stat()
	require.NoError(t, err)
	if size := info.Size() / 2; size > 1024 {
		_, err = file.WriteAt(bytes.Repeat([]byte{0xAA}, int(size)), 0)
		require.NoError(t, err)
	}
}

// expire writes pairs that live for a second to a store of their own, until compactions drop them.
func expire(t *testing.T, w *watch) {
	t.Helper()
	c := harness.New(t, harness.Options{Stores: 1, StoreConfig: "[storage]\nenable-ttl = true\n" +
		"[rocksdb.defaultcf]\nwrite-buffer-size = \"64KiB\"\n"})
	stop := w.follow(c, "ttl-")
	defer stop()
	raw := rawClient(t, c)
	value := make([]byte, 1024)
	rand.New(rand.NewSource(2)).Read(value) //nolint:gosec
	i := 0
	harness.Eventually(t, 30*time.Second, "pairs expire", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		for end := i + 200; i < end; i++ {
			raw.PutWithTTL(ctx, []byte(fmt.Sprint("k", i)), value, 1)
		}
		return w.hasMoved("tikv_ttl_expire_kv_count_total")
	})
}
