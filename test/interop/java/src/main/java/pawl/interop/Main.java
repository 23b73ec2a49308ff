package pawl.interop;

/** {@code publish}, {@code subscribe} or {@code walk}, each with {@code name=value} arguments. */
public final class Main {
  private Main() {}

  /** Runs one role and reports on standard output. */
  public static void main(final String[] arguments) throws Exception {
    final String role = arguments.length == 0 ? "" : arguments[0];
    switch (role) {
      case "publish" -> Publisher.run(new Options(arguments, 1));
      case "subscribe" -> Subscriber.run(new Options(arguments, 1));
      case "walk" -> LogWalker.run(new Options(arguments, 1));
      default -> throw new IllegalArgumentException("publish, subscribe or walk, not: " + role);
    }
  }
}
