import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.tikv.common.TiConfiguration;
import org.tikv.common.TiSession;
import org.tikv.common.region.TiRegion;
import org.tikv.common.region.TiStore;
import org.tikv.common.util.ConcreteBackOffer;
import org.tikv.common.util.Pair;
import org.tikv.kvproto.Kvrpcpb;
import org.tikv.kvproto.Kvrpcpb.KvPair;
import org.tikv.kvproto.TikvGrpc;
import org.tikv.shade.com.google.protobuf.ByteString;
import org.tikv.txn.KVClient;

/**
 * The Java client's batchGet while another client commits to the same keys by async commit: each call must find all
 * keys, all of one transaction, and no older one than the call before. This client looks at the pairs of an answer only,
 * so a lock that is told elsewhere would make an empty answer. Usage: BatchGets PD_ADDRESS CALLS. Prints how many calls
 * there were and exits 0 if all is well.
 */
public final class BatchGets {
  private static final int KEYS = 10;

  public static void main(String[] args) throws Exception {
    int calls = Integer.parseInt(args[1]);
    List<ByteString> keys = new ArrayList<>();
    for (int i = 0; i < KEYS; i++) keys.add(bytes("java/async/" + i));
    AtomicBoolean isOver = new AtomicBoolean();
    AtomicLong committed = new AtomicLong();
    try (TiSession writing = TiSession.create(TiConfiguration.createDefault(args[0]));
        TiSession reading = TiSession.create(TiConfiguration.createDefault(args[0]));
        KVClient client = reading.createKVClient()) {
      commit(writing, keys, 0);
      Thread writer = new Thread(() -> {
        for (long number = 1; !isOver.get(); number++) {
          if (commit(writing, keys, number)) committed.incrementAndGet();
        }
      });
      writer.setDaemon(true);
      writer.start();
      int lost = 0;
      long last = 0;
      for (int call = 0; call < calls; call++) {
        long now = reading.getTimestamp().getVersion();
        Set<String> values = new HashSet<>();
        // The client changes the list that it is given.
        List<ByteString> asked = new ArrayList<>(keys);
        List<KvPair> pairs = client.batchGet(ConcreteBackOffer.newCustomBackOff(20_000), asked, now);
        for (KvPair pair : pairs) values.add(pair.getValue().toStringUtf8());
        boolean isWhole = pairs.size() == KEYS && values.size() == 1;
        if (isWhole && Long.parseLong(values.iterator().next()) >= last) {
          last = Long.parseLong(values.iterator().next());
          continue;
        }
        if (lost++ < 10) System.out.println("after " + last + ": " + pairs.size() + " pairs, values " + values);
      }
      isOver.set(true);
      writer.join();
      System.out.println(calls + " calls during " + committed + " async commits, " + lost + " of them wrong");
      System.exit(lost == 0 && committed.get() > 0 ? 0 : 1);
    }
  }

  /** One transaction over all keys; false if it came to nothing. */
  private static boolean commit(TiSession session, List<ByteString> keys, long number) {
    Pair<TiRegion, TiStore> at = session.getRegionManager().getRegionStorePairByKey(keys.get(0));
    String address = at.second.getStore().getAddress();
    TikvGrpc.TikvBlockingStub store =
        TikvGrpc.newBlockingStub(session.getChannelFactory().getChannel(address, session.getPDClient().getHostMapping()));
    long start = session.getTimestamp().getVersion();
    Kvrpcpb.PrewriteRequest.Builder prewrite = Kvrpcpb.PrewriteRequest.newBuilder();
    prewrite.setContext(at.first.getLeaderContext()).setPrimaryLock(keys.get(0)).setStartVersion(start);
    prewrite.setLockTtl(3000).setTxnSize(keys.size()).setMinCommitTs(start + 1).setUseAsyncCommit(true);
    prewrite.addAllSecondaries(keys.subList(1, keys.size()));
    for (ByteString key : keys) {
      prewrite.addMutationsBuilder().setOp(Kvrpcpb.Op.Put).setKey(key).setValue(bytes("" + number));
    }
    Kvrpcpb.PrewriteResponse locked = store.kvPrewrite(prewrite.build());
    if (locked.hasRegionError()) session.getRegionManager().invalidateRegion(at.first);
    if (locked.hasRegionError() || locked.getErrorsCount() > 0 || locked.getMinCommitTs() == 0) return false;
    Kvrpcpb.CommitRequest.Builder commit = Kvrpcpb.CommitRequest.newBuilder().setContext(at.first.getLeaderContext());
    commit.setStartVersion(start).setCommitVersion(locked.getMinCommitTs()).addAllKeys(keys);
    return !store.kvCommit(commit.build()).hasError();
  }

  private static ByteString bytes(String text) {
    return ByteString.copyFrom(text, StandardCharsets.UTF_8);
  }
}
