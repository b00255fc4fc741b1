package interop

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/stretchr/testify/require"
	tikverr "github.com/tikv/client-go/v2/error"
	"github.com/tikv/client-go/v2/kv"
	"github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"
	"github.com/tikv/client-go/v2/txnkv"
	"github.com/tikv/client-go/v2/txnkv/transaction"
)

// send puts one request to the region of a key, as often as the regions change under it.
func send(t *testing.T, c *txnkv.Client, k []byte, cmd tikvrpc.CmdType, body interface{}) interface{} {
	t.Helper()
	bo := tikv.NewBackofferWithVars(context.Background(), 20000, nil)
	for try := 0; try < 50; try++ {
		at, err := c.GetRegionCache().LocateKey(bo, k)
		require.NoError(t, err)
		response, err := c.SendReq(bo, tikvrpc.NewRequest(cmd, body), at.Region, 10*time.Second)
		require.NoError(t, err)
		regionErr, err := response.GetRegionError()
		require.NoError(t, err)
		if regionErr == nil {
			return response.Resp
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("the region of %q keeps refusing", k)
	return nil
}

// mvcc is what the store holds for a key: its lock and its versions.
func mvcc(t *testing.T, c *txnkv.Client, k []byte) *kvrpcpb.MvccInfo {
	t.Helper()
	response := send(t, c, k, tikvrpc.CmdMvccGetByKey, &kvrpcpb.MvccGetByKeyRequest{Key: k}).(*kvrpcpb.MvccGetByKeyResponse)
	require.Empty(t, response.Error)
	if response.Info == nil {
		return &kvrpcpb.MvccInfo{}
	}
	return response.Info
}

// writeOf is the write record of the transaction on the key; nil if there is none.
func writeOf(t *testing.T, c *txnkv.Client, k []byte, startTS uint64) *kvrpcpb.MvccWrite {
	t.Helper()
	for _, w := range mvcc(t, c, k).Writes {
		if w.StartTs == startTS {
			return w
		}
	}
	return nil
}

// locksUnder lists all locks of keys prefix/... whatever their kind.
func locksUnder(t *testing.T, c *txnkv.Client, prefix string) []*kvrpcpb.LockInfo {
	t.Helper()
	ts, err := c.CurrentTimestamp("global")
	require.NoError(t, err)
	var locks []*kvrpcpb.LockInfo
	bo := tikv.NewBackofferWithVars(context.Background(), 20000, nil)
	end := []byte(prefix + "0")
	for start := []byte(prefix + "/"); ; {
		response := send(t, c, start, tikvrpc.CmdScanLock, &kvrpcpb.ScanLockRequest{StartKey: start, EndKey: end, MaxVersion: ts, Limit: 100000}).(*kvrpcpb.ScanLockResponse)
		require.Nil(t, response.Error)
		locks = append(locks, response.Locks...)
		at, err := c.GetRegionCache().LocateKey(bo, start)
		require.NoError(t, err)
		if len(at.EndKey) == 0 || string(at.EndKey) >= string(end) {
			return locks
		}
		start = at.EndKey
	}
}

func requireNoLocks(t *testing.T, c *txnkv.Client, prefix string) {
	t.Helper()
	end := time.Now().Add(20 * time.Second)
	for {
		locks := locksUnder(t, c, prefix)
		if len(locks) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d locks stay under %s, the first: %v", len(locks), prefix, locks[0])
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// splitAt makes region boundaries at the keys prefix/number.
func splitAt(t *testing.T, c *txnkv.Client, prefix string, numbers ...int) {
	t.Helper()
	var keys [][]byte
	for _, n := range numbers {
		keys = append(keys, key(prefix, n))
	}
	_, err := c.SplitRegions(context.Background(), keys, false, nil)
	require.NoError(t, err)
	bo := tikv.NewBackofferWithVars(context.Background(), 20000, nil)
	for _, k := range keys {
		for try := 0; ; try++ {
			at, err := c.GetRegionCache().LocateKey(bo, k)
			require.NoError(t, err)
			if string(at.StartKey) == string(k) {
				break
			}
			require.Less(t, try, 200, "no region begins at %q", k)
			c.GetRegionCache().InvalidateCachedRegion(at.Region)
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// lockContext is for locks at a timestamp, with a limit of waiting.
func lockContext(ts uint64, waitMS int64) *kv.LockCtx { return kv.NewLockCtx(ts, waitMS, time.Now()) }

func asDeadlock(err error, to **tikverr.ErrDeadlock) bool { return errors.As(err, to) }

func now(t *testing.T, c *txnkv.Client) uint64 {
	t.Helper()
	ts, err := c.CurrentTimestamp("global")
	require.NoError(t, err)
	return ts
}

// mode is how a transaction commits.
type mode struct {
	pessimistic, async, onePC bool
}

func (m mode) String() string {
	name := "optimistic"
	if m.pessimistic {
		name = "pessimistic"
	}
	if m.async {
		name += "+async"
	}
	if m.onePC {
		name += "+1pc"
	}
	return name
}

var allModes = []mode{{}, {async: true}, {onePC: true}, {async: true, onePC: true}, {pessimistic: true},
	{pessimistic: true, async: true}, {pessimistic: true, onePC: true}, {pessimistic: true, async: true, onePC: true}}

func beginIn(t *testing.T, c *txnkv.Client, m mode) *transaction.KVTxn {
	t.Helper()
	txn := begin(t, c)
	txn.SetPessimistic(m.pessimistic)
	txn.SetEnableAsyncCommit(m.async)
	txn.SetEnable1PC(m.onePC)
	return txn
}

// put writes one committed version of each key.
func put(t *testing.T, c *txnkv.Client, pairs map[string]string) {
	t.Helper()
	txn := begin(t, c)
	for k, v := range pairs {
		require.NoError(t, txn.Set([]byte(k), []byte(v)))
	}
	require.NoError(t, txn.Commit(context.Background()))
}

func values(n int, prefix string, value string) map[string]string {
	out := map[string]string{}
	for i := 0; i < n; i++ {
		out[string(key(prefix, i))] = fmt.Sprintf("%s%d", value, i)
	}
	return out
}
