import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.InsecureServerCredentials;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Server;
import io.grpc.ServerInterceptors;
import io.grpc.TlsChannelCredentials;
import io.grpc.TlsServerCredentials;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.testing.integration.AbstractInteropTest;
import io.grpc.testing.integration.TestServiceImpl;
import java.io.File;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import org.junit.runner.Description;
import org.junit.runner.JUnitCore;
import org.junit.runner.Result;
import org.junit.runner.notification.Failure;
import org.junit.runner.notification.RunListener;

/**
 * The published interoperability tests of grpc-java against a server, and its test server. Usage: Judge play ADDRESS [CA
 * CERT KEY], which prints `passed NAME` for each test and exits 0 if none failed; or Judge serve [CA CERT KEY], which
 * prints `port N` and ends with its standard input.
 */
public final class Judge {
  static String address;
  static File ca;
  static File cert;
  static File key;

  /** All tests that need no server of their own making in the same process. */
  public static final class Played extends AbstractInteropTest {
    @Override
    protected ManagedChannelBuilder<?> createChannelBuilder() {
      try {
        NettyChannelBuilder builder =
            NettyChannelBuilder.forTarget(
                address,
                ca == null
                    ? InsecureChannelCredentials.create()
                    : TlsChannelCredentials.newBuilder().trustManager(ca).keyManager(cert, key).build());
        return builder.flowControlWindow(TEST_FLOW_CONTROL_WINDOW).maxInboundMessageSize(MAX_MESSAGE_SIZE);
      } catch (Exception e) {
        throw new AssertionError(e);
      }
    }

    @Override
    protected boolean metricsExpected() {
      return false;
    }

    // The two cases that ask to be told whether to probe are no tests by themselves.
    @org.junit.Test
    public void clientCompressedUnaryWithProbe() throws Exception {
      clientCompressedUnary(true);
    }

    @org.junit.Test
    public void clientCompressedStreamingWithProbe() throws Exception {
      clientCompressedStreaming(true);
    }

    @org.junit.Test
    public void soak() throws Exception {
      performSoakTest("judge", false, 100, 0, 10_000, 0, 271828, 314159, 60);
    }
  }

  public static void main(String[] args) throws Exception {
    int files = args[0].equals("play") ? 2 : 1;
    if (args.length > files) {
      ca = new File(args[files]);
      cert = new File(args[files + 1]);
      key = new File(args[files + 2]);
    }
    if (args[0].equals("serve")) {
      serve();
    } else {
      address = args[1];
      play();
    }
  }

  private static void play() {
    JUnitCore core = new JUnitCore();
    core.addListener(
        new RunListener() {
          private boolean failed;

          @Override
          public void testStarted(Description test) {
            failed = false;
          }

          @Override
          public void testFailure(Failure failure) {
            failed = true;
            System.out.println("failed " + failure.getDescription().getMethodName() + ": " + failure.getTrace());
          }

          @Override
          public void testAssumptionFailure(Failure failure) {
            failed = true;
            System.out.println("left out " + failure.getDescription().getMethodName() + ": " + failure.getMessage());
          }

          @Override
          public void testFinished(Description test) {
            if (!failed) System.out.println("passed " + test.getMethodName());
          }
        });
    Result result = core.run(Played.class);
    System.exit(result.wasSuccessful() ? 0 : 1);
  }

  private static void serve() throws Exception {
    ScheduledExecutorService executor = Executors.newScheduledThreadPool(2);
    Server server =
        Grpc.newServerBuilderForPort(
                0,
                ca == null
                    ? InsecureServerCredentials.create()
                    : TlsServerCredentials.newBuilder()
                        .keyManager(cert, key)
                        .trustManager(ca)
                        .clientAuth(TlsServerCredentials.ClientAuth.REQUIRE)
                        .build())
            .maxInboundMessageSize(AbstractInteropTest.MAX_MESSAGE_SIZE)
            .addService(
                ServerInterceptors.intercept(new TestServiceImpl(executor), TestServiceImpl.interceptors()))
            .build()
            .start();
    System.out.println("port " + server.getPort());
    while (System.in.read() >= 0) {}
    System.exit(0);
  }
}
