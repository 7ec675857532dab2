import { idForms } from '../../src/receipt_ids.ts'
import { readReceipt } from '../../src/smpp/text/receipt.ts'
import { References } from '../../src/smpp/text/reference.ts'
import { segment } from '../../src/smpp/text/segment.ts'

/** `bun test/bench/text.ts`: nanoseconds a call, the best of five runs. */

const references = new References(count => new Uint8Array(count))
const cut = (text: string) => (): unknown =>
  segment(text, {
    encoding: 'auto',
    flash: false,
    partsMax: 10,
    reference: () => references.next('491701234567'),
  })
const receipt = new Uint8Array(
  Buffer.from(
    'id:1234567890 sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:DELIVRD err:000 text:Hello',
  ),
)

const cases: Readonly<Record<string, () => unknown>> = {
  'segment, 160 GSM characters': cut('The quick brown fox jumps over it. '.repeat(5).slice(0, 160)),
  'segment, 400 GSM characters': cut('The quick brown fox jumps over it. '.repeat(12).slice(0, 400)),
  'segment, 70 Cyrillic letters': cut('Съешь ещё этих мягких булок. '.repeat(3).slice(0, 70)),
  'segment, 400 Cyrillic letters': cut('Съешь ещё этих мягких булок. '.repeat(15).slice(0, 400)),
  'segment, 100 family emoji': cut('👨‍👩‍👧'.repeat(50)),
  reference: () => references.next('491701234567'),
  'receipt, text': () => readReceipt({ esm_class: 4, data_coding: 0, short_message: receipt, tlvs: {} }),
  'receipt, TLVs and text': () =>
    readReceipt({
      ...{ esm_class: 4, data_coding: 0, short_message: receipt },
      tlvs: { receipted_message_id: '1234567890', message_state: 2 },
    }),
  'forms of an id': () => idForms('1234567890'),
}

const ROUNDS = 5
const ROUND_MS = 150

for (const [name, call] of Object.entries(cases)) {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const start = Bun.nanoseconds()
    let calls = 0
    while (Bun.nanoseconds() - start < ROUND_MS * 1e6) for (let i = 0; i < 100; i++, calls++) call()
    best = Math.min(best, (Bun.nanoseconds() - start) / calls)
  }
  console.log(`${name.padEnd(32)} ${best.toFixed(0).padStart(7)} ns`)
}
