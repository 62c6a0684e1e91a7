/**
 * Starts a Trino server for tests. It ends when its standard input does, so
 * that it never outlives the test that started it, killed or not.
 */
public class Trino {
    public static void main(String[] args) {
        Thread watch = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                }
            } catch (java.io.IOException e) {
                // as good as the end
            }
            Runtime.getRuntime().halt(0);
        });
        watch.setDaemon(true);
        watch.start();
        new io.trino.server.Server().start(args[0]);
    }
}
