import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.tikv.common.BytePairWrapper;
import org.tikv.common.ByteWrapper;
import org.tikv.common.TiConfiguration;
import org.tikv.common.TiConfiguration.ApiVersion;
import org.tikv.common.TiSession;
import org.tikv.common.exception.RawCASConflictException;
import org.tikv.common.util.BackOffer;
import org.tikv.common.util.ConcreteBackOffer;
import org.tikv.kvproto.Kvrpcpb.KvPair;
import org.tikv.raw.RawKVClient;
import org.tikv.shade.com.google.protobuf.ByteString;
import org.tikv.txn.KVClient;
import org.tikv.txn.TwoPhaseCommitter;

/**
 * The Java client's hello-world, unchanged client, against a Cairn playground. Usage: Hello PD_ADDRESS [V2 | CA CERT KEY];
 * with the three files it speaks TLS. Prints `hello` and exits 0 if all is well.
 */
public final class Hello {
  private static String[] security = {};

  public static void main(String[] args) throws Exception {
    ApiVersion version = args.length == 2 ? ApiVersion.valueOf(args[1]) : ApiVersion.V1;
    if (args.length == 4) security = Arrays.copyOfRange(args, 1, 4);
    raw(args[0], version);
    transaction(args[0], version);
    System.out.println("hello");
    System.exit(0);
  }

  private static TiConfiguration secured(TiConfiguration config) {
    if (security.length == 0) return config;
    config.setTlsEnable(true);
    config.setTrustCertCollectionFile(security[0]);
    config.setKeyCertChainFile(security[1]);
    config.setKeyFile(security[2]);
    return config;
  }

  private static void raw(String pd, ApiVersion version) throws Exception {
    TiConfiguration config = secured(TiConfiguration.createRawDefault(pd));
    config.setApiVersion(version);
    config.setEnableAtomicForCAS(true);
    try (TiSession session = TiSession.create(config); RawKVClient client = session.createRawClient()) {
      client.put(bytes("java/raw"), bytes("1"));
      check(client.get(bytes("java/raw")).equals(Optional.of(bytes("1"))), "a value is read");
      Map<ByteString, ByteString> pairs = new HashMap<>();
      for (int i = 0; i < 100; i++) pairs.put(bytes(String.format("java/batch/%03d", i)), bytes("" + i));
      client.batchPut(pairs);
      List<KvPair> found = client.scan(bytes("java/batch/"), bytes("java/batch0"));
      check(found.size() == 100 && found.get(7).getValue().equals(bytes("7")), "a scan finds all");
      check(client.batchGet(new ArrayList<>(pairs.keySet())).size() == 100, "a batch finds all");
      client.deleteRange(bytes("java/batch/010"), bytes("java/batch0"));
      check(client.scan(bytes("java/batch/"), bytes("java/batch0")).size() == 10, "a range is deleted");
      client.compareAndSet(bytes("java/raw"), Optional.of(bytes("1")), bytes("2"));
      try {
        client.compareAndSet(bytes("java/raw"), Optional.of(bytes("1")), bytes("3"));
        check(false, "a swap that expects what is gone is refused");
      } catch (RawCASConflictException expected) {
        check(client.get(bytes("java/raw")).equals(Optional.of(bytes("2"))), "the first swap stands");
      }
      client.delete(bytes("java/raw"));
      check(!client.get(bytes("java/raw")).isPresent(), "a deleted key is gone");
    }
  }

  private static void transaction(String pd, ApiVersion version) throws Exception {
    TiConfiguration config = secured(TiConfiguration.createDefault(pd));
    config.setApiVersion(version);
    byte[] primary = plain("java/txn/a");
    byte[] secondary = plain("java/txn/b");
    try (TiSession session = TiSession.create(config)) {
      long start = session.getTimestamp().getVersion();
      try (TwoPhaseCommitter committer = new TwoPhaseCommitter(session, start)) {
        BackOffer backOffer = ConcreteBackOffer.newCustomBackOff(10_000);
        committer.prewritePrimaryKey(backOffer, primary, plain("hello"));
        committer.prewriteSecondaryKeys(
            primary, Collections.singletonList(new BytePairWrapper(secondary, plain("world"))).iterator(), 10_000);
        long commit = session.getTimestamp().getVersion();
        committer.commitPrimaryKey(backOffer, primary, commit);
        committer.commitSecondaryKeys(Collections.singletonList(new ByteWrapper(secondary)).iterator(), commit, 10_000);
      }
      try (KVClient client = session.createKVClient()) {
        long now = session.getTimestamp().getVersion();
        check(client.get(bytes("java/txn/a"), now).equals(bytes("hello")), "the primary is committed");
        check(client.get(bytes("java/txn/b"), now).equals(bytes("world")), "the secondary is committed");
        check(client.get(bytes("java/txn/a"), start).isEmpty(), "before the commit there is nothing");
        // In V2 this client scans without an end, which no store of V2 takes.
        if (version == ApiVersion.V1) {
          check(client.scan(bytes("java/txn/"), bytes("java/txn0"), now).size() == 2, "a scan finds both");
        }
      }
    }
  }

  private static byte[] plain(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static ByteString bytes(String text) {
    return ByteString.copyFromUtf8(text);
  }

  private static void check(boolean holds, String what) {
    if (!holds) throw new AssertionError("not so: " + what);
  }
}
