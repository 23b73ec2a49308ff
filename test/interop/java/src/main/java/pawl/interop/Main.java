package pawl.interop;

/** {@code publish name=value...}, {@code subscribe name=value...} or {@code walk directory}. */
public final class Main {
  private Main() {}

  /** Runs one role and reports on standard output. */
  public static void main(final String[] arguments) throws Exception {
    final String role = arguments.length == 0 ? "" : arguments[0];
    switch (role) {
      case "publish" -> Publisher.run(new Options(arguments, 1));
      case "subscribe" -> Subscriber.run(new Options(arguments, 1));
      case "walk" -> LogWalker.run(arguments[1]);
      default -> throw new IllegalArgumentException("publish, subscribe or walk, not: " + role);
    }
  }
}
