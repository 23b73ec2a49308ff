// auctions.mjs: a service that sells items to the highest bidder, three times: right, and with two
// bugs that no test on one machine finds.
//
// Commands, queries and answers are text: `open ITEM` begins an auction, `bid ITEM AMOUNT` takes
// part in it, and the query `ITEM` asks how it stands.

const AUCTION_MS = 2_000;

/** Auctions whose time is the log's. */
export class Auctions {
  /** Items that are being sold, or were. */
  items = new Map();
  soldCount = 0;
  #cluster;

  onStart(cluster) {
    this.#cluster = cluster;
  }

  onSessionMessage(session, timestamp, buffer, offset, length) {
    const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length);
    const [command, item, amount] = new TextDecoder().decode(bytes).split(' ');
    const answer =
      command === 'open'
        ? this.open(item, timestamp)
        : this.bid(session.id, item, Number(amount), timestamp);
    const text = new TextEncoder().encode(answer);
    session.offer(text, 0, text.length);
  }

  open(item, timestamp) {
    if (this.items.has(item)) return `refused ${item} is there`;
    const deadline = this.now(timestamp) + AUCTION_MS;
    this.items.set(item, { deadline, highest: 0, bidder: 0 });
    return `opened ${item}`;
  }

  bid(bidder, item, amount, timestamp) {
    const auction = this.items.get(item);
    if (auction === undefined) return `refused ${item} is not for sale`;
    if (this.now(timestamp) >= auction.deadline) {
      this.items.delete(item);
      this.soldCount++;
      return `refused ${item} is sold`;
    }
    if (amount <= auction.highest) return `refused ${auction.highest} is bid`;
    auction.highest = amount;
    auction.bidder = bidder;
    return `accepted ${item} ${amount}`;
  }

  /** Reads only: the leader alone is asked. */
  onQuery(query, buffer, offset, length) {
    const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length);
    const text = new TextEncoder().encode(this.describe(new TextDecoder().decode(bytes)));
    query.reply(text, 0, text.length);
  }

  describe(item) {
    const auction = this.items.get(item);
    if (auction === undefined) return `${item} is not for sale`;
    const isOver = this.queryTime(this.#cluster.time()) >= auction.deadline;
    return `${item} ${isOver ? 'is sold' : 'is open'} at ${auction.highest}`;
  }

  /** The time of the state that is read, on whichever member. */
  queryTime(logTime) {
    return logTime;
  }

  /** The time at which all members handle this event, however late each of them does. */
  now(timestamp) {
    return timestamp;
  }
}

/** The same auctions by the clock of whichever machine: their ends differ between the members. */
export class HastyAuctions extends Auctions {
  now() {
    return Date.now();
  }
}

/** Its state is right, and what it says of it is not: another member says something else. */
export class HastyAnswers extends Auctions {
  queryTime() {
    return Date.now();
  }
}

const ITEMS = ['lamp', 'chair', 'clock'];

/** What a client does: it opens, bids and asks by chance, and reads its answers. */
export function bidder({ random }) {
  const highest = new Map();
  return {
    next() {
      const item = random.pick(ITEMS);
      return random.chance(1, 5) ? `open ${item}` : `bid ${item} ${random.between(1, 1_000)}`;
    },
    nextQuery: () => random.pick(ITEMS),
    onAnswer(answer) {
      const text = new TextDecoder().decode(answer);
      return / is (open|sold|not for sale)/.test(text) ? undefined : `is none: ${text}`;
    },
    onReply(reply) {
      const text = new TextDecoder().decode(reply);
      if (!/^(opened|accepted|refused) /.test(text)) return `has an answer that is none: ${text}`;
      const [answer, item, amount] = text.split(' ');
      if (answer === 'opened') highest.delete(item);
      if (answer === 'accepted') highest.set(item, Number(amount));
      return undefined;
    },
  };
}
