package pawl.interop;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.agrona.DirectBuffer;
import org.agrona.concurrent.UnsafeBuffer;

/**
 * Messages whose every byte follows from their sequence number, and a hash over the whole stream.
 *
 * <p>The twin of {@code test/interop/content.ts}: both sides make the same bytes and the same hash,
 * or one of them is wrong.
 */
final class Content {
  static final int SMALL_LENGTH = 200;
  static final int LARGE_LENGTH = 60_000;

  private static final int BATCH_LENGTH = 256 * 1024;

  private final int count;
  private final int largeEvery;
  private final UnsafeBuffer expected =
      new UnsafeBuffer(ByteBuffer.allocateDirect(LARGE_LENGTH).order(ByteOrder.LITTLE_ENDIAN));
  private final byte[] batch = new byte[BATCH_LENGTH];
  private final UnsafeBuffer batchView = new UnsafeBuffer(batch);
  private final MessageDigest digest;
  private int batchLength;

  Content(final Options options) {
    final int small = options.integer("small");
    final int large = options.integer("large");
    if (large > 0 && small % large != 0) {
      throw new IllegalArgumentException("small is a multiple of large");
    }
    count = small + large;
    largeEvery = large == 0 ? Integer.MAX_VALUE : small / large + 1;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (final NoSuchAlgorithmException exception) {
      throw new IllegalStateException(exception);
    }
  }

  int count() {
    return count;
  }

  int lengthOf(final int sequence) {
    return (sequence + 1) % largeEvery == 0 ? LARGE_LENGTH : SMALL_LENGTH;
  }

  DirectBuffer buffer() {
    return expected;
  }

  /** Fills the buffer with the message of a sequence number; returns its length. */
  int fill(final int sequence) {
    final int length = lengthOf(sequence);
    expected.putInt(0, sequence, ByteOrder.LITTLE_ENDIAN);
    final int seed = sequence * 0x9e3779b9;
    for (int offset = 4; offset < length; offset += 4) {
      expected.putInt(offset, mix(seed + offset), ByteOrder.LITTLE_ENDIAN);
    }
    return length;
  }

  /** Adds a message, its length first, to the hash of the stream. */
  void hash(final DirectBuffer buffer, final int offset, final int length) {
    if (batchLength + 4 + length > BATCH_LENGTH) {
      flush();
    }
    batchView.putInt(batchLength, length, ByteOrder.LITTLE_ENDIAN);
    buffer.getBytes(offset, batch, batchLength + 4, length);
    batchLength += 4 + length;
  }

  /** Whether these are the very bytes of the message with a sequence number. */
  boolean matches(
      final int sequence, final DirectBuffer buffer, final int offset, final int length) {
    if (sequence >= count || length != fill(sequence)) {
      return false;
    }
    for (int index = 0; index < length; index += 8) {
      if (buffer.getLong(offset + index) != expected.getLong(index)) {
        return false;
      }
    }
    return true;
  }

  /** The hash of all messages so far; ends the stream. */
  String digest() {
    flush();
    return HexFormat.of().formatHex(digest.digest());
  }

  private void flush() {
    digest.update(batch, 0, batchLength);
    batchLength = 0;
  }

  private static int mix(final int value) {
    int word = value;
    word = (word ^ (word >>> 16)) * 0x85ebca6b;
    word = (word ^ (word >>> 13)) * 0xc2b2ae35;
    return word ^ (word >>> 16);
  }
}
