package interop

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	tikverr "github.com/tikv/client-go/v2/error"
	"github.com/tikv/client-go/v2/kv"
	"github.com/tikv/client-go/v2/txnkv"
	"github.com/tikv/client-go/v2/txnkv/transaction"
)

func txnClient(t *testing.T) *txnkv.Client {
	t.Helper()
	client, err := txnkv.NewClient([]string{pd})
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

func begin(t *testing.T, c *txnkv.Client) *transaction.KVTxn {
	t.Helper()
	txn, err := c.Begin()
	require.NoError(t, err)
	return txn
}

func get(t *testing.T, c *txnkv.Client, k []byte) ([]byte, error) {
	t.Helper()
	txn := begin(t, c)
	defer txn.Rollback()
	return txn.Get(context.Background(), k)
}

func requireValue(t *testing.T, c *txnkv.Client, k []byte, want string) {
	t.Helper()
	v, err := get(t, c, k)
	require.NoError(t, err)
	require.Equal(t, want, string(v))
}

func requireAbsent(t *testing.T, c *txnkv.Client, k []byte) {
	t.Helper()
	_, err := get(t, c, k)
	require.True(t, tikverr.IsErrNotFound(err), "%v", err)
}

func TestTxnOverManyKeys(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	const n = 2000
	txn := begin(t, c)
	for i := 0; i < n; i++ {
		require.NoError(t, txn.Set(key("tmk", i), []byte(fmt.Sprintf("v%d", i))))
	}
	require.NoError(t, txn.Commit(ctx))

	reader := begin(t, c)
	var keys [][]byte
	for i := 0; i < n; i++ {
		keys = append(keys, key("tmk", i))
	}
	got, err := reader.BatchGet(ctx, keys)
	require.NoError(t, err)
	require.Len(t, got, n)

	it, err := reader.Iter([]byte("tmk/"), []byte("tmk0"))
	require.NoError(t, err)
	i := 0
	for ; it.Valid(); i++ {
		require.Equal(t, key("tmk", i), it.Key())
		require.Equal(t, fmt.Sprintf("v%d", i), string(it.Value()))
		require.NoError(t, it.Next())
	}
	require.Equal(t, n, i)
	back, err := reader.IterReverse([]byte("tmk0"))
	require.NoError(t, err)
	for i = n - 1; i > n-600; i-- {
		require.True(t, back.Valid())
		require.Equal(t, key("tmk", i), back.Key())
		require.NoError(t, back.Next())
	}
}

func TestTxnLongValuesAndDeletes(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	long := make([]byte, 100_000)
	txn := begin(t, c)
	require.NoError(t, txn.Set([]byte("tlv/long"), long))
	require.NoError(t, txn.Set([]byte("tlv/short"), []byte("s")))
	require.NoError(t, txn.Commit(ctx))
	v, err := get(t, c, []byte("tlv/long"))
	require.NoError(t, err)
	require.Equal(t, long, v)
	txn = begin(t, c)
	require.NoError(t, txn.Delete([]byte("tlv/long")))
	require.NoError(t, txn.Commit(ctx))
	requireAbsent(t, c, []byte("tlv/long"))
	requireValue(t, c, []byte("tlv/short"), "s")
}

func TestTxnSnapshotDoesNotSeeLaterCommits(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	w := begin(t, c)
	require.NoError(t, w.Set([]byte("tsn/a"), []byte("old")))
	require.NoError(t, w.Commit(ctx))
	reader := begin(t, c)
	w = begin(t, c)
	require.NoError(t, w.Set([]byte("tsn/a"), []byte("new")))
	require.NoError(t, w.Commit(ctx))
	v, err := reader.Get(ctx, []byte("tsn/a"))
	require.NoError(t, err)
	require.Equal(t, "old", string(v))
	requireValue(t, c, []byte("tsn/a"), "new")
}

func TestTxnWriteConflict(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	a, b := begin(t, c), begin(t, c)
	require.NoError(t, a.Set([]byte("twc/a"), []byte("a")))
	require.NoError(t, b.Set([]byte("twc/a"), []byte("b")))
	require.NoError(t, a.Commit(ctx))
	err := b.Commit(ctx)
	require.Error(t, err)
	require.True(t, tikverr.IsErrWriteConflict(err), "%v", err)
	requireValue(t, c, []byte("twc/a"), "a")
}

func TestTxnRollbackLeavesNothing(t *testing.T) {
	c := txnClient(t)
	txn := begin(t, c)
	require.NoError(t, txn.Set([]byte("trb/a"), []byte("a")))
	require.NoError(t, txn.Rollback())
	requireAbsent(t, c, []byte("trb/a"))
}

// prewritten makes a transaction of n keys and stops it after its prewrite, as a client that died would.
func prewritten(t *testing.T, c *txnkv.Client, prefix string, n int) transaction.CommitterProbe {
	t.Helper()
	txn := begin(t, c)
	for i := 0; i < n; i++ {
		require.NoError(t, txn.Set(key(prefix, i), []byte("v")))
	}
	committer, err := transaction.TxnProbe{KVTxn: txn}.NewCommitter(0)
	require.NoError(t, err)
	require.NoError(t, committer.PrewriteAllMutations(context.Background()))
	return committer
}

func TestAnAbandonedTransactionIsReadPastAndRolledBack(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	committer := prewritten(t, c, "abandoned", 10)
	// A reader does not wait: it pushes the locks' least commit timestamp beyond its own.
	for i := 0; i < 10; i++ {
		requireAbsent(t, c, key("abandoned", i))
	}
	// A writer has to wait until the locks' time to live has passed, and then rolls the transaction back.
	began := time.Now()
	writer := begin(t, c)
	require.NoError(t, writer.Set(key("abandoned", 0), []byte("w")))
	require.NoError(t, writer.Commit(ctx))
	require.Less(t, time.Since(began), 30*time.Second)
	for i := 1; i < 10; i++ {
		requireAbsent(t, c, key("abandoned", i))
	}
	ts, err := c.CurrentTimestamp("global")
	require.NoError(t, err)
	committer.SetCommitTS(ts)
	require.Error(t, committer.CommitMutations(ctx), "it was rolled back")
	requireValue(t, c, key("abandoned", 0), "w")
}

func TestAReaderCommitsASecondaryOfACommittedTransaction(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	committer := prewritten(t, c, "secondaries", 10)
	ts, err := c.CurrentTimestamp("global")
	require.NoError(t, err)
	committer.SetCommitTS(ts)
	require.NoError(t, committer.CommitMutations(ctx)) // the primary; the others stay locked until somebody reads them
	for i := 0; i < 10; i++ {
		requireValue(t, c, key("secondaries", i), "v")
	}
}

func TestTxnConcurrentIncrementsLoseNothing(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	const workers, each = 8, 20
	errs := make(chan error, workers)
	for w := 0; w < workers; w++ {
		go func() {
			for i := 0; i < each; {
				txn, err := c.Begin()
				if err != nil {
					errs <- err
					return
				}
				n := 0
				v, err := txn.Get(ctx, []byte("inc/a"))
				if err == nil {
					fmt.Sscan(string(v), &n)
				} else if !tikverr.IsErrNotFound(err) {
					errs <- err
					return
				}
				txn.Set([]byte("inc/a"), []byte(fmt.Sprint(n+1)))
				err = txn.Commit(ctx)
				if err == nil {
					i++
				} else if !tikverr.IsErrWriteConflict(err) {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for w := 0; w < workers; w++ {
		require.NoError(t, <-errs)
	}
	requireValue(t, c, []byte("inc/a"), fmt.Sprint(workers*each))
}

func TestPessimisticTransactionsTakeTurns(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	const workers, each = 4, 15
	errs := make(chan error, workers)
	for w := 0; w < workers; w++ {
		go func() {
			for i := 0; i < each; i++ {
				if err := pessimisticIncrement(ctx, c, []byte("pess/a")); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for w := 0; w < workers; w++ {
		require.NoError(t, <-errs)
	}
	requireValue(t, c, []byte("pess/a"), fmt.Sprint(workers*each))
}

// pessimisticIncrement locks the key, reads it under the lock and writes one more.
func pessimisticIncrement(ctx context.Context, c *txnkv.Client, k []byte) error {
	txn, err := c.Begin()
	if err != nil {
		return err
	}
	txn.SetPessimistic(true)
	for {
		ts, err := c.CurrentTimestamp("global")
		if err != nil {
			return err
		}
		lock := kv.NewLockCtx(ts, kv.LockAlwaysWait, time.Now())
		lock.InitReturnValues(1)
		if err = txn.LockKeys(ctx, lock, k); err == nil {
			n := 0
			if v, ok := lock.Values[string(k)]; ok {
				fmt.Sscan(string(v.Value), &n)
			}
			if err := txn.Set(k, []byte(fmt.Sprint(n+1))); err != nil {
				return err
			}
			return txn.Commit(ctx)
		}
		if !tikverr.IsErrWriteConflict(err) {
			txn.Rollback()
			return err
		}
	}
}
