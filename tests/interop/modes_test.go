package interop

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/stretchr/testify/require"
	tikverr "github.com/tikv/client-go/v2/error"
	"github.com/tikv/client-go/v2/tikvrpc"
	"github.com/tikv/client-go/v2/tikvrpc/interceptor"
	"github.com/tikv/client-go/v2/txnkv"
	"github.com/tikv/client-go/v2/txnkv/transaction"
	"github.com/tikv/client-go/v2/txnkv/txnsnapshot"
)

// observed counts the requests of one transaction and keeps what the stores said of its prewrites.
type observed struct {
	sync.Mutex
	requests  map[tikvrpc.CmdType]int
	prewrites []*kvrpcpb.PrewriteResponse
}

func observe(txn *transaction.KVTxn) *observed {
	o := &observed{requests: map[tikvrpc.CmdType]int{}}
	txn.SetRPCInterceptor(func(next interceptor.RPCInterceptorFunc) interceptor.RPCInterceptorFunc {
		return func(target string, req *tikvrpc.Request) (*tikvrpc.Response, error) {
			response, err := next(target, req)
			o.Lock()
			defer o.Unlock()
			o.requests[req.Type]++
			if err == nil && req.Type == tikvrpc.CmdPrewrite {
				if p := response.Resp.(*kvrpcpb.PrewriteResponse); p.RegionError == nil {
					o.prewrites = append(o.prewrites, p)
				}
			}
			return response, err
		}
	})
	return o
}

// TestCommitModesAreTaken commits in every mode, within one region and over two, and looks at the answers of the
// stores and at the records they keep: the mode was really taken where it can be.
func TestCommitModesAreTaken(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	splitAt(t, c, "modes", 500)
	for _, regions := range []int{1, 2} {
		for i, m := range allModes {
			t.Run(fmt.Sprintf("%v over %d regions", m, regions), func(t *testing.T) {
				keys := [][]byte{key("modes", i*2+10*regions+100), key("modes", i*2+10*regions+101)}
				if regions == 2 {
					keys[1] = key("modes", 600+i)
				}
				txn := beginIn(t, c, m)
				o := observe(txn)
				if m.pessimistic {
					require.NoError(t, txn.LockKeysWithWaitTime(ctx, 1000, keys...))
					require.Equal(t, keys[0], mvcc(t, c, keys[0]).Lock.GetPrimary())
				}
				for _, k := range keys {
					require.NoError(t, txn.Set(k, []byte("v")))
				}
				startTS := txn.StartTS()
				require.NoError(t, txn.Commit(ctx))
				commitTS := transaction.TxnProbe{KVTxn: txn}.GetCommitTS()
				require.Greater(t, commitTS, startTS)
				onePC := m.onePC && regions == 1
				async := m.async && !onePC
				o.Lock()
				for _, p := range o.prewrites {
					require.Equal(t, onePC, p.OnePcCommitTs != 0, "one phase: %v", p)
					if !onePC {
						require.Equal(t, async, p.MinCommitTs != 0, "async commit: %v", p)
					}
				}
				require.Len(t, o.prewrites, regions)
				if onePC {
					require.Zero(t, o.requests[tikvrpc.CmdCommit])
				}
				o.Unlock()
				for _, k := range keys {
					requireValue(t, c, k, "v")
					// A reader may pass over a committed lock and leave it to be resolved in the background.
					require.Eventually(t, func() bool { return writeOf(t, c, k, startTS) != nil }, 10*time.Second, 10*time.Millisecond)
					require.Equal(t, commitTS, writeOf(t, c, k, startTS).CommitTs)
				}
			})
		}
	}
	requireNoLocks(t, c, "modes")
}

func TestAsyncCommitOfTooManyKeysGoesInTwoPhases(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	txn := beginIn(t, c, mode{async: true})
	o := observe(txn)
	for k, v := range values(300, "manyasync", "v") {
		require.NoError(t, txn.Set([]byte(k), []byte(v)))
	}
	require.NoError(t, txn.Commit(ctx))
	o.Lock()
	defer o.Unlock()
	require.NotEmpty(t, o.prewrites)
	for _, p := range o.prewrites {
		require.Zero(t, p.MinCommitTs)
	}
	require.NotZero(t, o.requests[tikvrpc.CmdCommit])
}

// TestALargeTransaction writes 100,000 keys over several regions at once, with readers throughout that see all or
// nothing of it. $CAIRN_LARGE_MB makes the values so large that the whole has this many megabytes.
func TestALargeTransaction(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	const n = 100_000
	splitAt(t, c, "large", 20_000, 40_000, 60_000, 80_000)
	size := 8
	if mb := os.Getenv("CAIRN_LARGE_MB"); mb != "" {
		fmt.Sscan(mb, &size)
		size = size * 1_000_000 / n
	}
	value := make([]byte, size)
	stop := make(chan struct{})
	read := make(chan error, 1)
	reads := 0
	go func() {
		for {
			select {
			case <-stop:
				read <- nil
				return
			case <-time.After(100 * time.Millisecond):
			}
			snapshot := c.GetSnapshot(now(t, c))
			got, err := snapshot.BatchGet(ctx, [][]byte{key("large", 0), key("large", 30_000), key("large", n-1)})
			if err == nil && len(got) != 0 && len(got) != 3 {
				err = fmt.Errorf("%d of 3 keys are visible", len(got))
			}
			if err != nil {
				read <- err
				return
			}
			reads++
		}
	}()
	began := time.Now()
	txn := begin(t, c)
	for i := 0; i < n; i++ {
		require.NoError(t, txn.Set(key("large", i), value))
	}
	require.NoError(t, txn.Commit(ctx))
	t.Logf("%d keys of %d bytes committed in %v", n, size, time.Since(began).Round(time.Millisecond))
	close(stop)
	require.NoError(t, <-read)
	require.NotZero(t, reads)
	it, err := c.GetSnapshot(now(t, c)).Iter([]byte("large/"), []byte("large0"))
	require.NoError(t, err)
	count := 0
	for ; it.Valid(); count++ {
		require.Len(t, it.Value(), size)
		require.NoError(t, it.Next())
	}
	require.Equal(t, n, count)
	requireNoLocks(t, c, "large")
}

func TestReadsOverManyRegions(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	const n = 1000
	splitAt(t, c, "regions", 100, 250, 251, 252, 600, 999)
	put(t, c, values(n, "regions", "v"))
	snapshot := c.GetSnapshot(now(t, c))
	snapshot.SetScanBatchSize(64)
	forward, err := snapshot.Iter(key("regions", 50), key("regions", 950))
	require.NoError(t, err)
	for i := 50; i < 950; i++ {
		require.True(t, forward.Valid())
		require.Equal(t, key("regions", i), forward.Key())
		require.Equal(t, fmt.Sprintf("v%d", i), string(forward.Value()))
		require.NoError(t, forward.Next())
	}
	require.False(t, forward.Valid())
	backward, err := snapshot.IterReverse(key("regions", 950))
	require.NoError(t, err)
	for i := 949; i >= 0; i-- {
		require.True(t, backward.Valid())
		require.Equal(t, key("regions", i), backward.Key())
		require.NoError(t, backward.Next())
	}
	var keys [][]byte
	for i := 0; i < 2*n; i += 2 {
		keys = append(keys, key("regions", i))
	}
	got, err := snapshot.BatchGet(ctx, keys)
	require.NoError(t, err)
	require.Len(t, got, n/2)
}

func TestSnapshotsOfThePastStayAsTheyWere(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	splitAt(t, c, "past", 2)
	var at []uint64
	for version := 0; version < 10; version++ {
		put(t, c, values(4, "past", fmt.Sprintf("%d-", version)))
		at = append(at, now(t, c))
	}
	w := begin(t, c)
	require.NoError(t, w.Delete(key("past", 1)))
	require.NoError(t, w.Commit(ctx))
	for version, ts := range at {
		snapshot := c.GetSnapshot(ts)
		it, err := snapshot.Iter([]byte("past/"), []byte("past0"))
		require.NoError(t, err)
		for i := 0; i < 4; i++ {
			require.True(t, it.Valid())
			require.Equal(t, fmt.Sprintf("%d-%d", version, i), string(it.Value()))
			require.NoError(t, it.Next())
		}
		v, err := c.GetSnapshot(ts).Get(ctx, key("past", 1))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("%d-1", version), string(v))
	}
	requireAbsent(t, c, key("past", 1))
}

func TestReadsAtReadCommittedPassLocksAndSeeWhatIsNewest(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	put(t, c, values(3, "rc", "old"))
	old := c.GetSnapshot(now(t, c))
	old.SetIsolationLevel(txnsnapshot.RC)
	put(t, c, map[string]string{string(key("rc", 1)): "new"})
	committer := prewritten(t, c, "rc", 3)
	began := time.Now()
	for i, want := range []string{"old0", "new", "old2"} {
		snapshot := c.GetSnapshot(now(t, c))
		snapshot.SetIsolationLevel(txnsnapshot.RC)
		v, err := snapshot.Get(ctx, key("rc", i))
		require.NoError(t, err)
		require.Equal(t, want, string(v))
	}
	got, err := func() (map[string][]byte, error) {
		snapshot := c.GetSnapshot(now(t, c))
		snapshot.SetIsolationLevel(txnsnapshot.RC)
		return snapshot.BatchGet(ctx, [][]byte{key("rc", 0), key("rc", 1), key("rc", 2)})
	}()
	require.NoError(t, err)
	require.Len(t, got, 3)
	require.Less(t, time.Since(began), 2*time.Second, "no read waited for the locks")
	require.Len(t, locksUnder(t, c, "rc"), 3, "and none resolved them")
	committer.SetCommitTS(now(t, c))
	require.NoError(t, committer.CommitMutations(ctx))
	_ = old
}

// lockOne locks keys for a pessimistic transaction as a statement does: a waiter that is woken is told of a conflict,
// and tries again at a newer timestamp.
func lockOne(ctx context.Context, txn *transaction.KVTxn, waitMS int64, keys ...[]byte) error {
	for {
		if err := txn.LockKeysWithWaitTime(ctx, waitMS, keys...); !tikverr.IsErrWriteConflict(err) {
			return err
		}
	}
}

func TestLockWaitsEndInTime(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	holder := beginIn(t, c, mode{pessimistic: true})
	require.NoError(t, lockOne(ctx, holder, 1000, key("waits", 0)))

	began := time.Now()
	txn := beginIn(t, c, mode{pessimistic: true})
	require.ErrorIs(t, lockOne(ctx, txn, -1, key("waits", 0)), tikverr.ErrLockAcquireFailAndNoWaitSet)
	require.Less(t, time.Since(began), time.Second, "it does not wait")

	for _, wait := range []time.Duration{300 * time.Millisecond, 1700 * time.Millisecond} {
		began = time.Now()
		require.ErrorIs(t, lockOne(ctx, txn, wait.Milliseconds(), key("waits", 0)), tikverr.ErrLockWaitTimeout)
		require.GreaterOrEqual(t, time.Since(began), wait-20*time.Millisecond)
		require.Less(t, time.Since(began), wait+2*time.Second)
	}
	// The transaction that waited in vain lives on.
	require.NoError(t, lockOne(ctx, txn, 1000, key("waits", 1)))
	released := make(chan time.Time, 1)
	go func() {
		time.Sleep(300 * time.Millisecond)
		released <- time.Now()
		holder.Rollback()
	}()
	require.NoError(t, lockOne(ctx, txn, 10_000, key("waits", 0)))
	require.Less(t, time.Since(<-released), 2*time.Second, "a waiter has the lock soon after its release")
	require.NoError(t, txn.Set(key("waits", 0), []byte("w")))
	require.NoError(t, txn.Commit(ctx))
	requireValue(t, c, key("waits", 0), "w")
	requireNoLocks(t, c, "waits")
}

// TestLockedReadsSeeWhatIsNewest: values, existence, locks only of what exists.
func TestLockedReadsSeeWhatIsNewest(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	put(t, c, map[string]string{"lread/000001": "old", "lread/000002": "2"})
	txn := beginIn(t, c, mode{pessimistic: true})
	put(t, c, map[string]string{"lread/000001": "new"})
	lock := lockContext(now(t, c), 1000)
	lock.InitReturnValues(2)
	require.NoError(t, txn.LockKeys(ctx, lock, key("lread", 1), key("lread", 3)))
	require.Equal(t, "new", string(lock.Values[string(key("lread", 1))].Value))
	require.False(t, lock.Values[string(key("lread", 3))].Exists)
	v, err := txn.Get(ctx, key("lread", 1))
	require.NoError(t, err)
	require.Equal(t, "old", string(v), "plain reads stay in the snapshot")

	lock = lockContext(now(t, c), 1000)
	lock.InitCheckExistence(1)
	require.NoError(t, txn.LockKeys(ctx, lock, key("lread", 2)))
	require.True(t, lock.Values[string(key("lread", 2))].Exists)

	lock = lockContext(now(t, c), 1000)
	lock.InitReturnValues(1)
	lock.LockOnlyIfExists = true
	require.NoError(t, txn.LockKeys(ctx, lock, key("lread", 4)))
	require.Nil(t, mvcc(t, c, key("lread", 4)).Lock)
	require.NoError(t, txn.Rollback())
	requireNoLocks(t, c, "lread")
}

func TestAPessimisticLockConflictsWithANewerVersion(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	txn := beginIn(t, c, mode{pessimistic: true})
	old := now(t, c)
	put(t, c, map[string]string{"lconf/a": "new"})
	err := txn.LockKeys(ctx, lockContext(old, 1000), []byte("lconf/a"))
	require.True(t, tikverr.IsErrWriteConflict(err), "%v", err)
	require.NoError(t, txn.LockKeys(ctx, lockContext(now(t, c), 1000), []byte("lconf/a")))
	require.NoError(t, txn.Rollback())
	requireNoLocks(t, c, "lconf")
}

// TestAggressiveLocking: in this mode a lock is taken over a newer version instead of a conflict, and says so.
func TestAggressiveLocking(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	k := key("aggressive", 1)
	txn := beginIn(t, c, mode{pessimistic: true})
	txn.StartAggressiveLocking()
	old := now(t, c)
	put(t, c, map[string]string{string(k): "new"})
	lock := lockContext(old, 1000)
	lock.InitReturnValues(1)
	require.NoError(t, txn.LockKeys(ctx, lock, k))
	require.Greater(t, lock.MaxLockedWithConflictTS, old)
	require.Equal(t, "new", string(lock.Values[string(k)].Value))
	require.Equal(t, lock.MaxLockedWithConflictTS, lock.Values[string(k)].LockedWithConflictTS)
	// The statement runs again, and finds the lock still there.
	txn.RetryAggressiveLocking(ctx)
	lock = lockContext(now(t, c), 1000)
	lock.InitReturnValues(1)
	require.NoError(t, txn.LockKeys(ctx, lock, k))
	require.Equal(t, "new", string(lock.Values[string(k)].Value))
	// The next statement is given up: its lock goes, the first one's stays.
	txn.DoneAggressiveLocking(ctx)
	txn.StartAggressiveLocking()
	require.NoError(t, txn.LockKeys(ctx, lockContext(now(t, c), 1000), key("aggressive", 2)))
	txn.CancelAggressiveLocking(ctx)
	require.Eventually(t, func() bool { return mvcc(t, c, key("aggressive", 2)).Lock == nil }, 5*time.Second, 20*time.Millisecond)
	require.NotNil(t, mvcc(t, c, k).Lock)
	require.NoError(t, txn.Set(k, []byte("mine")))
	require.NoError(t, txn.Commit(ctx))
	requireValue(t, c, k, "mine")
	requireNoLocks(t, c, "aggressive")
}

// TestAggressiveIncrementsLoseNothing: many clients wait for one key in the force-lock mode.
func TestAggressiveIncrementsLoseNothing(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	const workers, each = 6, 10
	k := []byte("agginc/a")
	errs := make(chan error, workers)
	for w := 0; w < workers; w++ {
		go func() {
			for i := 0; i < each; i++ {
				if err := aggressiveIncrement(ctx, c, k); err != nil {
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
	requireValue(t, c, k, fmt.Sprint(workers*each))
	requireNoLocks(t, c, "agginc")
}

func aggressiveIncrement(ctx context.Context, c *txnkv.Client, k []byte) error {
	txn, err := c.Begin()
	if err != nil {
		return err
	}
	txn.SetPessimistic(true)
	txn.StartAggressiveLocking()
	ts, err := c.CurrentTimestamp("global")
	if err != nil {
		return err
	}
	lock := lockContext(ts, 20_000)
	lock.InitReturnValues(1)
	if err := txn.LockKeys(ctx, lock, k); err != nil {
		txn.CancelAggressiveLocking(ctx)
		txn.Rollback()
		return err
	}
	txn.DoneAggressiveLocking(ctx)
	n := 0
	fmt.Sscan(string(lock.Values[string(k)].Value), &n)
	if err := txn.Set(k, []byte(fmt.Sprint(n+1))); err != nil {
		return err
	}
	return txn.Commit(ctx)
}

// TestDeadlocksAreResolved lets many clients lock the same few keys in any order: whoever is told of a deadlock begins
// anew, and all come to their end.
func TestDeadlocksAreResolved(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	const workers, each, keys = 6, 8, 4
	deadlocks := make(chan int, workers)
	errs := make(chan error, workers)
	began := time.Now()
	for w := 0; w < workers; w++ {
		go func() {
			met := 0
			for i := 0; i < each; {
				err := lockInTurn(ctx, c, keys, w+i)
				var deadlock *tikverr.ErrDeadlock
				switch {
				case err == nil:
					i++
				case asDeadlock(err, &deadlock):
					met++
				case tikverr.IsErrWriteConflict(err):
				default:
					errs <- err
					return
				}
			}
			deadlocks <- met
			errs <- nil
		}()
	}
	for w := 0; w < workers; w++ {
		require.NoError(t, <-errs)
	}
	met := 0
	for w := 0; w < workers; w++ {
		met += <-deadlocks
	}
	t.Logf("%d transactions, %d deadlocks, %v", workers*each, met, time.Since(began).Round(time.Millisecond))
	total := 0
	for i := 0; i < keys; i++ {
		v, err := get(t, c, key("deadlock", i))
		require.NoError(t, err)
		n := 0
		fmt.Sscan(string(v), &n)
		total += n
	}
	require.Equal(t, workers*each*2, total)
	requireNoLocks(t, c, "deadlock")
}

// lockInTurn increments two of the keys, in an order that `turn` chooses.
func lockInTurn(ctx context.Context, c *txnkv.Client, keys, turn int) error {
	txn, err := c.Begin()
	if err != nil {
		return err
	}
	txn.SetPessimistic(true)
	first, second := turn%keys, (turn+1+turn/keys%(keys-1))%keys
	for _, i := range []int{first, second} {
		ts, err := c.CurrentTimestamp("global")
		if err != nil {
			return err
		}
		lock := lockContext(ts, 20_000)
		lock.InitReturnValues(1)
		k := key("deadlock", i)
		if err := txn.LockKeys(ctx, lock, k); err != nil {
			txn.Rollback()
			return err
		}
		n := 0
		fmt.Sscan(string(lock.Values[string(k)].Value), &n)
		if err := txn.Set(k, []byte(fmt.Sprint(n+1))); err != nil {
			return err
		}
		time.Sleep(2 * time.Millisecond) // so that the other comes in between
	}
	return txn.Commit(ctx)
}
