import { edenGC, fullGC, heapStats } from 'bun:jsc'
import { ChurningMap } from '../../src/churning_map.ts'

/** Prints how many of 10,000 deleted values a collection of the young leaves: `kept.ts churning|plain`. */
class Value {
  constructor(readonly number: number) {}
}
const map = process.argv[2] === 'plain' ? new Map<number, Value>() : new ChurningMap<number, Value>()
const AT_A_TIME = 20

let number = 0
const turn = (count: number): void => {
  for (const end = number + count; number < end; number++) {
    map.set(number, new Value(number))
    map.delete(number - AT_A_TIME)
  }
}
turn(10_000)
fullGC()
const before = heapStats().objectCount
turn(10_000)
edenGC()
console.log(Math.max(0, heapStats().objectCount - before))
