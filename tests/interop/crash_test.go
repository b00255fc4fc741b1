package interop

import (
	"context"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/stretchr/testify/require"
	tikverr "github.com/tikv/client-go/v2/error"
	"github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"
	"github.com/tikv/client-go/v2/txnkv"
	"github.com/tikv/client-go/v2/txnkv/transaction"
)

// Clients that die at each step of a transaction. Another client then reads and writes the keys: the outcome is the
// one that the step allows, and no lock stays. Each test's keys lie in two regions.

// ttl of the locks that a dead client leaves, so that the tests need not wait for long.
const shortTTL = 600

// dying is a transaction of n keys prefix/0... whose steps are taken one by one.
type dying struct {
	t         *testing.T
	c         *txnkv.Client
	prefix    string
	n         int
	committer transaction.CommitterProbe
	startTS   uint64
}

func newDying(t *testing.T, c *txnkv.Client, prefix string, n int, m mode) *dying {
	t.Helper()
	splitAt(t, c, prefix, n/2)
	put(t, c, values(n, prefix, "old"))
	txn := beginIn(t, c, m)
	for k := range values(n, prefix, "") {
		require.NoError(t, txn.Set([]byte(k), []byte("new")))
	}
	committer, err := transaction.TxnProbe{KVTxn: txn}.NewCommitter(1)
	require.NoError(t, err)
	committer.SetLockTTL(shortTTL)
	committer.SetPrimaryKey(key(prefix, 0))
	if m.async {
		committer.SetUseAsyncCommit()
		committer.SetMinCommitTS(now(t, c) + 1)
	}
	return &dying{t: t, c: c, prefix: prefix, n: n, committer: committer, startTS: txn.StartTS()}
}

// prewrite locks the keys from `first` up to, without, `last`.
func (d *dying) prewrite(first, last int) {
	d.t.Helper()
	var keys [][]byte
	for i := first; i < last; i++ {
		keys = append(keys, key(d.prefix, i))
	}
	require.NoError(d.t, d.committer.PrewriteMutations(context.Background(), d.committer.MutationsOfKeys(keys)))
	d.committer.CloseTTLManager()
}

// commit commits the keys from `first` up to, without, `last`.
func (d *dying) commit(commitTS uint64, first, last int) {
	d.t.Helper()
	for i := first; i < last; i++ {
		k := key(d.prefix, i)
		response := send(d.t, d.c, k, tikvrpc.CmdCommit, &kvrpcpb.CommitRequest{StartVersion: d.startTS, Keys: [][]byte{k}, CommitVersion: commitTS}).(*kvrpcpb.CommitResponse)
		require.Nil(d.t, response.Error)
	}
}

// requireOutcome reads all keys with a client that never saw the transaction, writes them, and looks for locks.
func (d *dying) requireOutcome(isCommitted bool) {
	t := d.t
	t.Helper()
	other := txnClient(t)
	for i := 0; i < d.n; i++ {
		want := "new"
		if !isCommitted {
			want = values(d.n, d.prefix, "old")[string(key(d.prefix, i))]
		}
		requireValue(t, other, key(d.prefix, i), want)
	}
	began := time.Now()
	put(t, other, values(d.n, d.prefix, "after"))
	require.Less(t, time.Since(began), 10*time.Second)
	for i := 0; i < d.n; i++ {
		if isCommitted {
			require.Eventually(t, func() bool { return writeOf(t, other, key(d.prefix, i), d.startTS) != nil }, 10*time.Second, 10*time.Millisecond)
		}
		w := writeOf(t, other, key(d.prefix, i), d.startTS)
		require.Equal(t, isCommitted, w != nil && w.Type == kvrpcpb.Op_Put, "key %d: %v", i, w)
	}
	requireNoLocks(t, other, d.prefix)
}

// requireCannotCommit: what was rolled back stays so, even if its client comes back to life.
func (d *dying) requireCannotCommit() {
	d.t.Helper()
	d.committer.SetCommitTS(now(d.t, d.c))
	require.Error(d.t, d.committer.CommitMutations(context.Background()))
}

func TestAClientDiesAfterSomePrewrites(t *testing.T) {
	c := txnClient(t)
	t.Run("the primary is locked", func(t *testing.T) {
		d := newDying(t, c, "dsome", 8, mode{})
		d.prewrite(0, 3)
		d.requireOutcome(false)
		d.requireCannotCommit()
	})
	t.Run("the primary is not locked", func(t *testing.T) {
		d := newDying(t, c, "dnoprimary", 8, mode{})
		d.prewrite(5, 8)
		d.requireOutcome(false)
		// Its other prewrites must fail, however late they come.
		err := d.committer.PrewriteAllMutations(context.Background())
		require.Error(t, err)
		requireNoLocks(t, c, "dnoprimary")
	})
}

func TestAClientDiesAfterAllPrewrites(t *testing.T) {
	c := txnClient(t)
	d := newDying(t, c, "dall", 8, mode{})
	d.prewrite(0, 8)
	d.requireOutcome(false)
	d.requireCannotCommit()
}

func TestAClientDiesAfterThePrimarysCommit(t *testing.T) {
	c := txnClient(t)
	d := newDying(t, c, "dprimary", 8, mode{})
	d.prewrite(0, 8)
	d.commit(now(t, c), 0, 1)
	d.requireOutcome(true)
}

func TestAClientDiesAfterSomeOfTheSecondaries(t *testing.T) {
	c := txnClient(t)
	d := newDying(t, c, "dsecond", 8, mode{})
	d.prewrite(0, 8)
	ts := now(t, c)
	d.commit(ts, 0, 3)
	d.commit(ts, 5, 6)
	d.requireOutcome(true)
}

func TestAClientDiesInAnAsyncCommit(t *testing.T) {
	c := txnClient(t)
	t.Run("all locks are there: it is committed", func(t *testing.T) {
		d := newDying(t, c, "dasync", 8, mode{async: true})
		d.prewrite(0, 8)
		require.True(t, d.committer.IsAsyncCommit())
		lock := mvcc(t, c, key("dasync", 0)).Lock
		require.Len(t, lock.GetSecondaries(), 7)
		d.requireOutcome(true)
		// Each key at one and the same timestamp, which the locks themselves determined.
		first := writeOf(t, c, key("dasync", 0), d.startTS)
		for i := 1; i < 8; i++ {
			require.Equal(t, first.CommitTs, writeOf(t, c, key("dasync", i), d.startTS).CommitTs)
		}
		require.Equal(t, d.committer.GetMinCommitTS(), first.CommitTs)
	})
	t.Run("one lock is missing: it is rolled back", func(t *testing.T) {
		d := newDying(t, c, "dasyncpart", 8, mode{async: true})
		d.prewrite(0, 7)
		d.requireOutcome(false)
		require.Error(t, d.committer.PrewriteAllMutations(context.Background()))
		requireNoLocks(t, c, "dasyncpart")
	})
	t.Run("the primary is missing: it is rolled back", func(t *testing.T) {
		d := newDying(t, c, "dasyncprim", 8, mode{async: true})
		d.prewrite(4, 8)
		d.requireOutcome(false)
	})
	t.Run("a secondary is committed already: so are the others, at its timestamp", func(t *testing.T) {
		d := newDying(t, c, "dasyncsec", 8, mode{async: true})
		d.prewrite(0, 8)
		ts := d.committer.GetMinCommitTS()
		d.commit(ts, 6, 7)
		d.requireOutcome(true)
		require.Equal(t, ts, writeOf(t, c, key("dasyncsec", 0), d.startTS).CommitTs)
	})
	t.Run("it fell back and committed its primary later: the primary decides", func(t *testing.T) {
		d := newDying(t, c, "dasyncback", 8, mode{async: true})
		d.prewrite(0, 8)
		ts := now(t, c)
		d.commit(ts, 0, 1)
		d.requireOutcome(true)
		require.Equal(t, ts, writeOf(t, c, key("dasyncback", 7), d.startTS).CommitTs)
	})
}

// TestAClientDiesInOnePhase: the one request decides all, and leaves no lock to anybody. Sent again it changes nothing.
func TestAClientDiesInOnePhase(t *testing.T) {
	c := txnClient(t)
	put(t, c, values(3, "done", "old"))
	startTS := now(t, c)
	request := &kvrpcpb.PrewriteRequest{PrimaryLock: key("done", 0), StartVersion: startTS, LockTtl: shortTTL, TryOnePc: true, TxnSize: 3, MinCommitTs: startTS + 1}
	for i := 0; i < 3; i++ {
		request.Mutations = append(request.Mutations, &kvrpcpb.Mutation{Op: kvrpcpb.Op_Put, Key: key("done", i), Value: []byte("new")})
	}
	first := send(t, c, key("done", 0), tikvrpc.CmdPrewrite, request).(*kvrpcpb.PrewriteResponse)
	require.Empty(t, first.Errors)
	require.NotZero(t, first.OnePcCommitTs)
	require.Empty(t, locksUnder(t, c, "done"))
	put(t, c, map[string]string{string(key("done", 1)): "after"})
	again := send(t, c, key("done", 0), tikvrpc.CmdPrewrite, request).(*kvrpcpb.PrewriteResponse)
	require.Empty(t, again.Errors)
	require.Equal(t, first.OnePcCommitTs, again.OnePcCommitTs)
	requireValue(t, c, key("done", 0), "new")
	requireValue(t, c, key("done", 1), "after")
	requireNoLocks(t, c, "done")
}

// lockRaw takes pessimistic locks as a client would that then dies: nothing keeps them alive.
func lockRaw(t *testing.T, c *txnkv.Client, startTS uint64, primary []byte, keys ...[]byte) {
	t.Helper()
	for _, k := range keys {
		response := send(t, c, k, tikvrpc.CmdPessimisticLock, &kvrpcpb.PessimisticLockRequest{
			Mutations:   []*kvrpcpb.Mutation{{Op: kvrpcpb.Op_PessimisticLock, Key: k}},
			PrimaryLock: primary, StartVersion: startTS, ForUpdateTs: startTS, LockTtl: shortTTL, WaitTimeout: -1}).(*kvrpcpb.PessimisticLockResponse)
		require.Empty(t, response.Errors)
	}
}

func TestAClientDiesAfterItsPessimisticLocks(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	splitAt(t, c, "dpess", 2)
	put(t, c, values(4, "dpess", "old"))
	startTS := now(t, c)
	lockRaw(t, c, startTS, key("dpess", 0), key("dpess", 0), key("dpess", 1), key("dpess", 2), key("dpess", 3))
	began := time.Now()
	for i := 0; i < 4; i++ {
		requireValue(t, c, key("dpess", i), values(4, "dpess", "old")[string(key("dpess", i))])
	}
	require.Less(t, time.Since(began), 2*time.Second, "reads do not mind pessimistic locks")
	other := beginIn(t, c, mode{pessimistic: true})
	for i := 3; i >= 0; i-- { // the primary at last
		require.NoError(t, lockOne(ctx, other, 10_000, key("dpess", i)))
		require.NoError(t, other.Set(key("dpess", i), []byte("other")))
	}
	require.NoError(t, other.Commit(ctx))
	requireNoLocks(t, c, "dpess")
	// The dead one comes back and prewrites: its locks are gone, and the keys are newer.
	response := send(t, c, key("dpess", 0), tikvrpc.CmdPrewrite, &kvrpcpb.PrewriteRequest{
		Mutations:   []*kvrpcpb.Mutation{{Op: kvrpcpb.Op_Put, Key: key("dpess", 0), Value: []byte("zombie")}},
		PrimaryLock: key("dpess", 0), StartVersion: startTS, ForUpdateTs: startTS, LockTtl: shortTTL,
		PessimisticActions: []kvrpcpb.PrewriteRequest_PessimisticAction{kvrpcpb.PrewriteRequest_DO_PESSIMISTIC_CHECK}}).(*kvrpcpb.PrewriteResponse)
	require.NotEmpty(t, response.Errors)
	requireValue(t, c, key("dpess", 0), "other")
}

func TestAClientDiesAfterPessimisticLocksAndSomePrewrites(t *testing.T) {
	c := txnClient(t)
	splitAt(t, c, "dpesspre", 2)
	put(t, c, values(4, "dpesspre", "old"))
	startTS := now(t, c)
	lockRaw(t, c, startTS, key("dpesspre", 0), key("dpesspre", 0), key("dpesspre", 1), key("dpesspre", 2), key("dpesspre", 3))
	for _, i := range []int{0, 2} {
		response := send(t, c, key("dpesspre", i), tikvrpc.CmdPrewrite, &kvrpcpb.PrewriteRequest{
			Mutations:   []*kvrpcpb.Mutation{{Op: kvrpcpb.Op_Put, Key: key("dpesspre", i), Value: []byte("new")}},
			PrimaryLock: key("dpesspre", 0), StartVersion: startTS, ForUpdateTs: startTS, LockTtl: shortTTL, TxnSize: 4,
			PessimisticActions: []kvrpcpb.PrewriteRequest_PessimisticAction{kvrpcpb.PrewriteRequest_DO_PESSIMISTIC_CHECK}}).(*kvrpcpb.PrewriteResponse)
		require.Empty(t, response.Errors)
	}
	put(t, txnClient(t), values(4, "dpesspre", "after"))
	for i := 0; i < 4; i++ {
		requireValue(t, c, key("dpesspre", i), values(4, "dpesspre", "after")[string(key("dpesspre", i))])
		w := writeOf(t, c, key("dpesspre", i), startTS)
		require.False(t, w != nil && w.Type == kvrpcpb.Op_Put)
	}
	requireNoLocks(t, c, "dpesspre")
}

// TestAHeartbeatKeepsATransactionAlive: beyond its locks' first time to live, and no longer than the beats come.
func TestAHeartbeatKeepsATransactionAlive(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	startTS := now(t, c)
	k := key("beat", 0)
	began := time.Now()
	lockRaw(t, c, startTS, k, k)
	store := tikv.StoreProbe{KVStore: c.KVStore}
	other := beginIn(t, c, mode{pessimistic: true})
	for time.Since(began) < 3*shortTTL*time.Millisecond {
		ttl, err := store.SendTxnHeartbeat(ctx, k, startTS, uint64(time.Since(began).Milliseconds())+shortTTL)
		require.NoError(t, err)
		require.GreaterOrEqual(t, ttl, uint64(shortTTL))
		err = lockOne(ctx, other, 100, k)
		require.ErrorIs(t, err, tikverr.ErrLockWaitTimeout)
	}
	// The client dies; its lock goes after the time to live.
	require.NoError(t, lockOne(ctx, other, 10_000, k))
	require.NoError(t, other.Rollback())
	_, err := store.SendTxnHeartbeat(ctx, k, startTS, 60_000)
	require.Error(t, err, "there is nothing left to keep alive")
	requireNoLocks(t, c, "beat")
}

// TestClientGoKeepsItsPessimisticTransactionAlive uses the client's own heartbeat, made faster.
func TestClientGoKeepsItsPessimisticTransactionAlive(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	old := transaction.ManagedLockTTL
	transaction.ManagedLockTTL = 1000
	defer func() { transaction.ManagedLockTTL = old }()
	txn := beginIn(t, c, mode{pessimistic: true})
	require.NoError(t, lockOne(ctx, txn, 1000, key("ownbeat", 0)))
	other := beginIn(t, c, mode{pessimistic: true})
	require.ErrorIs(t, lockOne(ctx, other, 3500, key("ownbeat", 0)), tikverr.ErrLockWaitTimeout)
	require.NoError(t, txn.Set(key("ownbeat", 0), []byte("v")))
	require.NoError(t, txn.Commit(ctx))
	require.NoError(t, lockOne(ctx, other, 5000, key("ownbeat", 0)))
	require.NoError(t, other.Rollback())
	requireNoLocks(t, c, "ownbeat")
}
