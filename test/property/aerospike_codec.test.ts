import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { AerospikeError, Double, GeoJson, key, type Value } from '../../src/aerospike/index.ts'
import { digestOf } from '../../src/aerospike/key.ts'
import { hashPassword } from '../../src/aerospike/protocol/bcrypt.ts'
import { readFields, writeKeyFields } from '../../src/aerospike/protocol/fields.ts'
import { Framer } from '../../src/aerospike/protocol/framer.ts'
import { beginFrame, endFrame, writeMessageHeader } from '../../src/aerospike/protocol/header.ts'
import { pack, unpack } from '../../src/aerospike/protocol/msgpack.ts'
import { alignResults, readOperations, writeOperation } from '../../src/aerospike/protocol/operations.ts'
import { readParticle, writeParticle } from '../../src/aerospike/protocol/particles.ts'
import { parseHosts, parsePeers } from '../../src/aerospike/protocol/peers.ts'
import { Reader } from '../../src/aerospike/protocol/reader.ts'
import { holds, parseReplicas } from '../../src/aerospike/protocol/replicas.ts'
import { Writer } from '../../src/aerospike/protocol/writer.ts'
import { readRequest } from '../support/aerospike_wire.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 400 })
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const scalar: fc.Arbitrary<Value> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  int64,
  text,
  fc.uint8Array({ maxLength: 400 }),
  fc.json().map(json => new GeoJson(json)),
)
const { value } = fc.letrec<{ value: Value }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    scalar,
    fc.array(tie('value'), { maxLength: 20 }),
    fc
      .array(fc.tuple(fc.oneof(text, fc.integer()), tie('value')), { maxLength: 20 })
      .map(entries => new Map(entries)),
  ),
}))

/** Integers of 64 bits are read as numbers where that is exact. */
function asRead(written: Value): unknown {
  if (typeof written === 'bigint') return Number.isSafeInteger(Number(written)) ? Number(written) : written
  if (written instanceof Double) return written.value
  if (written instanceof Map) return new Map([...written].map(([item, held]) => [asRead(item), asRead(held)]))
  return Array.isArray(written) ? written.map(asRead) : written
}

describe('values', () => {
  test('a particle is read as it was written', () => {
    fc.assert(
      fc.property(value, written => {
        const writer = new Writer(8)
        const type = writeParticle(writer, written)
        expect(readParticle(new Reader(writer.taken()), type, writer.at)).toEqual(asRead(written) as never)
      }),
    )
  })

  test('msgpack is read as it was written, and to its last octet', () => {
    fc.assert(
      fc.property(value, written => {
        const writer = new Writer(8)
        pack(writer, written)
        const reader = new Reader(writer.taken())
        expect(unpack(reader, writer.at)).toEqual(asRead(written) as never)
        expect(reader.left).toBe(0)
      }),
    )
  })

  test('msgpack of integers is the shortest there is', () => {
    const sizes: [number | bigint, number][] = [
      [0, 1],
      [127, 1],
      [128, 2],
      [255, 2],
      [256, 3],
      [65_535, 3],
      [65_536, 5],
      [2 ** 32 - 1, 5],
      [2 ** 32, 9],
      [-1, 1],
      [-32, 1],
      [-33, 2],
      [-128, 2],
      [-129, 3],
      [-32_768, 3],
      [-32_769, 5],
      [-(2 ** 31), 5],
      [-(2 ** 31) - 1, 9],
      [2n ** 63n - 1n, 9],
      [5n, 1],
    ]
    for (const [integer, size] of sizes) {
      const writer = new Writer(8)
      pack(writer, integer)
      expect([integer, writer.at]).toEqual([integer, size])
    }
  })

  test('what nests too deep is refused when written and when read', () => {
    const deep = (depth: number): Value => (depth === 0 ? 1 : [deep(depth - 1)])
    const writer = new Writer(8)
    expect(() => pack(writer, deep(65))).toThrow(AerospikeError)
    pack(writer, deep(64), -36)
    const read = new Writer(128)
    for (let depth = 0; depth < 100; depth++) read.u8(0x91)
    read.u8(0)
    expect(() => unpack(new Reader(read.taken()), read.at)).toThrow('nested more than 64 deep')
  })

  test('the metadata of ordered lists and maps is passed over', () => {
    const map = Uint8Array.of(0x82, 0xc7, 0x00, 0x01, 0xc0, 0xa2, 0x03, 0x61, 0x07)
    expect(unpack(new Reader(map), map.length)).toEqual(new Map([['a', 7]]))
    const list = Uint8Array.of(0x93, 0xc7, 0x00, 0x01, 0x01, 0x02)
    expect(unpack(new Reader(list), list.length)).toEqual([1, 2])
  })
})

describe('digests', () => {
  // Of the set "set": the vectors that Aerospike's own clients are tested with.
  const vectors: [string | number | bigint | Uint8Array, string][] = [
    [-(2n ** 63n), '7185c2a47fb02c996daed26b4e01b83240aee9d4'],
    [2n ** 63n - 1n, '1698328974afa62c8e069860c1516f780d63dbb8'],
    [-(2 ** 31), 'd635a867b755f8f54cdc6275e6fb437df82a728c'],
    [2 ** 31 - 1, 'fa8c47b8b898af1bbcb20af0d729ca68359a2645'],
    [-32_768, '7f41e9dd1f3fe3694be0430e04c8bfc7d51ec2af'],
    [-1, '22116d253745e29fc63fdf760b6e26f7e197e01d'],
    [0, '93d943aae37b017ad7e011b0c1d2e2143c2fb37d'],
    ['', '2819b1ff6e346a43b4f5f6b77a88bc3eaac22a83'],
    ['s', '607cddba7cd111745ef0a3d783d57f0e83c8f311'],
    ['m'.repeat(100), 'f00ad7dbcb4bd8122d9681bca49b8c2ffd4beeed'],
    ['+'.repeat(100_000), '0a3e888c20bb8958537ddd4ba835e4070bd51740'],
    [new Uint8Array(), '327e2877b8815c7aeede0d5a8620d4ef8df4a4b4'],
    [Buffer.from('s'), 'ca2d96dc9a184d15a7fa2927565e844e9254e001'],
    [Buffer.alloc(1000, 't'), '5a32b507518a49bf47fdaa3deca53803f5b2e8c3'],
  ]
  test.each(vectors.map(([userKey, hex]) => [hex, userKey] as const))('%s', (hex, userKey) => {
    expect(Buffer.from(digestOf('set', userKey)).toString('hex')).toBe(hex)
  })

  test('numbers and bigints of the same value name the same record', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), text, (number, set) => {
        expect(digestOf(set, number)).toEqual(digestOf(set, BigInt(number)))
      }),
    )
  })
})

describe('messages', () => {
  const bin = fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 15 })

  test('a request is read by the server as it was written', () => {
    const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
    const u8 = fc.integer({ min: 0, max: 255 })
    const header = fc.record({ info1: u8, info2: u8, info3: u8, generation: u32, ttl: u32 })
    fc.assert(
      fc.property(header, text, fc.array(fc.tuple(bin, value)), (flags, userKey, bins) => {
        const writer = new Writer(8)
        const record = key('namespace', 'set', userKey)
        writeMessageHeader(writer, flags, 1000, 4, bins.length)
        expect(writeKeyFields(writer, record, true)).toBe(4)
        for (const [name, written] of bins) writeOperation(writer, { type: 2, bin: name, value: written })
        const { fields, operations, ...rest } = readRequest(writer.taken())
        expect(rest).toEqual(flags)
        expect(fields.get(4)).toEqual(record.digest)
        expect(operations.map(operation => operation.bin)).toEqual(bins.map(([name]) => name))
      }),
    )
  })

  test('fields and operations are read back', () => {
    fc.assert(
      fc.property(
        fc.oneof(text, fc.maxSafeInteger(), fc.uint8Array()),
        fc.array(fc.tuple(bin, value)),
        (userKey, bins) => {
          const writer = new Writer(8)
          const record = key('namespace', 'set', userKey)
          writeKeyFields(writer, record, true)
          for (const [name, written] of bins) writeOperation(writer, { type: 1, bin: name, value: written })
          const reader = new Reader(writer.taken())
          expect(readFields(reader, 4).key).toEqual(record)
          const read: [string, unknown][] = []
          readOperations(reader, bins.length, (name, held) => read.push([name, held]))
          expect(read).toEqual(bins.map(([name, written]) => [name, asRead(written)]))
        },
      ),
    )
  })

  test('results line up with their operations, though touch has none', () => {
    const operations = [
      { type: 1, bin: 'a' },
      { type: 11, bin: '' },
      { type: 1, bin: 'b' },
    ]
    expect(alignResults(operations, [1, 2])).toEqual([1, null, 2])
  })

  test('names read before come right also where others have their hash, or their octets as characters', () => {
    const names = fc.oneof(fc.string({ maxLength: 3 }), fc.string({ unit: 'binary', maxLength: 3 }))
    fc.assert(
      fc.property(fc.array(names, { maxLength: 200 }), texts => {
        for (const text of [...texts, 'Ã©', 'é', 'Ã©']) {
          const octets = Buffer.from(text)
          expect(new Reader(octets).name(octets.length)).toBe(octets.toString())
        }
      }),
    )
  })

  test('frames come out whole wherever the stream is cut', () => {
    const bodies = fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.uint8Array({ maxLength: 600 })), {
      maxLength: 8,
    })
    fc.assert(
      fc.property(bodies, fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }), (frames, cuts) => {
        const writer = new Writer(8)
        for (const [type, body] of frames) {
          const start = beginFrame(writer, type)
          writer.octets(body)
          endFrame(writer, start)
        }
        const seen: [number, Uint8Array][] = []
        const framer = new Framer(1000, (type, bytes, at, end) =>
          seen.push([type, new Uint8Array(bytes.subarray(at, end))]),
        )
        const stream = writer.taken()
        for (let at = 0, cut = 0; at < stream.length; cut++) {
          const next = at + (cuts[cut % cuts.length] ?? 1)
          framer.push(stream.subarray(at, next))
          at = next
        }
        expect(seen).toEqual(frames)
      }),
    )
  })
})

describe('the cluster in words', () => {
  const port = fc.integer({ min: 1, max: 65_535 })
  const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6())

  test('peers are read as nodes list them', () => {
    const peer = fc.record({
      name: fc.stringMatching(/^[0-9A-F]{15}$/),
      hosts: fc.array(fc.record({ host, port }), { minLength: 1, maxLength: 4 }),
    })
    fc.assert(
      fc.property(fc.nat(), fc.array(peer, { maxLength: 20 }), (generation, peers) => {
        const written = peers.map(
          ({ name, hosts }) =>
            `[${name},,[${hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join()}]]`,
        )
        expect(parsePeers(`${generation},3000,[${written.join()}]`)).toEqual({ generation, peers })
      }),
    )
  })

  test('a host without a port has the default one, and a TLS name is kept', () => {
    const { peers } = parsePeers('5,4333,[[A1,cluster.example,[10.0.0.1,[fe80::1]:3001]]]')
    const tlsName = 'cluster.example'
    expect(peers[0]?.hosts).toEqual([
      { host: '10.0.0.1', port: 4333, tlsName },
      { host: 'fe80::1', port: 3001, tlsName },
    ])
    expect(parseHosts('10.0.0.1:3000,10.0.0.2:3001')).toEqual([
      { host: '10.0.0.1', port: 3000 },
      { host: '10.0.0.2', port: 3001 },
    ])
  })

  test('a node may list as many addresses as a server publishes of its host, and no more', () => {
    const hosts = (count: number) => Array.from({ length: count }, (_, n) => `10.0.0.${n}:3000`).join()
    const read = (count: number) => parsePeers(`1,3000,[[A1,,[${hosts(count)}]]]`).peers[0]?.hosts.length
    expect(read(250)).toBe(250)
    expect(parseHosts(hosts(250))).toHaveLength(250)
    expect(() => read(251)).toThrow('more than 250 elements')
  })

  test.each([
    ['an address without a host', '1,3000,[[A1,,[:3000]]]'],
    ['port 0', '1,3000,[[A1,,[10.0.0.1:0]]]'],
    ['a port past the last', '1,3000,[[A1,,[10.0.0.1:65536]]]'],
    ['a port without digits', '1,3000,[[A1,,[10.0.0.1:]]]'],
    ['no generation', ',3000,[]'],
    ['nothing between two nodes', '1,3000,[[A1,,[a]][B1,,[b]]]'],
    ['no end', '1,3000,[[A1,,[a]'],
  ])('a list of peers with %s is not believed', (_, text) => {
    expect(() => parsePeers(text)).toThrow(expect.objectContaining({ code: 'PROTOCOL_ERROR' }))
  })

  test('replicas say for each partition who holds it', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 512, maxLength: 512 }),
        fc.nat({ max: 4095 }),
        (bitmap, partition) => {
          const [said] = parseReplicas(`sms:7,1,${Buffer.from(bitmap).toString('base64')};`)
          expect([said?.namespace, said?.regime]).toEqual(['sms', 7])
          const bit = ((bitmap[partition >> 3] ?? 0) >> (7 - (partition & 7))) & 1
          expect(holds(said?.bitmaps[0] ?? new Uint8Array(), partition)).toBe(bit === 1)
        },
      ),
    )
  })
})

test('a password is hashed as bcrypt does, with the salt of the protocol', async () => {
  for (const password of ['', 'sesame', 'Größe 🙂', 'x'.repeat(80)]) {
    const hash = hashPassword(password)
    expect(hash).toStartWith('$2a$10$7EqJtq98hPqEX7fNZaFWoO')
    expect(hash).toHaveLength(60)
    if (password !== '' && password.length < 72) expect(await Bun.password.verify(password, hash)).toBe(true)
  }
}, 240_000)
