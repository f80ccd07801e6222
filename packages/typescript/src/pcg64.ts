/**
 * PCG64 (XSL RR 128/64) with the seeding and the distributions of NumPy's Generator, bit for bit.
 *
 * Sources: O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for
 * Random Number Generation" (2014); Lemire, "Fast Random Integer Generation in an Interval" (2019);
 * and the documentation of NumPy's SeedSequence.
 */

const MASK_32 = 0xffff_ffffn;
const MASK_64 = (1n << 64n) - 1n;
const MASK_128 = (1n << 128n) - 1n;
const MULTIPLIER = 0x2360ed051fc65da4_4385df649fccf645n;
const POOL = 4;

/** The words of SeedSequence for an integer of any size: `count` of 64 bits. */
function seedWords(entropy: bigint, count: number): bigint[] {
  const words: number[] = [];
  for (let rest = entropy; rest > 0n || words.length === 0; rest >>= 32n) {
    words.push(Number(rest & MASK_32));
  }
  const pool = mixed(words);
  let constant = 0x8b51f9dd;
  const word = (at: number) => {
    let data = (pool[at % POOL] ?? 0) ^ constant;
    constant = Math.imul(constant, 0x58f38ded);
    data = Math.imul(data, constant);
    return BigInt((data ^ (data >>> 16)) >>> 0);
  };
  return Array.from({ length: count }, (_, at) => word(2 * at) | (word(2 * at + 1) << 32n));
}

/** The pool of a SeedSequence: every word has an effect on every word of it. */
function mixed(words: readonly number[]): number[] {
  let constant = 0x43b0d7e5;
  const hash = (word: number) => {
    const value = word ^ constant;
    constant = Math.imul(constant, 0x931e8875);
    const product = Math.imul(value, constant);
    return product ^ (product >>> 16);
  };
  const mix = (one: number, other: number) => {
    const sum = (Math.imul(0xca01f9dd, one) - Math.imul(0x4973f715, other)) | 0;
    return sum ^ (sum >>> 16);
  };
  const pool = Array.from({ length: POOL }, (_, at) => hash(words[at] ?? 0));
  for (let from = 0; from < POOL; from++) {
    for (let to = 0; to < POOL; to++) {
      if (from !== to) {
        pool[to] = mix(pool[to] ?? 0, hash(pool[from] ?? 0));
      }
    }
  }
  for (const word of words.slice(POOL)) {
    for (let to = 0; to < POOL; to++) {
      pool[to] = mix(pool[to] ?? 0, hash(word));
    }
  }
  return pool;
}

/** A generator of random numbers, equal to `numpy.random.Generator(PCG64(seed))`. */
export class PCG64 {
  private state: bigint;
  private readonly increment: bigint;
  /** The upper half of a 64-bit word whose lower half has been used. */
  private half: bigint | undefined;

  /** @param seed An integer of at least 0, of any size. */
  constructor(seed: bigint) {
    const [high = 0n, low = 0n, upper = 0n, lower = 0n] = seedWords(seed, 4);
    this.increment = ((((upper << 64n) | lower) << 1n) | 1n) & MASK_128;
    this.state = 0n;
    this.advance();
    this.state = (this.state + ((high << 64n) | low)) & MASK_128;
    this.advance();
  }

  private advance(): void {
    this.state = (this.state * MULTIPLIER + this.increment) & MASK_128;
  }

  /** 64 random bits. */
  next64(): bigint {
    this.advance();
    const turn = this.state >> 122n;
    const folded = (this.state >> 64n) ^ (this.state & MASK_64);
    return ((folded >> turn) | (folded << ((64n - turn) & 63n))) & MASK_64;
  }

  /** 32 random bits: the lower half of a word, then its upper half. */
  next32(): bigint {
    if (this.half !== undefined) {
      const { half } = this;
      this.half = undefined;
      return half;
    }
    const word = this.next64();
    this.half = word >> 32n;
    return word & MASK_32;
  }

  /** A float of 0 to 1, without 1, of 53 random bits. */
  random(): number {
    return Number(this.next64() >> 11n) * 2 ** -53;
  }

  /**
   * Integers of 0 to `n - 1`, as `Generator.integers` draws them for a dtype of this size.
   *
   * @param count How many; one alone and an array of one are the same.
   * @param size Bytes of the dtype: those of one array share random words if it has 1 or 2.
   */
  integers(n: bigint, count: number, size: number): bigint[] {
    const bits = BigInt(8 * size);
    const source = size < 4 ? this.pieces(bits) : () => (n <= 1n << 32n ? this.next32() : this.next64());
    const width = size < 4 ? bits : n <= 1n << 32n ? 32n : 64n;
    return Array.from({ length: count }, () => below(n, width, source));
  }

  /** What takes 32 random bits apart, the lowest piece first. */
  private pieces(bits: bigint): () => bigint {
    let [word, left] = [0n, 0n];
    return () => {
      if (left === 0n) {
        [word, left] = [this.next32(), 32n / bits];
      }
      const piece = word & ((1n << bits) - 1n);
      [word, left] = [word >> bits, left - 1n];
      return piece;
    };
  }
}

/** An integer below `n` of words of `width` bits, by Lemire's multiplication. */
function below(n: bigint, width: bigint, next: () => bigint): bigint {
  if (n === 1n) {
    return 0n;
  }
  const whole = 1n << width;
  for (const threshold = whole % n; ; ) {
    const product = next() * n;
    if ((product & (whole - 1n)) >= threshold) {
      return product >> width;
    }
  }
}
