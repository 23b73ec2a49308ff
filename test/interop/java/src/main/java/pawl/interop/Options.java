package pawl.interop;

import java.util.HashMap;
import java.util.Map;

/** The {@code name=value} arguments of one run. */
final class Options {
  private final Map<String, String> values = new HashMap<>();

  Options(final String[] arguments, final int from) {
    for (int index = from; index < arguments.length; index++) {
      final int equals = arguments[index].indexOf('=');
      if (equals <= 0) {
        throw new IllegalArgumentException("'" + arguments[index] + "' is no name=value");
      }
      values.put(arguments[index].substring(0, equals), arguments[index].substring(equals + 1));
    }
  }

  String text(final String name) {
    final String value = values.get(name);
    if (value == null) {
      throw new IllegalArgumentException(name + "= is missing");
    }
    return value;
  }

  int integer(final String name) {
    return Integer.parseInt(text(name));
  }

  int integer(final String name, final int otherwise) {
    return values.containsKey(name) ? integer(name) : otherwise;
  }
}
