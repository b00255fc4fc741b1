package process

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/pdpb"
	"github.com/stretchr/testify/require"
	"github.com/tikv/client-go/v2/txnkv"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"cairn.test/harness"
)

// timestamps asks all members of PD for timestamps by the bare protocol, without back-off, and watches that they only
// grow: what is asked for after an answer lies above it, whoever answers, and none comes twice.
type timestamps struct {
	t      *testing.T
	newest atomic.Uint64
	last   atomic.Int64 // when the last one came, in ns
	count  atomic.Int64
	mutex  sync.Mutex
	seen   map[uint64]string
}

func dialPD(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.Dial(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 5 * time.Millisecond, Multiplier: 1, MaxDelay: 10 * time.Millisecond},
			MinConnectTimeout: 200 * time.Millisecond}))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

func clusterID(t *testing.T, c *harness.Cluster) uint64 {
	t.Helper()
	var id uint64
	harness.Eventually(t, 30*time.Second, "PD tells the cluster's id", func() bool {
		members := membersAt(t, c.PD.Address)
		id = members.GetHeader().GetClusterId()
		return id != 0
	})
	return id
}

func membersAt(t *testing.T, address string) *pdpb.GetMembersResponse {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := grpc.Dial(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	members, err := pdpb.NewPDClient(conn).GetMembers(ctx, &pdpb.GetMembersRequest{})
	if err != nil {
		return nil
	}
	return members
}

// watchTimestamps asks until the test is over.
func watchTimestamps(t *testing.T, c *harness.Cluster, cluster uint64) *timestamps {
	w := &timestamps{t: t, seen: map[uint64]string{}}
	ctx, cancel := context.WithCancel(context.Background())
	var asking sync.WaitGroup
	for _, member := range c.Members {
		conn := dialPD(t, member.Address)
		asking.Add(1)
		go func(name string) {
			defer asking.Done()
			for ctx.Err() == nil {
				w.ask(ctx, name, conn, cluster)
				time.Sleep(2 * time.Millisecond)
			}
		}(member.Name)
	}
	t.Cleanup(func() { cancel(); asking.Wait() })
	return w
}

func (w *timestamps) ask(ctx context.Context, name string, conn *grpc.ClientConn, cluster uint64) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := pdpb.NewPDClient(conn).Tso(ctx)
	if err != nil {
		return
	}
	for {
		before := w.newest.Load()
		// A member that stands still does not hold up the question to it for ever.
		late := time.AfterFunc(20*time.Second, cancel)
		err := stream.Send(&pdpb.TsoRequest{Header: &pdpb.RequestHeader{ClusterId: cluster}, Count: 1})
		if err != nil {
			return
		}
		answer, err := stream.Recv()
		late.Stop()
		if err != nil {
			return
		}
		w.note(name, before, uint64(answer.Timestamp.Physical)<<18+uint64(answer.Timestamp.Logical))
		time.Sleep(time.Millisecond)
	}
}

func (w *timestamps) note(name string, before, ts uint64) {
	w.last.Store(time.Now().UnixNano())
	w.count.Add(1)
	if ts <= before {
		w.t.Errorf("%s handed out %d after %d had been handed out", name, ts, before)
	}
	w.mutex.Lock()
	if other, twice := w.seen[ts]; twice {
		w.t.Errorf("%s handed out %d, and %s had, too", name, ts, other)
	}
	w.seen[ts] = name
	w.mutex.Unlock()
	for {
		newest := w.newest.Load()
		if ts <= newest || w.newest.CompareAndSwap(newest, ts) {
			return
		}
	}
}

// gapAfter is how long there is none after `what` was done; those under way come in the first moments.
func (w *timestamps) gapAfter(what func()) time.Duration {
	w.t.Helper()
	since := time.Now()
	what()
	time.Sleep(20 * time.Millisecond)
	count := w.count.Load()
	for w.count.Load() == count {
		if time.Since(since) > 30*time.Second {
			w.t.Fatal("no timestamp within 30 s")
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(since)
}

// pdLeader is the process that leads PD.
func pdLeader(t *testing.T, c *harness.Cluster) *harness.Process {
	t.Helper()
	var found *harness.Process
	harness.Eventually(t, 30*time.Second, "PD has a leader", func() bool {
		votes := map[string]int{}
		for _, member := range c.Members {
			if !member.Running() {
				continue
			}
			if told := membersAt(t, member.Address); told != nil && told.Leader != nil {
				votes[told.Leader.Name]++
			}
		}
		for _, member := range c.Members {
			if votes[member.Name] > len(c.Members)/2 && member.Running() {
				found = member
				return true
			}
		}
		return false
	})
	return found
}

// transfer moves amounts between accounts until the test is over. What it returns tells how many were committed and how
// many failed.
func transferBetween(t *testing.T, c *harness.Cluster) (committed, failed *atomic.Int64) {
	t.Helper()
	committed, failed = &atomic.Int64{}, &atomic.Int64{}
	client, err := txnkv.NewClient(c.PDs())
	require.NoError(t, err)
	const accounts = 10
	key := func(n int) []byte { return []byte(fmt.Sprintf("account%d", n)) }
	txn, err := client.Begin()
	require.NoError(t, err)
	for n := 0; n < accounts; n++ {
		require.NoError(t, txn.Set(key(n), []byte("100")))
	}
	require.NoError(t, txn.Commit(context.Background()))
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	for worker := 0; worker < 4; worker++ {
		working.Add(1)
		go func(dice *rand.Rand) {
			defer working.Done()
			for ctx.Err() == nil {
				if err := transferOnce(client, key(dice.Intn(accounts)), key(dice.Intn(accounts))); err == nil {
					committed.Add(1)
				} else if !strings.Contains(err.Error(), "WriteConflict") && !strings.Contains(err.Error(), "write conflict") {
					failed.Add(1)
					t.Logf("a transaction failed: %v", err)
				}
			}
		}(rand.New(rand.NewSource(int64(worker))))
	}
	t.Cleanup(func() { cancel(); working.Wait(); client.Close() })
	return committed, failed
}

func transferOnce(client *txnkv.Client, from, to []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	txn, err := client.Begin()
	if err != nil {
		return err
	}
	for n, key := range [][]byte{from, to} {
		value, err := txn.Get(ctx, key)
		if err != nil {
			return err
		}
		var amount int
		fmt.Sscan(string(value), &amount)
		if err := txn.Set(key, []byte(fmt.Sprint(amount-1+2*n))); err != nil {
			return err
		}
	}
	return txn.Commit(ctx)
}

// deathsOfPD is how many; CAIRN_DEATHS says otherwise.
func deathsOfPD() int {
	deaths := 20
	fmt.Sscan(os.Getenv("CAIRN_DEATHS"), &deaths)
	return deaths
}

// TestTimestampsComeSoonAfterTheDeathOfPDsLeader kills the leader of three members again and again, under transactions
// and a stream of timestamps.
func TestTimestampsComeSoonAfterTheDeathOfPDsLeader(t *testing.T) {
	c, _ := newCluster(t, harness.Options{PDs: 3})
	watch := watchTimestamps(t, c, clusterID(t, c))
	committed, failed := transferBetween(t, c)
	gaps := spans{}
	for death := 0; death < deathsOfPD(); death++ {
		leader := pdLeader(t, c)
		before := committed.Load()
		gaps = append(gaps, watch.gapAfter(leader.Kill))
		harness.Eventually(t, 60*time.Second, "transactions are committed again", func() bool { return committed.Load() > before+5 })
		c.Restart(leader)
		harness.Eventually(t, 30*time.Second, leader.Name+" is back", func() bool {
			told := membersAt(t, leader.Address)
			return told != nil && told.Leader != nil
		})
	}
	t.Logf("without timestamps: %v; %v", gaps.String(), []time.Duration(gaps))
	t.Logf("%d timestamps, %d transactions committed, %d failed", watch.count.Load(), committed.Load(), failed.Load())
	require.Less(t, gaps[len(gaps)/2], time.Second)
	require.Less(t, gaps[len(gaps)-1], 2*time.Second)
	require.Zero(t, failed.Load())
}

// TestALeaderOfPDThatStandsStillHandsOutNothingLater lets the leader stand still, and go on when another leads.
func TestALeaderOfPDThatStandsStillHandsOutNothingLater(t *testing.T) {
	c, _ := newCluster(t, harness.Options{PDs: 3})
	watch := watchTimestamps(t, c, clusterID(t, c))
	committed, _ := transferBetween(t, c)
	gaps := spans{}
	for freeze := 0; freeze < 5; freeze++ {
		leader := pdLeader(t, c)
		before := committed.Load()
		gaps = append(gaps, watch.gapAfter(func() { leader.Signal(syscall.SIGSTOP) }))
		harness.Eventually(t, 60*time.Second, "transactions are committed again", func() bool { return committed.Load() > before+5 })
		leader.Signal(syscall.SIGCONT)
		time.Sleep(300 * time.Millisecond) // what it still had to say comes now, and is watched
	}
	t.Logf("without timestamps: %v; %v", gaps.String(), []time.Duration(gaps))
	require.Less(t, gaps[len(gaps)-1], 3*time.Second)
}

// ctlMember runs `cairn ctl member`.
func ctlMember(t *testing.T, c *harness.Cluster, at *harness.Process, args ...string) (string, error) {
	t.Helper()
	args = append([]string{"ctl", "member", "--pd", "http://" + at.Address}, args...)
	out, err := exec.Command(harness.Binary(t), args...).CombinedOutput()
	return string(out), err
}

// awaitMembers waits until each of the members names as many members with client URLs, and a leader.
func awaitMembers(t *testing.T, members []*harness.Process, count int) {
	t.Helper()
	harness.Eventually(t, 60*time.Second, fmt.Sprintf("each member knows %d", count), func() bool {
		for _, member := range members {
			told := membersAt(t, member.Address)
			if told == nil || told.Leader == nil || len(told.Members) != count {
				return false
			}
			for _, one := range told.Members {
				if len(one.ClientUrls) == 0 {
					return false
				}
			}
		}
		return true
	})
}

// TestMembersOfPDJoinAndAreReplaced lets two members join one that began alone, then replaces each of the three after
// the loss of its disk, under a stream of timestamps.
func TestMembersOfPDJoinAndAreReplaced(t *testing.T) {
	c, _ := newCluster(t, harness.Options{PDs: 1})
	cluster := clusterID(t, c)
	c.JoinPD(2)
	awaitMembers(t, c.Members, 2)
	c.JoinPD(3)
	awaitMembers(t, c.Members, 3)
	time.Sleep(3 * time.Second) // they vote
	watch := watchTimestamps(t, c, cluster)
	for n, lost := range c.Members {
		gap := watch.gapAfter(lost.Kill)
		other := c.Members[(n+1)%3]
		require.NoError(t, os.RemoveAll(c.PDDir(n+1)))
		if n > 0 {
			// As it was, with an empty disk: it has forgotten what it voted for.
			c.Restart(lost)
			harness.Eventually(t, 30*time.Second, "it is refused", func() bool { return !lost.Running() })
			require.Contains(t, lost.LogText(), "if its data are lost, remove it first")
			require.NoError(t, os.RemoveAll(c.PDDir(n+1)))
		}
		harness.Eventually(t, 30*time.Second, "it is taken out", func() bool {
			out, err := ctlMember(t, c, other, "delete", lost.Name)
			t.Logf("ctl member delete %s: %s", lost.Name, out)
			return err == nil
		})
		c.RejoinPD(n+1, other)
		awaitMembers(t, c.Members, 3)
		time.Sleep(3 * time.Second)
		t.Logf("%s: without timestamps for %v", lost.Name, gap)
		require.Less(t, gap, 2*time.Second)
	}
}

// TestLeadershipOfPDIsHandedOver lets the leader resign, and end in order.
func TestLeadershipOfPDIsHandedOver(t *testing.T) {
	c, _ := newCluster(t, harness.Options{PDs: 3})
	watch := watchTimestamps(t, c, clusterID(t, c))
	for n := 0; n < 3; n++ {
		leader := pdLeader(t, c)
		gap := watch.gapAfter(func() {
			out, err := ctlMember(t, c, leader, "resign")
			require.NoError(t, err, out)
		})
		harness.Eventually(t, 10*time.Second, "another leads", func() bool { return pdLeader(t, c) != leader })
		leader = pdLeader(t, c)
		stop := watch.gapAfter(func() { leader.Signal(syscall.SIGTERM) })
		t.Logf("without timestamps: %v after it resigned, %v after it was told to stop", gap, stop)
		harness.Eventually(t, 20*time.Second, "it ends", func() bool { return !leader.Running() })
		c.Restart(leader)
		awaitMembers(t, c.Members, 3)
	}
}

// TestAFollowerOfPDPassesOnWhatIsForItsLeader asks a follower by the metadata that PD's clients send when they cannot
// reach the leader.
func TestAFollowerOfPDPassesOnWhatIsForItsLeader(t *testing.T) {
	c, _ := newCluster(t, harness.Options{PDs: 3})
	cluster := clusterID(t, c)
	awaitMembers(t, c.Members, 3)
	leader := pdLeader(t, c)
	header := &pdpb.RequestHeader{ClusterId: cluster}
	for _, member := range c.Members {
		if member == leader {
			continue
		}
		client := pdpb.NewPDClient(dialPD(t, member.Address))
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, err := client.AllocID(ctx, &pdpb.AllocIDRequest{Header: header})
		require.ErrorContains(t, err, "not leader")
		by := metadata.AppendToOutgoingContext(ctx, "pd-forwarded-host", "http://"+leader.Address)
		id, err := client.AllocID(by, &pdpb.AllocIDRequest{Header: header})
		require.NoError(t, err)
		require.NotZero(t, id.Id)
		stream, err := client.Tso(by)
		require.NoError(t, err)
		for n := uint32(1); n < 20; n++ {
			require.NoError(t, stream.Send(&pdpb.TsoRequest{Header: header, Count: n}))
			answer, err := stream.Recv()
			require.NoError(t, err)
			require.Equal(t, n, answer.Count)
		}
		require.NoError(t, stream.CloseSend())
		stranger := metadata.AppendToOutgoingContext(ctx, "pd-forwarded-host", "http://127.0.0.1:1")
		_, err = client.AllocID(stranger, &pdpb.AllocIDRequest{Header: header})
		require.ErrorContains(t, err, "no member of PD is at")
	}
}
