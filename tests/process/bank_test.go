package process

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/stretchr/testify/require"
	tikverr "github.com/tikv/client-go/v2/error"
	"github.com/tikv/client-go/v2/kv"
	"github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"
	"github.com/tikv/client-go/v2/txnkv"
	"github.com/tikv/client-go/v2/txnkv/transaction"

	"cairn.test/harness"
)

const (
	accounts = 24
	initial  = 1000
	cells    = 6 // registers that are read and written one by one
)

// bankTime is how long the bank is open; $CAIRN_BANK_SECONDS overrides it.
func bankTime() time.Duration {
	if n, err := strconv.Atoi(os.Getenv("CAIRN_BANK_SECONDS")); err == nil {
		return time.Duration(n) * time.Second
	}
	return 40 * time.Second
}

// bank is what the clients of the test share.
type bank struct {
	c                                   *txnkv.Client
	stop                                chan struct{}
	longest                             atomic.Int64 // nanoseconds of one operation
	began                               time.Time
	transfers, refused, unknown, audits atomic.Int64
	deadlocks, lockTimeouts, oldAudits  atomic.Int64
	lock                                sync.Mutex
	acknowledged                        map[string]bool // keys of records
	denied                              map[string]bool
	history                             []porcupine.Operation
	failures                            []string
	timestamps                          []uint64 // of audits, to look back at
}

func (b *bank) fail(format string, args ...any) {
	b.lock.Lock()
	defer b.lock.Unlock()
	if len(b.failures) < 10 {
		b.failures = append(b.failures, fmt.Sprintf(format, args...))
	}
}

func (b *bank) isOver() bool {
	select {
	case <-b.stop:
		return true
	default:
		return false
	}
}

func account(i int) []byte { return []byte(fmt.Sprintf("bank/%02d", i)) }
func cell(i int) []byte    { return []byte(fmt.Sprintf("cell/%02d", i)) }

// drawMode sets how a transaction commits, by dice.
func drawMode(txn *transaction.KVTxn, dice *rand.Rand) (pessimistic bool) {
	pessimistic = dice.Intn(2) == 0
	txn.SetPessimistic(pessimistic)
	txn.SetEnableAsyncCommit(dice.Intn(2) == 0)
	txn.SetEnable1PC(dice.Intn(3) == 0)
	return pessimistic
}

func limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 20*time.Second)
}

// balances of two accounts; under locks, in the order in which they are named, if the transaction is pessimistic.
func (b *bank) balances(ctx context.Context, txn *transaction.KVTxn, pessimistic bool, first, second int) (map[int]int, error) {
	found := map[int]int{}
	for _, i := range []int{first, second} {
		k := account(i)
		var value []byte
		if pessimistic {
			ts, err := b.c.CurrentTimestamp("global")
			if err != nil {
				return nil, err
			}
			lock := kv.NewLockCtx(ts, 3000, time.Now())
			lock.InitReturnValues(1)
			if err := txn.LockKeys(ctx, lock, k); err != nil {
				return nil, err
			}
			value = lock.Values[string(k)].Value
		} else {
			var err error
			if value, err = txn.Get(ctx, k); err != nil {
				return nil, err
			}
		}
		n, err := strconv.Atoi(string(value))
		if err != nil {
			b.fail("account %d holds %q", i, value)
			return nil, err
		}
		found[i] = n
	}
	return found, nil
}

func (b *bank) transfer(worker, n int, dice *rand.Rand) {
	ctx, cancel := limited()
	defer cancel()
	txn, err := b.c.Begin()
	if err != nil {
		return
	}
	from := dice.Intn(accounts)
	to := (from + 1 + dice.Intn(accounts-1)) % accounts
	amount := 1 + dice.Intn(9)
	held, err := b.balances(ctx, txn, drawMode(txn, dice), from, to)
	if err != nil {
		var deadlock *tikverr.ErrDeadlock
		if errors.As(err, &deadlock) {
			b.deadlocks.Add(1)
		} else if errors.Is(err, tikverr.ErrLockWaitTimeout) {
			b.lockTimeouts.Add(1)
		}
		txn.Rollback()
		return
	}
	record := fmt.Sprintf("record/%02d/%02d/%02d/%02d-%d", from, to, amount, worker, n)
	txn.Set(account(from), []byte(strconv.Itoa(held[from]-amount)))
	txn.Set(account(to), []byte(strconv.Itoa(held[to]+amount)))
	txn.Set([]byte(record), []byte("x"))
	err = txn.Commit(ctx)
	b.lock.Lock()
	defer b.lock.Unlock()
	switch {
	case err == nil:
		b.transfers.Add(1)
		b.acknowledged[record] = true
	case tikverr.IsErrWriteConflict(err):
		b.refused.Add(1)
		b.denied[record] = true
	default:
		b.unknown.Add(1)
	}
}

// audit adds up all accounts in one snapshot: a new one, or one of the past.
func (b *bank) audit(dice *rand.Rand) {
	ts, err := b.c.CurrentTimestamp("global")
	if err != nil {
		return
	}
	b.lock.Lock()
	isOld := len(b.timestamps) > 0 && dice.Intn(4) == 0
	if isOld {
		ts = b.timestamps[dice.Intn(len(b.timestamps))]
	} else {
		b.timestamps = append(b.timestamps, ts)
	}
	b.lock.Unlock()
	total, count, err := sum(b.c, ts, dice.Intn(2) == 0)
	if err != nil {
		return
	}
	if count != accounts || total != accounts*initial {
		b.fail("at %d %d accounts hold %d", ts, count, total)
	}
	b.audits.Add(1)
	if isOld {
		b.oldAudits.Add(1)
	}
}

func sum(c *txnkv.Client, ts uint64, byScan bool) (total, count int, err error) {
	snapshot := c.GetSnapshot(ts)
	add := func(v []byte) {
		n, _ := strconv.Atoi(string(v))
		total += n
		count++
	}
	if byScan {
		it, err := snapshot.Iter([]byte("bank/"), []byte("bank0"))
		for ; err == nil && it.Valid(); err = it.Next() {
			add(it.Value())
		}
		return total, count, err
	}
	ctx, cancel := limited()
	defer cancel()
	var keys [][]byte
	for i := 0; i < accounts; i++ {
		keys = append(keys, account(i))
	}
	got, err := snapshot.BatchGet(ctx, keys)
	for _, v := range got {
		add(v)
	}
	return total, count, err
}

// access is one read or write of a register.
type access struct {
	cell    int
	isWrite bool
	value   string
}

// touch reads or writes one register in a transaction of its own, and notes when.
func (b *bank) touch(worker, n int, dice *rand.Rand) {
	ctx, cancel := limited()
	defer cancel()
	op := access{cell: dice.Intn(cells), isWrite: dice.Intn(2) == 0}
	called := time.Since(b.began).Nanoseconds()
	txn, err := b.c.Begin()
	if err != nil {
		return
	}
	seen := ""
	isKnown := true
	if op.isWrite {
		op.value = fmt.Sprintf("%d-%d", worker, n)
		txn.SetEnableAsyncCommit(dice.Intn(2) == 0)
		txn.SetEnable1PC(dice.Intn(2) == 0)
		txn.Set(cell(op.cell), []byte(op.value))
		if err := txn.Commit(ctx); tikverr.IsErrWriteConflict(err) {
			return // it did not happen
		} else if err != nil {
			isKnown = false
		}
	} else {
		value, err := txn.Get(ctx, cell(op.cell))
		if err != nil && !tikverr.IsErrNotFound(err) {
			return
		}
		seen = string(value)
	}
	returned := time.Since(b.began).Nanoseconds()
	if !isKnown {
		returned = (24 * time.Hour).Nanoseconds() // it may still happen
	}
	b.lock.Lock()
	defer b.lock.Unlock()
	b.history = append(b.history, porcupine.Operation{ClientId: worker, Input: op, Call: called, Output: seen, Return: returned})
}

// registers says that a read returns what was written last, for each register by itself.
var registers = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		parts := make([][]porcupine.Operation, cells)
		for _, op := range history {
			at := op.Input.(access).cell
			parts[at] = append(parts[at], op)
		}
		return parts
	},
	Init: func() interface{} { return "" },
	Step: func(state, input, output interface{}) (bool, interface{}) {
		if op := input.(access); op.isWrite {
			return true, op.value
		}
		return output.(string) == state.(string), state
	},
}

func (b *bank) work(worker int) {
	dice := rand.New(rand.NewSource(int64(worker)))
	for n := 0; !b.isOver(); n++ {
		began := time.Now()
		switch dice.Intn(10) {
		case 0, 1:
			b.audit(dice)
		case 2, 3, 4:
			b.touch(worker, n, dice)
		default:
			b.transfer(worker, n, dice)
		}
		if took := int64(time.Since(began)); took > b.longest.Load() {
			b.longest.Store(took) // about: two may meet
		}
		time.Sleep(time.Duration(dice.Intn(10)) * time.Millisecond)
	}
}

// openBank makes the accounts, over several regions.
func openBank(t *testing.T, ctx context.Context, c *harness.Cluster) *txnkv.Client {
	t.Helper()
	client, err := txnkv.NewClient(c.PDs())
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	_, err = client.SplitRegions(ctx, [][]byte{account(6), account(12), account(18), cell(0), cell(3)}, false, nil)
	require.NoError(t, err)
	txn, err := client.Begin()
	require.NoError(t, err)
	for i := 0; i < accounts; i++ {
		require.NoError(t, txn.Set(account(i), []byte(strconv.Itoa(initial))))
	}
	require.NoError(t, txn.Commit(ctx))
	return client
}

// TestABankThatIsKilledKeepsItsMoney runs transfers in every mode over several regions, audits and single registers,
// while stores and PD are killed with -9 and started again and regions are split. No snapshot, new or old, shows money
// lost or found; in the end every account is what the records of its transfers say; each register is linearizable; no
// lock stays.
func TestABankThatIsKilledKeepsItsMoney(t *testing.T) {
	ctx := context.Background()
	c, pdc := newCluster(t, harness.Options{})
	client := openBank(t, ctx, c)

	b := &bank{c: client, stop: make(chan struct{}), began: time.Now(), acknowledged: map[string]bool{}, denied: map[string]bool{}}
	var wg sync.WaitGroup
	for w := 0; w < 8; w++ {
		wg.Add(1)
		go func(worker int) {
			defer wg.Done()
			b.work(worker)
		}(w)
	}
	deaths := 0
	dice := rand.New(rand.NewSource(time.Now().UnixNano()))
	for end := time.Now().Add(bankTime()); time.Now().Before(end); deaths++ {
		time.Sleep(time.Duration(1500+dice.Intn(2000)) * time.Millisecond)
		victim := c.PD
		if deaths%4 != 3 {
			victim = c.Stores[dice.Intn(len(c.Stores))]
		}
		victim.Kill()
		time.Sleep(time.Duration(dice.Intn(1500)) * time.Millisecond)
		c.Restart(victim)
		if victim != c.PD {
			harness.Eventually(t, 60*time.Second, "the store is back", func() bool { return harness.StatusOK(victim) })
		}
		back, count := time.Now(), b.transfers.Load()
		harness.Eventually(t, 60*time.Second, "transfers go on after a death", func() bool { return b.transfers.Load() >= count+5 })
		t.Logf("%v: %s was killed and is back; five transfers after %v", time.Since(b.began).Round(time.Second), victim.Name,
			time.Since(back).Round(10*time.Millisecond))
		if deaths%3 == 2 {
			limit, cancel := context.WithTimeout(ctx, 5*time.Second)
			client.SplitRegions(limit, [][]byte{account(dice.Intn(accounts))}, false, nil)
			cancel()
		}
	}
	t.Logf("%v: all is up", time.Since(b.began).Round(time.Second))
	close(b.stop)
	wg.Wait()
	t.Logf("%v: the clients have ended; the longest operation: %v", time.Since(b.began).Round(time.Second), time.Duration(b.longest.Load()).Round(time.Millisecond))
	settle(t, c, pdc)
	t.Logf("%v: the bank is closed", time.Since(b.began).Round(time.Second))
	require.Empty(t, b.failures)

	checkBooks(t, b)
	result := porcupine.CheckOperationsTimeout(registers, b.history, 60*time.Second)
	require.NotEqual(t, porcupine.CheckResult(porcupine.Illegal), result, "the registers are not linearizable")
	t.Logf("%v: the books are checked", time.Since(b.began).Round(time.Second))
	requireNoLockStays(t, client)
	t.Logf("%v: no lock is left", time.Since(b.began).Round(time.Second))
	t.Logf("%d deaths; transfers: %d acknowledged, %d refused, %d unknown, %d deadlocks, %d lock timeouts; %d audits (%d of the past); "+
		"%d accesses to registers: %v", deaths, b.transfers.Load(), b.refused.Load(), b.unknown.Load(), b.deadlocks.Load(),
		b.lockTimeouts.Load(), b.audits.Load(), b.oldAudits.Load(), len(b.history), result)
	require.NotZero(t, b.audits.Load())
}

// checkBooks compares the accounts with the records of the transfers, in one snapshot.
func checkBooks(t *testing.T, b *bank) {
	t.Helper()
	ts, err := b.c.CurrentTimestamp("global")
	require.NoError(t, err)
	expected := map[int]int{}
	for i := 0; i < accounts; i++ {
		expected[i] = initial
	}
	found := map[string]bool{}
	it, err := b.c.GetSnapshot(ts).Iter([]byte("record/"), []byte("record0"))
	require.NoError(t, err)
	for ; it.Valid(); require.NoError(t, it.Next()) {
		var from, to, amount int
		_, err := fmt.Sscanf(string(it.Key()), "record/%d/%d/%d/", &from, &to, &amount)
		require.NoError(t, err)
		expected[from] -= amount
		expected[to] += amount
		found[string(it.Key())] = true
	}
	for record := range b.acknowledged {
		require.True(t, found[record], "%s was acknowledged and is not there", record)
	}
	for record := range b.denied {
		require.False(t, found[record], "%s was refused and is there", record)
	}
	for i := 0; i < accounts; i++ {
		v, err := b.c.GetSnapshot(ts).Get(context.Background(), account(i))
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(expected[i]), string(v), "account %d", i)
	}
}

// requireNoLockStays locks each key once, so that whatever was left must give way, and then looks for locks.
func requireNoLockStays(t *testing.T, client *txnkv.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	var keys [][]byte
	for i := 0; i < accounts; i++ {
		keys = append(keys, account(i))
	}
	for i := 0; i < cells; i++ {
		keys = append(keys, cell(i))
	}
	for _, k := range keys {
		for {
			txn, err := client.Begin()
			require.NoError(t, err)
			txn.SetPessimistic(true)
			err = txn.LockKeysWithWaitTime(ctx, 40_000, k)
			txn.Rollback()
			if !tikverr.IsErrWriteConflict(err) {
				require.NoError(t, err, "%s", k)
				break
			}
		}
	}
	// Of a dead client's records that nobody ever read again, some may still be locked: reading them ends that.
	harness.Eventually(t, 30*time.Second, "no lock is left", func() bool {
		ts, err := client.CurrentTimestamp("global")
		require.NoError(t, err)
		it, err := client.GetSnapshot(ts).Iter([]byte("record/"), []byte("record0"))
		for ; err == nil && it.Valid(); err = it.Next() {
		}
		require.NoError(t, err)
		locks, err := countLocks(client, ts)
		return err == nil && locks == 0
	})
}

func countLocks(client *txnkv.Client, ts uint64) (int, error) {
	bo := tikv.NewBackofferWithVars(context.Background(), 20000, nil)
	count := 0
	for start := []byte("bank/"); ; {
		at, err := client.GetRegionCache().LocateKey(bo, start)
		if err != nil {
			return 0, err
		}
		request := tikvrpc.NewRequest(tikvrpc.CmdScanLock, &kvrpcpb.ScanLockRequest{StartKey: start, EndKey: []byte("s"), MaxVersion: ts, Limit: 10000})
		response, err := client.SendReq(bo, request, at.Region, 10*time.Second)
		if err != nil {
			return 0, err
		}
		if regionErr, err := response.GetRegionError(); err != nil || regionErr != nil {
			return 0, fmt.Errorf("region error %v %v", regionErr, err)
		}
		count += len(response.Resp.(*kvrpcpb.ScanLockResponse).Locks)
		if len(at.EndKey) == 0 || string(at.EndKey) >= "s" {
			return count, nil
		}
		start = at.EndKey
	}
}
