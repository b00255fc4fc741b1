package interop

import (
	"context"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/pingcap/kvproto/pkg/tikvpb"
	"github.com/stretchr/testify/require"
	"github.com/tikv/client-go/v2/tikvrpc"
	"github.com/tikv/client-go/v2/txnkv"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// leaderOf asks PD for the region of a key, and dials its leader.
func leaderOf(t *testing.T, c *txnkv.Client, k []byte) (*metapb.Region, *kvrpcpb.Context, tikvpb.TikvClient) {
	t.Helper()
	ctx := context.Background()
	// The client adds the encoding of keys to what PD is asked.
	at, err := c.GetPDClient().GetRegion(ctx, k)
	require.NoError(t, err)
	require.NotNil(t, at.Leader)
	store, err := c.GetPDClient().GetStore(ctx, at.Leader.StoreId)
	require.NoError(t, err)
	conn, err := grpc.Dial(store.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return at.Meta, &kvrpcpb.Context{RegionId: at.Meta.Id, RegionEpoch: at.Meta.RegionEpoch, Peer: at.Leader}, tikvpb.NewTikvClient(conn)
}

// A client that knows a region as it was before its splits learns of all parts from one refusal.
func TestARequestWithAnOldEpochIsToldOfAllParts(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	before, old, store := leaderOf(t, c, []byte("siblings/m"))
	_, err := c.SplitRegions(ctx, [][]byte{[]byte("siblings/d"), []byte("siblings/m"), []byte("siblings/t")}, false, nil)
	require.NoError(t, err)
	ts, err := c.CurrentTimestamp("global")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		answer, err := store.KvGet(ctx, &kvrpcpb.GetRequest{Context: old, Key: []byte("siblings/m"), Version: ts})
		require.NoError(t, err)
		mismatch := answer.GetRegionError().GetEpochNotMatch()
		if mismatch == nil || len(mismatch.CurrentRegions) < 4 {
			return false // the last of the splits is still to come
		}
		require.Equal(t, before.Id, mismatch.CurrentRegions[0].Id, "the region itself comes first")
		for i := 1; i < 4; i++ {
			require.Equal(t, mismatch.CurrentRegions[i-1].StartKey, mismatch.CurrentRegions[i].EndKey)
			require.Len(t, mismatch.CurrentRegions[i].Peers, len(before.Peers))
		}
		return true
	}, 20*time.Second, 50*time.Millisecond)
}

func TestAnswersSayWhatTheyCost(t *testing.T) {
	c := txnClient(t)
	k := []byte("cost/a")
	ts, err := c.CurrentTimestamp("global")
	require.NoError(t, err)
	prewrite := send(t, c, k, tikvrpc.CmdPrewrite, &kvrpcpb.PrewriteRequest{
		Mutations:    []*kvrpcpb.Mutation{{Op: kvrpcpb.Op_Put, Key: k, Value: []byte("value")}},
		PrimaryLock:  k,
		StartVersion: ts,
		LockTtl:      20000,
	}).(*kvrpcpb.PrewriteResponse)
	require.Empty(t, prewrite.Errors)
	write := prewrite.ExecDetailsV2.GetWriteDetail()
	require.NotZero(t, write.GetPersistLogNanos(), "%v", write)
	require.NotZero(t, write.GetCommitLogNanos(), "%v", write)
	require.NotZero(t, write.GetApplyLogNanos(), "%v", write)
	commitTS, err := c.CurrentTimestamp("global")
	require.NoError(t, err)
	commit := send(t, c, k, tikvrpc.CmdCommit, &kvrpcpb.CommitRequest{Keys: [][]byte{k}, StartVersion: ts, CommitVersion: commitTS}).(*kvrpcpb.CommitResponse)
	require.Nil(t, commit.Error)
	got := send(t, c, k, tikvrpc.CmdGet, &kvrpcpb.GetRequest{Key: k, Version: commitTS}).(*kvrpcpb.GetResponse)
	require.Equal(t, "value", string(got.Value))
	scan := got.ExecDetailsV2.GetScanDetailV2()
	require.EqualValues(t, 1, scan.GetProcessedVersions())
	require.GreaterOrEqual(t, scan.GetTotalVersions(), uint64(1))
	require.Greater(t, scan.GetProcessedVersionsSize(), uint64(len("value")))
	times := got.ExecDetailsV2.GetTimeDetailV2()
	require.NotZero(t, times.GetKvReadWallTimeNs())
	require.LessOrEqual(t, times.GetProcessWallTimeNs(), times.GetKvReadWallTimeNs())
}
