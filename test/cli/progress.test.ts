import { expect, test } from 'bun:test'
import { createProgress } from '../../src/cli/progress.ts'

function open(isTTY: boolean) {
  const said: string[] = []
  const clock = { now: 0 }
  const progress = createProgress({ isTTY, write: text => said.push(text) }, () => clock.now)
  return { progress, clock, told: () => said.splice(0).join('') }
}

test('progress is a line every five seconds where nobody watches, and at once for other words and the end', () => {
  const { progress, clock, told } = open(false)
  progress.show('a', 0, '0')
  clock.now = 4999
  progress.show('a', 0.1, '1')
  expect(told()).toBe('a   0 %  0\n')
  clock.now = 5000
  progress.show('a', 0.299, '2')
  progress.show('b', 0.5, '3')
  progress.show('b', 1, '4')
  progress.say('text')
  progress.end()
  expect(told()).toBe('a  29 %  2\nb  50 %  3\nb 100 %  4\ntext\n')
})

test('progress is one bar on a terminal, ten times a second, that no other line is written into', () => {
  const { progress, clock, told } = open(true)
  progress.show('a', 0, '0')
  clock.now = 99
  progress.show('a', 0.25, '1')
  expect(told()).toBe(`\ra [${'.'.repeat(24)}]   0 %  0\x1b[K`)
  clock.now = 100
  progress.show('a', 0.5, '2')
  expect(told()).toBe(`\ra [${'#'.repeat(12)}${'.'.repeat(12)}]  50 %  2\x1b[K`)
  progress.show('b', 0, '3')
  expect(told()).toStartWith('\n\rb [')
  progress.say('text')
  progress.end()
  expect(told()).toBe('\ntext\n')
  progress.show('b', 1, '4')
  expect(told()).toStartWith('\rb [')
  progress.end()
  progress.end()
  expect(told()).toBe('\n')
})
