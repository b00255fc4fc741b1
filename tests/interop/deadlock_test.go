package interop

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/deadlock"
	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/tikvpb"
	"github.com/stretchr/testify/require"
	tikverr "github.com/tikv/client-go/v2/error"
	"github.com/tikv/client-go/v2/kv"
	"github.com/tikv/client-go/v2/txnkv"
	"github.com/tikv/client-go/v2/txnkv/transaction"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"cairn.test/harness"
)

func pessimistic(t *testing.T, c *txnkv.Client) *transaction.KVTxn {
	t.Helper()
	txn := begin(t, c)
	txn.SetPessimistic(true)
	return txn
}

// lockKey waits as long as it takes, and tries again when the lock was let go.
func lockKey(c *txnkv.Client, txn *transaction.KVTxn, k string) error {
	for {
		ts, err := c.CurrentTimestamp("global")
		if err != nil {
			return err
		}
		err = txn.LockKeys(context.Background(), kv.NewLockCtx(ts, kv.LockAlwaysWait, time.Now()), []byte(k))
		if !tikverr.IsErrWriteConflict(err) {
			return err
		}
	}
}

// stores dials all stores of the playground.
func stores(t *testing.T, c *txnkv.Client) []*grpc.ClientConn {
	t.Helper()
	all, err := c.GetPDClient().GetAllStores(context.Background())
	require.NoError(t, err)
	var conns []*grpc.ClientConn
	for _, store := range all {
		conn, err := grpc.Dial(store.GetAddress(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		conns = append(conns, conn)
	}
	return conns
}

func keysOf[E interface {
	*deadlock.WaitForEntry | deadlock.WaitForEntry
}](entries []E) []string {
	var keys []string
	for _, entry := range entries {
		switch e := any(entry).(type) {
		case *deadlock.WaitForEntry:
			keys = append(keys, string(e.Key))
		case deadlock.WaitForEntry:
			keys = append(keys, string(e.Key))
		}
	}
	return keys
}

// waits counts, over all stores, the waits for the key that `list` tells of.
func waits(conns []*grpc.ClientConn, k string, list func(*grpc.ClientConn) ([]string, error)) int {
	n := 0
	for _, conn := range conns {
		keys, err := list(conn)
		if err != nil {
			return -1
		}
		for _, key := range keys {
			if key == k {
				n++
			}
		}
	}
	return n
}

func TestADeadlockOverRegionsEndsTheYoungerWaitAndIsListed(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	_, err := c.SplitRegions(ctx, [][]byte{[]byte("dead/m")}, false, nil)
	require.NoError(t, err)
	conns := stores(t, c)
	now := func(conn *grpc.ClientConn) ([]string, error) {
		reply, err := tikvpb.NewTikvClient(conn).GetLockWaitInfo(ctx, &kvrpcpb.GetLockWaitInfoRequest{})
		return keysOf(reply.GetEntries()), err
	}
	ended := func(conn *grpc.ClientConn) ([]string, error) {
		reply, err := tikvpb.NewTikvClient(conn).GetLockWaitHistory(ctx, &kvrpcpb.GetLockWaitHistoryRequest{})
		return keysOf(reply.GetEntries()), err
	}
	graph := func(conn *grpc.ClientConn) ([]string, error) {
		reply, err := deadlock.NewDeadlockClient(conn).GetWaitForEntries(ctx, &deadlock.WaitForEntriesRequest{})
		return keysOf(reply.GetEntries()), err
	}

	first, second := pessimistic(t, c), pessimistic(t, c)
	// The first key of a transaction is its primary, and a wait for it closes no cycle.
	require.NoError(t, lockKey(c, first, "dead/a"))
	require.NoError(t, lockKey(c, second, "dead/z"))
	waiting := make(chan error, 1)
	go func() { waiting <- lockKey(c, first, "dead/z") }()
	harness.Eventually(t, 5*time.Second, "the first transaction waits", func() bool {
		return waits(conns, "dead/z", now) == 1 && waits(conns, "dead/z", graph) == 1
	})
	began := time.Now()
	err = lockKey(c, second, "dead/a")
	var found *tikverr.ErrDeadlock
	require.True(t, errors.As(err, &found), "%v", err)
	require.Less(t, time.Since(began), 900*time.Millisecond, "it did not wait to the end")
	require.Equal(t, "dead/a", string(found.Deadlock.LockKey))
	require.Len(t, found.Deadlock.WaitChain, 2)
	require.Equal(t, first.StartTS(), found.Deadlock.WaitChain[0].Txn)
	require.Equal(t, second.StartTS(), found.Deadlock.WaitChain[1].Txn)
	require.NoError(t, second.Rollback())
	require.NoError(t, <-waiting)
	require.NoError(t, first.Set([]byte("dead/z"), []byte("1")))
	require.NoError(t, first.Commit(ctx))
	requireValue(t, c, []byte("dead/z"), "1")
	require.Equal(t, 0, waits(conns, "dead/z", now))
	require.GreaterOrEqual(t, waits(conns, "dead/z", ended), 1)
	require.GreaterOrEqual(t, waits(conns, "dead/a", ended), 1)
}
