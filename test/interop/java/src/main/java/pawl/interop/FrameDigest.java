package pawl.interop;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.agrona.DirectBuffer;

/** A hash over frames: place, length and type of each, and payload. */
final class FrameDigest {
  private static final int PLACE_LENGTH = 16;

  private final MessageDigest digest;
  private final ByteBuffer place =
      ByteBuffer.allocate(PLACE_LENGTH).order(ByteOrder.LITTLE_ENDIAN);

  FrameDigest() {
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (final NoSuchAlgorithmException exception) {
      throw new IllegalStateException(exception);
    }
  }

  void place(final long position, final int frameLength, final int type) {
    place.clear();
    place.putLong(position).putInt(frameLength).putInt(type);
    digest.update(place.flip());
  }

  void payload(final DirectBuffer buffer, final int offset, final int length) {
    final byte[] bytes = new byte[length];
    buffer.getBytes(offset, bytes);
    digest.update(bytes);
  }

  String hex() {
    return HexFormat.of().formatHex(digest.digest());
  }
}
