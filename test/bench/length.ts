/**
 * What a message costs by its length: 1 to 10 parts of GSM 03.38 and of UCS-2.
 *   bun run bench length
 */
import { startGateway, TEXT } from './support/gateway.ts'
import { load } from './support/load.ts'
import { startSmsc } from './support/smsc.ts'
import { heading, row, tenths, whole } from './support/table.ts'

const GSM_PART = 153
const UCS2_PART = 67

heading(
  'Cost by length',
  ...[
    'alphabet',
    'parts',
    'characters',
    'sends/s',
    'parts/s',
    'CPU ms a thousand sends',
    'a thousand parts',
    'not 200',
  ],
)
for (const [alphabet, unit, text] of [
  ['GSM 03.38', GSM_PART, TEXT],
  ['UCS-2', UCS2_PART, 'Ваш код 123456. Никому его не сообщайте: мы никогда его не спросим. '],
] as const) {
  for (const parts of [1, 2, 5, 10]) {
    const characters = parts === 1 ? Math.min(unit, 60) : parts * unit - 5
    const smsc = await startSmsc()
    const gateway = await startGateway({ smscPort: smsc.port })
    const result = await load({
      ...{ port: gateway.port, connections: 64, rate: 0, requestsMax: 1_000_000, pids: [gateway.pid] },
      ...{ warmUpMs: 3000, durationMs: 2000 },
      request: gateway.request(text.repeat(20).slice(0, characters)),
    })
    const perThousand = (1e6 * result.cpuSeconds) / result.good
    const rate = result.good / result.seconds
    row(
      alphabet,
      String(parts),
      String(characters),
      whole(rate),
      whole(rate * parts),
      tenths(perThousand),
      tenths(perThousand / parts),
      String(result.bad),
    )
    await gateway.stop()
    await smsc.stop()
  }
}
