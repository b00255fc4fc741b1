// Package interop_pipelined drives pipelined transactions (KvFlush, KvBufferBatchGet, BroadcastTxnStatus) with a client
// that has them.
package interop_pipelined

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/stretchr/testify/require"
	tikverr "github.com/tikv/client-go/v2/error"
	"github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"
	"github.com/tikv/client-go/v2/txnkv"
	"github.com/tikv/client-go/v2/txnkv/transaction"

	"cairn.test/harness"
)

var pd string

func TestMain(m *testing.M) {
	t := &mainT{}
	pd = harness.StartPlayground(t).PD
	code := m.Run()
	t.cleanup()
	os.Exit(code)
}

func key(prefix string, i int) []byte { return []byte(fmt.Sprintf("%s/%06d", prefix, i)) }

func newClient(t *testing.T) *txnkv.Client {
	t.Helper()
	client, err := txnkv.NewClient([]string{pd})
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

func beginPipelined(t *testing.T, c *txnkv.Client) *transaction.KVTxn {
	t.Helper()
	txn, err := c.Begin(tikv.WithDefaultPipelinedTxn())
	require.NoError(t, err)
	require.True(t, txn.IsPipelined())
	return txn
}

func flush(t *testing.T, txn *transaction.KVTxn) {
	t.Helper()
	flushed, err := txn.GetMemBuffer().Flush(true)
	require.NoError(t, err)
	require.True(t, flushed)
	require.NoError(t, txn.GetMemBuffer().FlushWait())
}

func value(t *testing.T, c *txnkv.Client, k []byte) (string, bool) {
	t.Helper()
	txn, err := c.Begin()
	require.NoError(t, err)
	defer txn.Rollback()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	v, err := txn.Get(ctx, k)
	if tikverr.IsErrNotFound(err) {
		return "", false
	}
	require.NoError(t, err)
	return string(v), true
}

// Locks that are left under the prefix.
func locks(t *testing.T, c *txnkv.Client, prefix string) int {
	t.Helper()
	ts, err := c.CurrentTimestamp("global")
	require.NoError(t, err)
	bo := tikv.NewBackofferWithVars(context.Background(), 20000, nil)
	found := 0
	for next := []byte(prefix + "/"); ; {
		location, err := c.GetRegionCache().LocateKey(bo, next)
		require.NoError(t, err)
		request := tikvrpc.NewRequest(tikvrpc.CmdScanLock, &kvrpcpb.ScanLockRequest{
			MaxVersion: ts, StartKey: next, EndKey: []byte(prefix + "0")})
		response, err := c.SendReq(bo, request, location.Region, 10*time.Second)
		require.NoError(t, err)
		answer := response.Resp.(*kvrpcpb.ScanLockResponse)
		require.Nil(t, answer.GetRegionError())
		require.Nil(t, answer.GetError())
		found += len(answer.GetLocks())
		if len(location.EndKey) == 0 || string(location.EndKey) >= prefix+"0" {
			return found
		}
		next = location.EndKey
	}
}

func TestPipelinedTransactionOverRegionsIsReadBackAndCommitted(t *testing.T) {
	ctx := context.Background()
	c := newClient(t)
	_, err := c.SplitRegions(ctx, [][]byte{key("flush", 100), key("flush", 200)}, false, nil)
	require.NoError(t, err)
	txn := beginPipelined(t, c)
	for i := 0; i < 300; i++ {
		require.NoError(t, txn.Set(key("flush", i), []byte("first")))
	}
	flush(t, txn)
	for i := 0; i < 300; i += 3 {
		require.NoError(t, txn.Set(key("flush", i), []byte("second")))
		require.NoError(t, txn.Delete(key("flush", i+1)))
	}
	flush(t, txn)
	for i := 0; i < 300; i += 7 {
		got, err := txn.GetMemBuffer().Get(ctx, key("flush", i))
		require.NoError(t, err)
		require.Equal(t, []string{"second", "", "first"}[i%3], string(got), i)
	}
	_, exists := value(t, c, key("flush", 0))
	require.False(t, exists, "nobody else sees it, nor waits for it")
	require.NoError(t, txn.Commit(ctx))
	for i := 0; i < 300; i += 11 {
		got, exists := value(t, c, key("flush", i))
		require.Equal(t, i%3 != 1, exists, i)
		require.Equal(t, []string{"second", "", "first"}[i%3], got, i)
	}
	require.Eventually(t, func() bool { return locks(t, c, "flush") == 0 }, 30*time.Second, 50*time.Millisecond)
}

func TestPipelinedTransactionIsRolledBack(t *testing.T) {
	c := newClient(t)
	txn := beginPipelined(t, c)
	for i := 0; i < 100; i++ {
		require.NoError(t, txn.Set(key("back", i), []byte("v")))
	}
	flush(t, txn)
	require.Equal(t, 100, locks(t, c, "back"))
	require.NoError(t, txn.Rollback())
	require.Eventually(t, func() bool { return locks(t, c, "back") == 0 }, 30*time.Second, 50*time.Millisecond)
	_, exists := value(t, c, key("back", 1))
	require.False(t, exists)
}

func TestPipelinedTransactionConflictsAtItsFlush(t *testing.T) {
	ctx := context.Background()
	c := newClient(t)
	txn := beginPipelined(t, c)
	other, err := c.Begin()
	require.NoError(t, err)
	require.NoError(t, other.Set(key("conflict", 1), []byte("other")))
	require.NoError(t, other.Commit(ctx))
	require.NoError(t, txn.Set(key("conflict", 1), []byte("mine")))
	_, err = txn.GetMemBuffer().Flush(true)
	require.NoError(t, err)
	err = txn.GetMemBuffer().FlushWait()
	require.True(t, tikverr.IsErrWriteConflict(err), "%v", err)
	require.NoError(t, txn.Rollback())
	got, _ := value(t, c, key("conflict", 1))
	require.Equal(t, "other", got)
}

func TestLargePipelinedTransactionFlushesByItself(t *testing.T) {
	ctx := context.Background()
	c := newClient(t)
	txn := beginPipelined(t, c)
	const n = 25000
	big := make([]byte, 1000)
	for i := 0; i < n; i++ {
		require.NoError(t, txn.Set(key("large", i), big))
		_, err := txn.GetMemBuffer().Flush(false)
		require.NoError(t, err)
	}
	require.NoError(t, txn.GetMemBuffer().FlushWait())
	require.Positive(t, locks(t, c, "large"), "some were flushed before the commit")
	require.NoError(t, txn.Commit(ctx))
	got, exists := value(t, c, key("large", n-1))
	require.True(t, exists)
	require.Len(t, got, 1000)
	require.Eventually(t, func() bool { return locks(t, c, "large") == 0 }, 60*time.Second, 100*time.Millisecond)
}

func TestStatusesOfTransactionsAreTaken(t *testing.T) {
	c := newClient(t)
	value(t, c, []byte("status")) // so that stores are known
	stores := c.GetRegionCache().GetAllStores()
	require.NotEmpty(t, stores)
	for _, store := range stores {
		request := tikvrpc.NewRequest(tikvrpc.CmdBroadcastTxnStatus, &kvrpcpb.BroadcastTxnStatusRequest{
			TxnStatus: []*kvrpcpb.TxnStatus{
				{StartTs: 100, MinCommitTs: 200}, {StartTs: 101, CommitTs: 300, IsCompleted: true}}})
		response, err := c.GetTiKVClient().SendRequest(context.Background(), store.GetAddr(), request, 10*time.Second)
		require.NoError(t, err)
		require.IsType(t, &kvrpcpb.BroadcastTxnStatusResponse{}, response.Resp)
	}
}
